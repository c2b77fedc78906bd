"""Figure 4(c): slot filling on ATIS with a one-layer LSTM, 16 workers; at smoke scale on an embedded grammar."""

from __future__ import annotations

from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, decides
from reproductions.rps.figure4 import Panel, decide_level, decide_order, decide_rise

PANEL = Panel("c", "LSTM", "rps-fig4c-atis")
experiments = PANEL.experiments


@decides(
    "rps-fig4c-atis-baseline",
    "rps-fig4c-atis-arrival99",
    "rps-fig4c-atis-arrival95",
    "rps-fig4c-atis-arrival90",
)
def test_printed_loss(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    decide_level(claim, settings, runs)


@decides(
    "rps-fig4c-atis-arrival99-rise",
    "rps-fig4c-atis-arrival95-rise",
    "rps-fig4c-atis-arrival90-rise",
)
def test_rise_over_the_baseline(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    decide_rise(claim, settings, runs)


@decides("rps-fig4c-validation-similar")
def test_validation_has_the_same_order(claim: Decider, runs: Runs[Training]) -> None:
    decide_order(claim, runs, "test_loss")


def test_figure4c(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    PANEL.plot(settings, runs, figures)
