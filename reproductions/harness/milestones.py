"""Milestones: when a run reaches a level."""

from __future__ import annotations

import numpy as np

from reproductions.harness.store import Run


def steps_to(run: Run, metric: str, level: float) -> float:
    """Return the step at which a falling metric is at a level, between logged steps by interpolation.

    A run that begins below the level is there at its first logged step; one that never is, at infinity.
    """
    series = run.series(metric)
    reached = np.flatnonzero(series.to_numpy() <= level)
    if not len(reached):
        return np.inf
    if reached[0] == 0:
        return float(series.index[0])
    before, after = series.iloc[reached[0] - 1], series.iloc[reached[0]]
    step = series.index[reached[0]] - series.index[reached[0] - 1]
    return float(series.index[reached[0]] - step * (level - after) / (before - after))
