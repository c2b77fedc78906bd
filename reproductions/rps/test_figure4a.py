"""Figure 4(a): ResNet-110 on CIFAR-10, 16 workers; at smoke scale a thin residual net on scikit-learn digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, all_of, decides, less
from reproductions.rps.delivered import as_labelled
from reproductions.rps.exact import Array
from reproductions.rps.figure4 import Panel, decide_level, decide_lowest, decide_rise, rises_less
from reproductions.rps.recipes import seeds_of

PANEL = Panel("a", "ResNet110", "rps-fig4-r110")
OTHER = "ResNet20"  # of panel (b)


def experiments(settings: Settings) -> dict[float | tuple[str, float], list[Training]]:
    """Return all curves of the panel by arrival probability, and those of panel (b) that a claim compares them with."""
    other = {(OTHER, arrival): seeds_of(settings, OTHER, arrival) for arrival in (1.0, 0.95)}
    return PANEL.experiments(settings) | other


@decides(
    "rps-fig4-r110-baseline",
    "rps-fig4-r110-arrival90",
)
def test_printed_loss(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    decide_level(claim, settings, runs)


@decides(
    "rps-fig4-r110-arrival99",
    "rps-fig4-r110-arrival90-rise",
)
def test_rise_over_the_baseline(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    decide_rise(claim, settings, runs)


@decides("rps-fig4-r110-arrival95")
def test_identical_at_95_percent(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    if settings.scale == "paper":
        decide_rise(claim, settings, runs)
        return
    at = claim.claim.at
    arrival, compared, losses = float(at["arrival"]), float(at["compared"]), runs.final("train_loss")
    small = rises_less(losses, arrival, compared, float(at["share"]), claim.alpha)
    ours, other = (
        _relative_rise(losses[1.0], losses[arrival]),
        _relative_rise(losses[OTHER, 1.0], losses[OTHER, arrival]),
    )
    decision = all_of(small, less(ours, other, paired=False, alpha=claim.alpha), as_labelled(runs))
    claim.decide(decision, f"{ours.mean():+.1%}, {other.mean():+.1%} of {OTHER}", runs)


def _relative_rise(baseline: Sequence[float], losses: Sequence[float]) -> Array:
    rise: Array = np.subtract(losses, baseline) / np.mean(baseline)
    return rise


@decides("rps-fig4-r110-arrival80")
def test_lowest_arrival_converges_above_the_others(claim: Decider, runs: Runs[Training]) -> None:
    decide_lowest(claim, runs)


def test_figure4a(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    PANEL.plot(settings, runs, figures)
