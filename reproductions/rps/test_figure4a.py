"""Figure 4(a): ResNet-110 on CIFAR-10, 16 workers; at smoke scale a thin residual net on scikit-learn digits."""

from __future__ import annotations

from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps.figure4 import Panel

PANEL = Panel("a", "ResNet110", "rps-fig4-r110")
experiments = PANEL.experiments


@decides(
    "rps-fig4-r110-baseline",
    "rps-fig4-r110-arrival99",
    "rps-fig4-r110-arrival95",
    "rps-fig4-r110-arrival90",
)
def test_printed_loss(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    PANEL.decide_loss(claim, settings, runs)


@decides("rps-fig4-r110-arrival80")
def test_lowest_arrival_converges_above_the_others(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    PANEL.decide_lowest(claim, settings, runs)


def test_figure4a(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    PANEL.plot(settings, runs, figures)
