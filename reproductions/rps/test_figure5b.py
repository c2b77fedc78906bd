"""Figure 5(b): gradient averaging at 99 % arrival, ResNet-110 on CIFAR-10."""

from __future__ import annotations

from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, decides
from reproductions.rps.figure5 import Panel, decide_worse, same_without_drops

PANEL = Panel("b", "ResNet110")
experiments = PANEL.experiments


@decides("rps-fig5-r110-gradient-avg-99-worse")
def test_one_percent_hurts_gradient_averaging(claim: Decider, runs: Runs[Training]) -> None:
    decide_worse(claim, runs)


def test_same_without_drops(runs: Runs[Training]) -> None:
    assert same_without_drops(runs)[0].outcome != "fails"


def test_figure5b(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    PANEL.plot(settings, runs, figures)
