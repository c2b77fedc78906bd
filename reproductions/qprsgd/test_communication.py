"""Bits on the wire: what quantization and local updates save, of figure 3(d, h), the introduction and the abstract.

The paper says how an element is encoded in two ways, "at most 12 bits" in section V and Elias codes in appendix G, and
gives no s. Savings are counted for each way: 12 bits for every element, which allow s = 2047, Elias codes of this s,
whose longest ones have 24 bits, and Elias codes of at most 12 bits, s = 62, with which nothing can be trained (the
noise of a compression is 60 times what it compresses).
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from algorithms.qprsgd.quantize import Quantizer
from algorithms.streams import kernel_key, torch_seed
from reproductions.paper import Decider, FigureFolder, decides, exactly, panels, point
from reproductions.qprsgd import table2
from reproductions.qprsgd.recipes import BITS12, PARADIGMS, PARAMETERS, K, M, methods
from reproductions.workloads.resnet import ResNet34

ENCODINGS = {
    "Elias codes, s = 2047": Quantizer(s=2047, wire="elias"),
    "Elias codes, s = 62": Quantizer(s=62, wire="elias"),
    "12 bits an element": BITS12,
}
VECTORS = ("normal", "gradient")


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
def bits(kind: str, parts: int, codec: Quantizer) -> float:
    """Return the bits an element that messages of one of `parts` parts of a vector really take."""
    n = PARAMETERS // parts
    generator = torch.Generator().manual_seed(torch_seed(0, "communication/normal"))
    v = torch.randn(n, generator=generator) if kind == "normal" else gradient()[:n].clone()
    message = torch.empty(codec.size(n), dtype=torch.uint8)
    return 8 * codec.encode(v, kernel_key(0, "communication"), message) / n


def saving(encoding: str, paradigm: str, workers: int = M) -> float:
    """Return what quantization saves of a dense message, in percent, for the vector of which it saves less."""
    parts = workers if paradigm == "RAR" else 1
    return 100 * (1 - max(bits(kind, parts, ENCODINGS[encoding]) for kind in VECTORS) / 32)


@decides("qprsgd-fig3d-90pct-vs-prsgd", "qprsgd-fig3h-90pct-vs-prsgd", "qprsgd-intro-90pct", "qprsgd-abstract-90pct")
def test_encoded_messages_against_dense_ones(claim: Decider) -> None:
    paradigm = claim.claim.at.get("paradigm")
    paradigms = PARADIGMS if paradigm is None else (str(paradigm),)
    savings = {name: [saving(name, p) for p in paradigms] for name in ENCODINGS}
    decisions = {name: claim.within(point(min(found), len(found))) for name, found in savings.items()}
    claim.decide_readings(decisions, "; ".join(_cells(name, paradigms) for name in ENCODINGS))


def _cells(encoding: str, paradigms: tuple[str, ...]) -> str:
    """Return savings of one encoding: of a round, of a round of eight workers, and of a local update against PSGD."""
    texts = []
    for paradigm in paradigms:
        round_, eight = saving(encoding, paradigm), saving(encoding, paradigm, 2 * M)
        update = 100 - (100 - round_) / K
        texts.append(f"{paradigm} {round_:.1f} % a round, {eight:.1f} at M = 8, {update:.1f} an update against PSGD")
    return f"{encoding}: {'; '.join(texts)}"


@decides("qprsgd-comm-psgd-equals-prsgd")
def test_psgd_and_prsgd_send_equally_much(claim: Decider) -> None:
    volumes = {p: {name: table2.volume(method) for name, method in methods(p).items()} for p in PARADIGMS}
    shares = [v["PR-SGD"] / v["PSGD"] for v in volumes.values()]
    ones = [1.0] * len(shares)
    readings = {"rounds": exactly(shares, ones), "passes": exactly([share / K for share in shares], ones)}
    text = f"PR-SGD sends {shares[0]:.2f} of what PSGD does a round, {shares[0] / K:.2f} a pass over the data"
    claim.decide_readings(readings, text)


def test_bits_an_element(figures: FigureFolder) -> None:
    levels, rows = 2 ** np.arange(0, 15), []
    for paradigm, s in product(PARADIGMS, levels.tolist()):
        parts = 20 * (M if paradigm == "RAR" else 1)
        rows.append((s, paradigm, bits("normal", parts, Quantizer(s, wire="elias"))))
    frame = pd.DataFrame(rows, columns=["s", "paradigm", "bits"])
    figure, (axis,) = panels(1, width=5)
    for paradigm in PARADIGMS:
        part = frame[frame["paradigm"] == paradigm]
        axis.plot(part["s"], part["bits"], "o-", ms=3, label=f"Elias, {paradigm}")
    axis.step(levels, np.ceil(np.log2(2 * levels + 1)), "k:", where="mid", label="fixed length")
    axis.axhline(3.2, color="grey", lw=0.8, label="90 % saved")
    axis.set(xscale="log", xlabel="s", ylabel="bits an element", title="a normal vector of a 20th of ResNet-34")
    axis.legend(fontsize=7)
    figures.save("bits", figure, frame)
