"""Section 1: 10 % of lost messages do not slow convergence, in image classification and in language understanding."""

from __future__ import annotations

import numpy as np

from reproductions.harness.decisions import all_of
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import within
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.rps.grids import grid

MODELS = ("ResNet20", "LSTM")


def experiments(settings: Settings) -> list[Training]:
    """Return the curves of figures 4(b) and 4(c) at 100 and 90 % arrival."""
    return [training for model in MODELS for training in grid(settings, model, [1.0, 0.9])]


@decides("rps-intro-no-impact-10pct")
def test_ten_percent_do_not_slow_convergence(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    decisions, text = [], []
    for model in MODELS:
        baseline, dropped = (select(runs, grid(settings, model, [a])) for a in (1.0, 0.9))
        ratios = [_epochs_to_level(b, d) for b, d in zip(baseline, dropped, strict=True)]
        decisions.append(within(ratios, 0.0, 1.25, diverged_fails=True))
        text.append(f"{model} {np.mean(ratios):.2f}")
    claim.decide(all_of(*decisions), ", ".join(text), runs)


def _epochs_to_level(baseline: Run, dropped: Run) -> float:
    """Return the ratio of the (interpolated) epochs to where the baseline has made 90 % of its fall."""
    losses = baseline.series("train_loss")
    level = float(losses.iloc[-1] + 0.1 * (losses.iloc[0] - losses.iloc[-1]))
    return _crossing(dropped, level) / _crossing(baseline, level)


def _crossing(run: Run, level: float) -> float:
    series = run.series("train_loss")
    below = np.flatnonzero(series.to_numpy() <= level)
    if not below.size:
        return float("inf")
    k = int(below[0])
    if k == 0:
        return float(series.index[0])
    before, after = series.iloc[k - 1], series.iloc[k]
    return float(series.index[k - 1] + (before - level) / (before - after))
