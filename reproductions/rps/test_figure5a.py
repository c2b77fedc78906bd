"""Figure 5(a): gradient averaging at 99 % arrival, ResNet-20 on CIFAR-10."""

from __future__ import annotations

from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, decides
from reproductions.rps.figure5 import MODELS, RELIABLE, Panel, decide_better, decide_worse, same_without_drops

PANEL = Panel("a", "ResNet20")
experiments = PANEL.experiments


@decides("rps-fig5-r20-gradient-avg-99-worse")
def test_one_percent_hurts_gradient_averaging(claim: Decider, runs: Runs[Training]) -> None:
    decide_worse(claim, runs)


@decides("rps-fig5-rps-beats-gradients")
def test_models_suffer_less_than_gradients(claim: Decider, runs: Runs[Training]) -> None:
    decide_better(claim, runs)


@decides("rps-fig5-baseline-same")
def test_same_without_drops(claim: Decider, runs: Runs[Training]) -> None:
    decision, gap = same_without_drops(runs)
    claim.decide(decision, f"off by at most {gap:.1g}", runs.only(RELIABLE, MODELS))


def test_figure5a(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    PANEL.plot(settings, runs, figures)
