"""Figure 4(b): ResNet-20 on CIFAR-10, 16 workers; at smoke scale a thin residual net on scikit-learn digits."""

from __future__ import annotations

from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, decides
from reproductions.rps.figure4 import Panel, decide_level, decide_lowest, decide_order, decide_rise

PANEL = Panel("b", "ResNet20", "rps-fig4-r20")
experiments = PANEL.experiments


@decides(
    "rps-fig4-r20-baseline",
    "rps-fig4-r20-arrival90",
)
def test_printed_loss(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    decide_level(claim, settings, runs)


@decides(
    "rps-fig4-r20-arrival99",
    "rps-fig4-r20-arrival95",
    "rps-fig4-r20-arrival90-rise",
)
def test_rise_over_the_baseline(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    decide_rise(claim, settings, runs)


@decides("rps-fig4-r20-arrival80")
def test_lowest_arrival_converges_above_the_others(claim: Decider, runs: Runs[Training]) -> None:
    decide_lowest(claim, runs)


@decides("rps-fig4-ordering")
def test_order_of_the_curves(claim: Decider, runs: Runs[Training]) -> None:
    decide_order(claim, runs, "train_loss")


@decides("rps-fig4-validation-similar")
def test_validation_has_the_same_order(claim: Decider, runs: Runs[Training]) -> None:
    decide_order(claim, runs, "test_loss")


def test_figure4b(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    PANEL.plot(settings, runs, figures)
