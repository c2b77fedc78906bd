"""Figure 4(b): ResNet-20 on CIFAR-10, 16 workers; at smoke scale a thin residual net on scikit-learn digits."""

from __future__ import annotations

from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps.figure4 import Panel

PANEL = Panel("b", "ResNet20", "rps-fig4-r20")
experiments = PANEL.experiments


@decides(
    "rps-fig4-r20-baseline",
    "rps-fig4-r20-arrival99",
    "rps-fig4-r20-arrival95",
    "rps-fig4-r20-arrival90",
)
def test_printed_loss(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    PANEL.decide_loss(claim, settings, runs)


@decides("rps-fig4-r20-arrival80")
def test_lowest_arrival_converges_above_the_others(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    PANEL.decide_lowest(claim, settings, runs)


@decides("rps-fig4-ordering")
def test_order_of_the_curves(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    PANEL.decide_order(claim, settings, runs, "train_loss")


@decides("rps-fig4-validation-similar")
def test_validation_has_the_same_order(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    PANEL.decide_order(claim, settings, runs, "test_loss")


def test_figure4b(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    PANEL.plot(settings, runs, figures)
