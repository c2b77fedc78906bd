"""Training runs read in rounds, and decisions about the rounds that they take to converge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reproductions.experiments.training import Training
from reproductions.paper import Decider, Decision, Interval, Label, Run, Runs, Settings, mean_interval, reached
from reproductions.qprsgd.recipes import Member, Recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rounds = NDArray[np.float64]
DIVERGED = 1e6  # the loss that stands for one that is larger or no number
LOSS = "mean_train_loss"  # a running mean over a pass would lag by another number of rounds for every K


@dataclass(frozen=True)
class Curves:
    """Runs of a figure, read in rounds.

    Parameters
    ----------
    runs
        Runs by label.
    members
        What the labels stand for.
    recipe
        How they were trained.
    """

    runs: Runs[Training]
    members: Mapping[Label, Member]
    recipe: Recipe

    def rounds_to(self, label: Label, level: float | None = None) -> Rounds:
        """Return the rounds to a loss, by default that of convergence, (seeds,); infinite for runs that end above it.

        Between the ends of two passes the logarithm of the loss is taken to fall in a straight line.
        """
        target = self.recipe.level if level is None else level
        passes = [_passes_to(run, target) for run in self.runs[label]]
        return np.array(passes) * self.recipe.rounds_per_pass(self.members[label])

    def log_loss(self, label: Label, rounds: float) -> Rounds:
        """Return the logarithm of the loss after some rounds, (seeds,); none counts as more than a million."""
        losses = [np.fmin(run.series(LOSS), DIVERGED) for run in self.runs[label]]
        return self._after(label, rounds, [np.log([np.log(10), *loss]) for loss in losses])

    def accuracy(self, label: Label, rounds: float) -> Rounds:
        """Return the test accuracy of the average model after some rounds, (seeds,)."""
        return self._after(label, rounds, [[1 / 10, *run.series("mean_test_accuracy")] for run in self.runs[label]])

    def _after(self, label: Label, rounds: float, curves: Sequence[Any]) -> Rounds:
        """Return values after some rounds of curves that begin with guessing, between passes in a straight line."""
        passes = rounds / self.recipe.rounds_per_pass(self.members[label])
        return np.array([np.interp(passes, range(len(curve)), curve) for curve in curves])

    def length(self, label: Label) -> float:
        """Return the rounds of a run."""
        return self.runs.experiment(label).epochs * self.recipe.rounds_per_pass(self.members[label])

    def sent(self, label: Label) -> float:
        """Return the bytes through the busiest worker in a round."""
        return self.runs[label][0].final("busiest_bytes") / self.length(label)

    def draw_level(self, axis: Axes) -> None:
        """Draw the loss of convergence."""
        level = self.recipe.level
        axis.axhline(level, color="black", lw=0.8, ls=":", label=f"convergence, {level:g}")

    def draw_printed(self, axis: Axes, base: float, factors: Sequence[float], label: str = "_") -> None:
        """Draw, on the loss of convergence, printed factors of where a curve of ours gets there, `base`."""
        ends = base * np.array(factors)
        axis.plot(ends, [self.recipe.level] * len(ends), "|-", ms=9, lw=2, color="grey", label=label)

    def frame(self, labels: Sequence[Label], **columns: Any) -> pd.DataFrame:
        """Return the training loss of curves, with their parameters, steps being rounds."""
        frames = []
        for label in labels:
            method, frame = self.members[label], self.runs.only(label).curves(LOSS)
            name: Any = [label[-1] if isinstance(label, tuple) else label] * len(frame)
            rounds = frame["step"] * self.recipe.rounds_per_pass(method)
            varies: dict[str, Any] = {"paradigm": method.paradigm, "K": method.period, "M": method.workers} | columns
            frames.append(frame.assign(label=name, step=rounds, quantized=method.quantized, **varies))
        return pd.concat(frames, ignore_index=True)


def numbered(claim: Decider, settings: Settings, times: Mapping[Any, Rounds], number: Rounds) -> Decision:
    """Decide about a printed number at the paper's scale, at others whether the effect is as large as its trend says.

    Parameters
    ----------
    times
        Rounds, or what else it takes to converge, by label.
    number
        What is printed as one number, (seeds,).
    """
    if settings.scale == "paper":
        return reached(times, lambda: claim.within(number), every=True)
    trend = claim.claim.trend
    assert trend is not None
    assert isinstance(trend.above, int | float)
    samples: dict[Any, list[float]] = {trend.above: [float(trend.above)] * len(number), "found": number.tolist()}
    return reached(times, lambda: claim.follows(samples, "found"), every=True)


def ratio(times: Rounds, others: Rounds) -> Rounds:
    """Return times / others, (seeds,): no number for a seed that reached the level in neither run."""
    with np.errstate(invalid="ignore"):
        return times / others


def interval(number: Rounds) -> Interval | None:
    """Return the interval of a number over seeds; None if there is none, as a run did not converge."""
    return mean_interval(number) if np.isfinite(number).all() else None


def _passes_to(run: Run[Training], level: float) -> float:
    loss = run.series(LOSS)
    below = np.flatnonzero(loss.to_numpy() <= level)
    if not len(below):
        return np.inf
    steps, values = [0, *loss.index], np.log([np.log(10), *loss])
    last = below[0] + 1
    return float(np.interp(-np.log(level), -values[last - 1 : last + 1], steps[last - 1 : last + 1]))
