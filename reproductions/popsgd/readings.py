"""What tests read from runs: values of a label, one a seed, and slopes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproductions.paper import Interval, Run, slope_interval
from reproductions.popsgd.convex import Convex
from reproductions.popsgd.descent import Clocks, PopulationDescent

Array = NDArray[np.float64]
Statistic = Callable[[Array], Any]
E = TypeVar("E", Convex, PopulationDescent, Clocks)


def seeded(experiment: E, seeds: int) -> list[E]:
    """Return the experiment once for every seed."""
    return [replace(experiment, seed=seed) for seed in range(seeds)]


def over_time(group: Iterable[Run[Any]], metric: str) -> dict[int, list[float]]:
    """Return a metric of every run of a label, by the step at which it was logged."""
    table = [run.series(metric) for run in group]
    return {int(t): [float(series[t]) for series in table] for t in table[0].index}


def settled(group: Sequence[Run[Any]], since: float, statistic: Statistic = np.mean, metric: str = "excess") -> Array:
    """Return a statistic of a metric after this fraction of the steps, for every run of a label."""
    series = [run.series(metric) for run in group]
    return np.array([statistic(each[each.index > since * each.index.max()].to_numpy()) for each in series])


def slope_in(found: Mapping[Any, ArrayLike]) -> Interval:
    """Fit values, one a seed, against the numbers that they stand under, on log-log axes."""
    points = [(at, value) for at, values in found.items() for value in np.ravel(values)]
    x, y = np.log(np.array(points)).T
    return slope_interval(x, y).interval
