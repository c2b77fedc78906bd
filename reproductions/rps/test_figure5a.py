"""Figure 5(a): gradient averaging at 99 % arrival, ResNet-20 on CIFAR-10."""

from __future__ import annotations

from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps.figure5 import Panel

PANEL = Panel("a", "ResNet20")
experiments = PANEL.experiments


@decides("rps-fig5-r20-gradient-avg-99-worse")
def test_one_percent_hurts_gradient_averaging(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    PANEL.decide_worse(claim, settings, runs)


@decides("rps-fig5-baseline-same")
def test_same_without_drops(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    decision, gap = PANEL.same_without_drops(settings, runs)
    claim.decide(decision, f"off by at most {gap:.1g}", runs)


def test_figure5a(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    PANEL.plot(settings, runs, figures)
