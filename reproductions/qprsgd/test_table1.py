"""Table I's rows of other papers, and the size of the model of section V-A."""

from __future__ import annotations

from torch import nn

from reproductions.harness.decisions import all_of, close, exactly
from reproductions.harness.plugin import decides
from reproductions.harness.verdicts import Decider
from reproductions.workloads.resnet import residual_net

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # ResNet-34: channels and residual blocks


@decides(
    "qprsgd-table1-doublesqueeze",
    "qprsgd-table1-local-sgd",
    "qprsgd-table1-dcd-psgd",
    "qprsgd-table1-qsparse-local-sgd",
    "qprsgd-table1-fedpaq",
)
def test_other_papers(claim: Decider) -> None:
    claim.not_run("the rate and the assumptions of another paper's algorithm, cited: its text would decide this row")


@decides("qprsgd-model-size")
def test_model_size(claim: Decider) -> None:
    blocks = [(width, 2 if i == 0 and width > 64 else 1) for width, count in STAGES for i in range(count)]
    model = residual_net(3, (64, 1), blocks, 10, 0.1)
    parameters = sum(p.numel() for p in model.parameters())
    decision = all_of(
        exactly([parameters, len(blocks)], [21_282_122, 16]),
        exactly([parameters], [_by_hand()]),
        close(4 * parameters / 1e6, 85.0, rtol=0.01, atol=0),
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
