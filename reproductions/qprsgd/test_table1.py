"""Table I: the rates of six algorithms by messages, side by side, and the size of the model of section V-A."""

from __future__ import annotations

from math import sqrt

import pandas as pd
from torch import nn

from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.servers import DoubleSqueeze, FedPAQ, QSparseLocalSGD
from reproductions.experiments.descent import Descent
from reproductions.paper import (
    COLOURS,
    Decider,
    FigureFolder,
    Label,
    Runs,
    Settings,
    all_of,
    decides,
    exactly,
    panels,
    point,
)
from reproductions.qprsgd import rates
from reproductions.qprsgd.rates import CODEC, grid, network, speedup
from reproductions.qprsgd.rounding import Levels
from reproductions.workloads.resnet import residual_net

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # ResNet-34: channels and residual blocks


def _without_workers(syncs: int, K: int, M: int) -> float:
    """Return 1/(L sqrt(N K)), the step size of FedPAQ's rate."""
    return 1 / sqrt(syncs * K) / rates.L


ROWS: dict[str, dict[Label, list[Descent]]] = {
    "DoubleSqueeze": grid("DoubleSqueeze", lambda M, K: DoubleSqueeze(CODEC), speedup, axes="NM", base=(4, 1)),
    "Local SGD": grid("Local SGD", lambda M, K: GossipQPRSGD(K, Levels(None), network(M)), speedup),
    "DCD-PSGD": grid("DCD-PSGD", lambda M, K: GossipQPRSGD(1, CODEC, network(M)), speedup, axes="NM", base=(4, 1)),
    "QSparse-Local-SGD": grid("QSparse-Local-SGD", lambda M, K: QSparseLocalSGD(K, CODEC), speedup),
    "FedPAQ": grid("FedPAQ", lambda M, K: FedPAQ(K, CODEC), _without_workers),
}


def experiments(settings: Settings) -> dict[Label, list[Descent]]:
    """Return the runs of all rows, labelled by algorithm, the parameter that varies and its value."""
    return {
        label: runs
        for row in (*ROWS.values(), rates.this_paper("RAR"), rates.this_paper("gossip"))
        for label, runs in row.items()
    }


@decides(
    "qprsgd-table1-doublesqueeze",
    "qprsgd-table1-local-sgd",
    "qprsgd-table1-dcd-psgd",
    "qprsgd-table1-qsparse-local-sgd",
    "qprsgd-table1-fedpaq",
)
def test_other_papers(claim: Decider, runs: Runs[Descent]) -> None:
    name, printed = str(claim.claim.at["algorithm"]), claim.claim.value
    decision = all_of(*(rates.follows(runs, name, axis, exponent) for axis, exponent in printed.items()))
    varied = "".join(axis for axis in rates.AXES if rates.points(runs, name, axis))
    claim.decide(decision, rates.listed(runs, name, varied), runs.where(lambda label: name in str(label)))


def test_table1(runs: Runs[Descent], figures: FigureFolder) -> None:
    figure, axes = panels(3, width=4)
    rows = []
    for axis, parameter in zip(axes, rates.AXES, strict=True):
        for name, colour in zip((*ROWS, "RAR", "gossip"), COLOURS, strict=False):
            found = rates.points(runs, name, parameter)
            if found:
                axis.loglog(list(found), list(found.values()), ".-", color=colour, label=_legend(name))
                slope = rates.slope(runs, name, parameter).interval.estimate
                rows += [(name, parameter, x, y, slope) for x, y in found.items()]
        axis.set(xlabel=parameter, ylabel="mean |grad F|^2 a coordinate", title=f"along {parameter}")
        axis.set_xticks(ticks := sorted({row[2] for row in rows if row[1] == parameter}), [str(x) for x in ticks])
        axis.minorticks_off()
        axis.legend(fontsize=6)
    frame = pd.DataFrame(rows, columns=["algorithm", "varies", "value", "gradient", "slope"])
    figures.save("table1", figure, frame)


def _legend(name: str) -> str:
    return f"this paper, {name}" if name in ("RAR", "gossip") else name


@decides("qprsgd-model-size")
def test_model_size(claim: Decider) -> None:
    blocks = [(width, 2 if i == 0 and width > 64 else 1) for width, count in STAGES for i in range(count)]
    model = residual_net(3, (64, 1), blocks, 10, 0.1)
    parameters = sum(p.numel() for p in model.parameters())
    decision = all_of(
        exactly([parameters, len(blocks)], [21_282_122, 16]),
        exactly([parameters], [_by_hand()]),
        claim.within(point(4 * parameters / 1e6)),
    )
    layers = sum(
        isinstance(m, nn.Conv2d | nn.Linear) and getattr(m, "kernel_size", (3,))[0] != 1 for m in model.modules()
    )
    claim.decide(decision, f"{4 * parameters / 1e6:.2f} MB of float32, {layers} layers without shortcuts")


def _by_hand() -> int:
    """Count weights of convolutions, two parameters of every batch norm and the last layer."""
    total, width = 3 * 64 * 9 + 2 * 64, 64
    for channels, count in STAGES:
        first = width * channels * 9 + channels * channels * 9 + 4 * channels
        shortcut = width * channels + 2 * channels if width != channels else 0
        total += first + shortcut + (count - 1) * (2 * channels * channels * 9 + 4 * channels)
        width = channels
    return total + 512 * 10 + 10
