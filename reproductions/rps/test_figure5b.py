"""Figure 5(b): gradient averaging at 99 % arrival, ResNet-110 on CIFAR-10."""

from __future__ import annotations

from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps.figure5 import Panel

PANEL = Panel("b", "ResNet110")
experiments = PANEL.experiments


@decides("rps-fig5-r110-gradient-avg-99-worse")
def test_one_percent_hurts_gradient_averaging(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    PANEL.decide_worse(claim, settings, runs)


def test_same_without_drops(settings: Settings, runs: list[Run]) -> None:
    assert PANEL.same_without_drops(settings, runs)[0].outcome != "fails"


def test_figure5b(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    PANEL.plot(settings, runs, figures)
