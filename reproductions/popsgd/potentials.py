"""What the tests of the potential Gamma_t share: gradients that are tried, and bounds on E Gamma_t beside runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from algorithms.popsgd.population import ClockRate
from reproductions.paper import Runs
from reproductions.popsgd.descent import PopulationDescent
from reproductions.popsgd.problems import Array, Flat, Halves, Problem, Ridge
from reproductions.popsgd.readings import over_time

ETA = 0.1
PROBLEMS: dict[str, tuple[Problem, float]] = {  # gradients with E |g|^2 = d, and their noise
    "noise": (Flat(16), 1.0),
    "drift": (Flat(16, 1.0), 0.0),
    "apart": (Ridge(16), 0.3),
    "halves": (Halves(16, 1.0), 0.0),
}


def edge(n: int) -> ClockRate:
    """Return the rate at the edge of Lemma 4.4, a = 18 n, that begins at `ETA`."""
    return ClockRate(n, 18 * n, 18 * n * ETA)


def over_bound(runs: Runs[PopulationDescent], bound: Callable[[int, float, float], float]) -> list[Array]:
    """Return Gamma over a bound on E Gamma, of every label and time an array with a value for each seed."""
    ratios = []
    for label, group in runs.items():
        run = runs.experiment(label)
        for t, values in over_time(group, "potential").items():
            ratios.append(np.divide(values, bound(run.graph.nodes, run.eta(t), run.M)))
    return ratios


def largest_by_recursion(n: int, shrink: float, a: float, limit: float) -> float:
    """Return the largest Gamma_t/(limit eta_t^2 M^2) that a per-step bound allows from Gamma_0 = 0, for b = M = 1.

    The bound is that of Lemma 4.3 with 1 - `shrink` in the place of 1 - 1/n.
    """
    gamma, worst = 0.0, 0.0
    for t in range(int(8 / shrink) + 200):
        eta = 1 / (a + t)
        worst = max(worst, gamma / (limit * eta**2))
        gamma = (1 - shrink) * gamma + 4 * eta * (gamma / n) ** 0.5 + 8 * eta**2
    return worst
