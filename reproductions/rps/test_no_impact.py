"""Section 1: 10 % of lost messages do not slow convergence, in image classification and in language understanding."""

from __future__ import annotations

import numpy as np

from reproductions.experiments.training import Training
from reproductions.paper import Decider, Run, Runs, Settings, all_of, decides, sooner
from reproductions.rps.delivered import as_labelled
from reproductions.rps.recipes import seeds_of

MODELS = ("ResNet20", "LSTM")
SLOWER = 1.25  # times as many epochs are a slower convergence


def experiments(settings: Settings) -> dict[tuple[str, float], list[Training]]:
    """Return the curves of figures 4(b) and 4(c) at 100 and 90 % arrival."""
    return {(model, arrival): seeds_of(settings, model, arrival) for model in MODELS for arrival in (1.0, 0.9)}


@decides("rps-intro-no-impact-10pct")
def test_ten_percent_do_not_slow_convergence(claim: Decider, runs: Runs[Training]) -> None:
    decisions, text = [], []
    for model in MODELS:
        pairs = zip(runs[model, 1.0], runs[model, 0.9], strict=True)
        ratios, ends = np.array([_epochs_to_level(*pair) for pair in pairs]).T
        decisions.append(sooner(ratios, np.full(len(ratios), SLOWER), float(ends.min()), alpha=claim.alpha / 2))
        text.append(f"{model} {np.mean(ratios):.2f}")
    claim.decide(all_of(*decisions, as_labelled(runs)), ", ".join(text), runs)


def _epochs_to_level(baseline: Run, dropped: Run) -> tuple[float, float]:
    """Return the (interpolated) epochs to where the baseline has made 90 % of its fall, and those of a whole run.

    Both are in units of the epochs that the baseline takes; the first is infinite if the other does not get there.
    """
    losses = baseline.series("train_loss")
    level = float(losses.iloc[-1] + 0.1 * (losses.iloc[0] - losses.iloc[-1]))
    theirs = baseline.steps_to("train_loss", level)
    return dropped.steps_to("train_loss", level) / theirs, float(losses.index[-1]) / theirs
