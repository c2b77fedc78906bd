"""Bits on the wire: what quantization and local updates save, of figure 3(d, h), the introduction and the abstract."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch.nn import functional

from algorithms.quantize import Quantizer
from algorithms.streams import kernel_key, torch_seed
from reproductions.harness.decisions import close, exactly
from reproductions.harness.figures import FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.verdicts import Decider
from reproductions.qprsgd import table2
from reproductions.qprsgd.grids import PARADIGMS, PARAMETERS, K, M, methods
from reproductions.workloads.resnet import ResNet34

ELIAS = Quantizer(s=2047, wire="elias")


@cache
def gradient() -> torch.Tensor:
    """Return the gradient of ResNet-34 at its start on 8 images of noise, (21,282,122,)."""
    generator = torch.Generator().manual_seed(torch_seed(0, "communication"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = ResNet34().build()
    images = torch.randn(8, 3, 32, 32, generator=generator)
    torch.autograd.backward(functional.cross_entropy(net(images), torch.arange(8)))
    return torch.cat([parameter.grad.reshape(-1) for parameter in net.parameters() if parameter.grad is not None])


@cache
def bits(kind: str, parts: int, codec: Quantizer = ELIAS) -> float:
    """Return the bits an element that Elias-coded messages of one of `parts` parts of a vector really take."""
    n = PARAMETERS // parts
    generator = torch.Generator().manual_seed(torch_seed(0, "communication/normal"))
    v = torch.randn(n, generator=generator) if kind == "normal" else gradient()[:n].clone()
    message = torch.empty(codec.size(n), dtype=torch.uint8)
    return 8 * codec.encode(v, kernel_key(0, "communication"), message) / n


def _parts(paradigm: str) -> int:
    return M if paradigm == "RAR" else 1


@decides("qprsgd-fig3d-90pct-vs-prsgd", "qprsgd-fig3h-90pct-vs-prsgd", "qprsgd-intro-90pct")
def test_elias_coded_messages_against_dense_ones(claim: Decider) -> None:
    paradigms = {"fig3d": ["RAR"], "fig3h": ["gossip"]}.get(claim.claim.id.split("-")[1], list(PARADIGMS))
    found = [bits(kind, _parts(paradigm)) for paradigm in paradigms for kind in ("normal", "gradient")]
    savings = [1 - value / 32 for value in found]
    text = f"{min(savings):.1%} ({', '.join(f'{value:.2f}' for value in found)} bits)"
    claim.decide(exactly([min(savings) > 0.9], [True]), text)


@decides("qprsgd-abstract-90pct")
def test_overhead_against_psgd(claim: Decider) -> None:
    savings = []
    for paradigm in PARADIGMS:
        members = methods(paradigm)
        per_update = {name: table2.volume(method) / method.period for name, method in members.items()}
        savings.append(1 - per_update["QPRSGD"] / per_update["PSGD"])
    claim.decide(close(savings, [0.9, 0.9], rtol=0, atol=0.01), f"{np.mean(savings):.1%}")


@decides("qprsgd-comm-psgd-equals-prsgd")
def test_psgd_and_prsgd_send_equally_much_a_round(claim: Decider) -> None:
    volumes = {p: {name: table2.volume(method) for name, method in methods(p).items()} for p in PARADIGMS}
    equal = exactly([v["PR-SGD"] for v in volumes.values()], [v["PSGD"] for v in volumes.values()])
    claim.decide(equal, f"a round; 1/{K} an update")


def test_bits_an_element(figures: FigureFolder) -> None:
    import pandas as pd

    levels = 2 ** np.arange(0, 15)
    rows = [
        {
            "s": int(s),
            "paradigm": paradigm,
            "bits": bits("normal", 20 * _parts(paradigm), Quantizer(int(s), wire="elias")),
        }
        for paradigm in PARADIGMS
        for s in levels
    ]
    frame = pd.DataFrame(rows)
    figure, (axis,) = panels(1, width=5)
    for paradigm, part in frame.groupby("paradigm", sort=False):
        axis.plot(part["s"], part["bits"], "o-", ms=3, label=f"Elias, {paradigm}")
    axis.step(levels, np.ceil(np.log2(2 * levels + 1)), "k:", where="mid", label="fixed length")
    axis.axhline(3.2, color="grey", lw=0.8, label="90 % saved")
    axis.set(xscale="log", xlabel="s", ylabel="bits an element", title="a normal vector of a 20th of ResNet-34")
    axis.legend(fontsize=7)
    figures.save("bits", figure, frame)
