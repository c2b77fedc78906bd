"""What the tests of the potential Gamma_t share: gradients that are tried, and bounds on E Gamma_t beside runs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from algorithms.popsgd.population import ClockRate
from algorithms.streams import stream
from reproductions.paper import Runs
from reproductions.popsgd.descent import PopulationDescent
from reproductions.popsgd.enumeration import Slope
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


def largest_by_recursion(n: int, shrink: float, a: float, limit: float, fastest: float = 1.0) -> float:
    """Return the largest Gamma_t/(limit eta_t^2 M^2) that a per-step bound allows from Gamma_0 = 0, for b = M = 1.

    The bound is that of Lemma 4.3 with 1 - `shrink` in the place of 1 - 1/n, and `fastest` eta_t in that of eta_t.
    """
    gamma, worst = 0.0, 0.0
    for t in range(int(8 / shrink) + 200):
        eta = 1 / (a + t)
        worst = max(worst, gamma / (limit * eta**2))
        gamma = (1 - shrink) * gamma + 4 * fastest * eta * (gamma / n) ** 0.5 + 8 * (fastest * eta) ** 2
    return worst


def one_step(n: int, fastest: float = 2.0, waves: bool = False) -> tuple[Array, Array, Array, Array]:
    """Return cases side by side: models, expected gradients and rates, all (n, d), and noise (d,), with eta = M = 1.

    Parameters
    ----------
    n
        Number of nodes.
    fastest
        The largest rate; the smallest is a quarter of it, as by Lemma 4.2.
    waves
        Whether models along the slowest mode of a cycle are tried, too.
    """
    rng, d = stream(0, "one step", n), 60
    scale = np.geomspace(1e-2, 1e4, d)
    halves = np.where(np.arange(n) < (n + 1) // 2, 1.0, -1.0)[:, None]
    wave = np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)[:, None]
    columns: list[tuple[Array, ...]] = []
    models = [halves * scale, (np.eye(n)[:, :1] * n - 1) * scale, rng.standard_normal((n, d)) * scale]
    for x in [*models, wave * scale] if waves else models:
        pushes = (-np.sign(x - x.mean(axis=0)), np.ones((n, d)), rng.uniform(-1, 1, (n, d)))
        rates = (np.full((n, d), 2.0), np.ones((n, d)), 2.0 ** rng.choice([-1, 1], (n, d)))
        for push, eta, noise in product(pushes, rates, (0.0, 0.5, 1.0)):
            columns.append((x, np.sqrt(1 - noise**2) * push, eta * fastest / 2, np.full(d, noise)))
    x, push, eta, noise = (np.concatenate(side, axis=-1) for side in zip(*columns, strict=True))
    return x, push, eta, noise


def pushing(push: Array) -> Slope:
    """Return the gradient that is the same for a node wherever it is."""
    return lambda row, node: push[node]
