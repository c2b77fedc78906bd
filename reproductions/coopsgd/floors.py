"""Floors: where the losses of a training run come to rest, and whether they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reproductions.experiments.training import Training
from reproductions.paper import Decision, Label, Run, Runs, all_of, flat_tail, point

TAIL = 1 / 2  # of a run, over which its floor is averaged
STILL = 0.1  # of its height, which a floor may move by from the first half of the tail to the second
FIRM = 1.0  # of a difference between floors, which it may change by: each half shows at least half of it
LOSS = "mean_train_loss"  # of the average model, F(u_k): what theorem 1 is about
OWN = "workers_train_loss"  # of the workers' own models

Array = NDArray[np.float64]
Group = Sequence[Run[Training]]


def floors(group: Group, metric: str = LOSS) -> list[float]:
    """Return, for every run, the mean of a metric over the last half of its epochs; NaN or infinite if it diverged."""
    values = [run.series(metric).to_numpy() for run in group]
    return [float(series[-max(1, round(TAIL * len(series))) :].mean()) for series in values]


def text(groups: Sequence[Sequence[float]]) -> str:
    """Return the mean of every group."""
    return ", ".join(f"{np.mean(group):.4f}" for group in groups)


def at_rest(runs: Runs[Training], *labels: Label, metric: str = LOSS) -> Decision:
    """Decide that runs have come to rest: no floor moves by much, nor does the difference of the last from the first.

    Inconclusive if they have not, or if one of them diverged.
    """
    curves = [_curves(runs[label], metric) for label in labels]
    if not np.isfinite(curves).all():
        return Decision("inconclusive", point(np.nan), "a run diverged and has no floor")
    still = [_flat(curve, STILL) for curve in curves]
    return all_of(*still, *([_flat(curves[-1] - curves[0], FIRM)] if len(curves) > 1 else []))


def where_at_rest(rest: Decision, decide: Callable[[], Decision]) -> Decision:
    """Decide a statement about floors if they are at rest; if they are not, they say nothing, so it is inconclusive."""
    return all_of(decide(), rest) if rest.outcome == "holds" else replace(rest, outcome="inconclusive")


def _flat(curves: Array, share: float) -> Decision:
    """Decide that the tails of curves, (seeds, epochs), change by at most a share of their height."""
    height = abs(float(_tail(curves).mean()))
    return flat_tail(list(curves), max(share * height, 1e-12), TAIL)


def _curves(group: Group, metric: str) -> Array:
    """Return a metric over epochs, (seeds, epochs)."""
    return np.array([run.series(metric).to_numpy() for run in group])


def _tail(curves: Array) -> Array:
    return curves[:, -max(1, round(TAIL * curves.shape[1])) :]
