"""Search for the worst case of a bound, by exact expectations.

`quadratics` goes over a grid of quadratics. `climb` looks at objectives that are not quadratic: F is a function of one
variable whose gradient is piecewise linear with slopes in [-1, 1], so L = 1 and F_inf is known. Noise takes two values,
so all outcomes of a few iterations of a few workers can be enumerated. A random walk over landscapes, noises and step
sizes then climbs towards the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from algorithms.coopsgd.cooperative import CooperativeSGD, elastic_averaging, hierarchical_averaging, periodic_averaging
from algorithms.streams import stream
from reproductions.coopsgd import bounds
from reproductions.coopsgd.bounds import Assumptions, Condition
from reproductions.coopsgd.exact import Array, Parabola, expected
from reproductions.coopsgd.problems import complete, rule10

PIECES = 12
FAMILY = [  # what the quadratics are tried with
    *(complete(m, z, v, tau) for (m, v), tau, z in product(((3, 0), (2, 1), (3, 3)), (1, 4), (0.0, 0.3, 0.9))),
    *(rule10(elastic_averaging(4, alpha)) for alpha in (0.05, 1 / 3, 0.39)),
    hierarchical_averaging([2, 3], 0.2, 0.2, tau=2),
]
SMALL = {  # small enough for an enumeration of all outcomes of four iterations
    "PASGD, tau = 2": periodic_averaging(2, 2),
    "zeta = 0.5": complete(2, 0.5),
    "EASGD": rule10(elastic_averaging(2, 0.5)),
    "EASGD, tau = 2": rule10(elastic_averaging(2, 0.3, 2)),
}


class Case(NamedTuple):
    """A landscape, a noise and a step size.

    Attributes
    ----------
    slopes
        Slopes of the gradient on `PIECES` equal pieces of [-width, width].
    width, tilt
        Half the width of the landscape, and the gradient at x_1 = 0.
    share
        eta as a share of the largest that the condition allows.
    kick, deviation
        Probability of the larger of the two values of the noise, and sigma.
    """

    slopes: Array
    width: float
    tilt: float
    share: float
    kick: float
    deviation: float


class Ratios(NamedTuple):
    """Mean of E |grad F(u_k)|^2 over the right-hand sides of (17) or (139), and of (33)."""

    theorem: float
    lemma: float


class WorstMeans(NamedTuple):
    """Means over k = 1..K of E |grad F(u_k)|^2 and E |X_k (I-J)|_F^2."""

    gradient: float
    consensus: float


@cache
def quadratics(
    condition: Callable[[Assumptions], Condition],
    beta: float = 0.0,
    *,
    alternative: bool = False,
    longest: int = 1 << 16,
) -> list[Ratios]:
    """Return the ratios on quadratics with curvature L and L/10, up to the largest step size of a condition."""
    ratios = []
    parts = product((0.1, 1.0), ((1.0, 0.0), (0.0, 1.0), (0.3, 1.0)), (0.3, 1.0), (1, 64, longest))
    for (h, (sigma, start), share, periods), algorithm in product(parts, FAMILY):
        member = replace(algorithm, alternative=alternative)
        s = bounds.assumptions(member, 1.0, sigma, h / 2 * start, beta)
        eta, steps = share * condition(s).largest, periods * s.tau
        means = expected(member, eta, Parabola(h, sigma, beta, start), steps)
        bound = bounds.theorem1(s, eta, steps, alternative=alternative)
        ratios.append(Ratios(means.gradient / bound, means.gradient / bounds.lemma3(s, eta, steps, means.consensus)))
    return ratios


def climb(
    algorithm: CooperativeSGD,
    steps: int,
    beta: float,
    starts: int,
    moves: int,
    condition: Callable[[Assumptions], Condition] = bounds.eq138,
) -> Iterator[Ratios]:
    """Yield the ratios of every case on the way, up to the largest step size of a condition."""
    for seed in range(starts):
        rng = stream(seed, "worst case")
        draw = rng.uniform(-1, 1, PIECES + 5)
        best = -1.0
        for _ in range(moves):
            moved = draw + 0.4 * rng.standard_normal(len(draw)) * (rng.random(len(draw)) < 0.3)
            ratios = _ratios(algorithm, _case(moved), steps, beta, condition)
            yield ratios
            if ratios.theorem >= best:
                best, draw = ratios.theorem, moved


def enumerated(algorithm: CooperativeSGD, case: Case, eta: float, steps: int, beta: float = 0.0) -> WorstMeans:
    """Return exact means over all outcomes of the noise."""
    m, n = algorithm.workers, len(algorithm.weights)
    kicks = np.array(list(product((0, 1), repeat=m)))
    chances = np.where(kicks, case.kick, 1 - case.kick).prod(axis=1)
    odds = np.sqrt((1 - case.kick) / case.kick)
    unit = np.zeros((len(kicks), n))
    unit[:, :m] = np.where(kicks, odds, -1 / odds)
    x, weights, sums = np.zeros((1, n)), np.ones(1), np.zeros(2)
    for k in range(1, steps + 1):
        mean = x.mean(axis=1)
        sums += weights @ _gradient(case, mean) ** 2, weights @ ((x - mean[:, None]) ** 2).sum(axis=1)
        g = _gradient(case, x)
        g[:, m:] = 0
        noise = np.sqrt(beta * g**2 + case.deviation**2)[:, None] * unit
        moved = (x - eta * g)[:, None] - eta * noise
        x = moved.reshape(-1, n) @ (algorithm.W if k % algorithm.tau == 0 else np.eye(n))
        weights = np.outer(weights, chances).ravel()
    return WorstMeans(*(sums / steps).tolist())


def gap(case: Case) -> float:
    """Return F(0) - F_inf."""
    knots, g = _knots(case)
    falls = np.flatnonzero((g[:-1] < 0) & (g[1:] > 0))  # a minimum between two knots
    inside = knots[falls] - g[falls] * (knots[falls + 1] - knots[falls]) / (g[falls + 1] - g[falls])
    points = np.sort(np.concatenate([knots, inside, [0.0]]))
    at = np.interp(points, knots, g)
    values = np.concatenate([[0.0], np.cumsum(np.diff(points) * (at[1:] + at[:-1]) / 2)])
    return float(values[np.searchsorted(points, 0.0)] - values.min())


def _ratios(
    algorithm: CooperativeSGD, case: Case, steps: int, beta: float, condition: Callable[[Assumptions], Condition]
) -> Ratios:
    s = bounds.assumptions(algorithm, 1.0, case.deviation, gap(case), beta)
    eta = case.share * condition(s).largest
    found = enumerated(algorithm, case, eta, steps, beta)
    lemma3 = bounds.lemma3(s, eta, steps, found.consensus)
    return Ratios(found.gradient / bounds.theorem1(s, eta, steps), found.gradient / lemma3)


def _case(draw: Array) -> Case:
    """Return the case that a point of the walk, (PIECES + 5,), stands for."""
    share, kick = 1 / (1 + np.exp(-4 * draw[-5:-3]))
    width, deviation = np.exp(2 * np.tanh(draw[-3:-1]))
    return Case(np.tanh(2 * draw[:PIECES]), width, draw[-1], share, 0.01 + 0.98 * kick, deviation)


def _knots(case: Case) -> tuple[Array, Array]:
    """Return where the gradient has its kinks and its values there; outside it goes to 0 or away from 0."""
    knots = np.linspace(-case.width, case.width, PIECES + 1)
    g = np.concatenate([[0.0], np.cumsum(case.slopes * np.diff(knots))])
    g += case.tilt - np.interp(0.0, knots, g)
    left, right = max(g[0], 0.0), max(-g[-1], 0.0)
    knots = np.concatenate([[knots[0] - left - 1e-9], knots, [knots[-1] + right + 1e-9]])
    return knots, np.concatenate([[min(g[0], 0.0)], g, [max(g[-1], 0.0)]])


def _gradient(case: Case, x: Array) -> Array:
    return np.interp(x, *_knots(case))
