"""Figure 4(c): slot filling on ATIS with a one-layer LSTM, 16 workers; at smoke scale on an embedded grammar."""

from __future__ import annotations

from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps.figure4 import Panel

PANEL = Panel("c", "LSTM", "rps-fig4c-atis")
experiments = PANEL.experiments


@decides(
    "rps-fig4c-atis-baseline",
    "rps-fig4c-atis-arrival99",
    "rps-fig4c-atis-arrival95",
    "rps-fig4c-atis-arrival90",
)
def test_printed_loss(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    PANEL.decide_loss(claim, settings, runs)


def test_figure4c(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    PANEL.plot(settings, runs, figures)
