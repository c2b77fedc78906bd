"""Midpoints of two pairs (a, b) and (a', b'): how far apart they can be in a set of diameter 1, under conditions.

With u = ||a - b|| and u' = ||a' - b'|| and m = (a + b)/2, m' = (a' + b')/2, lemma 17 gives, for any four points,

    ||m - m'||^2 = (||a - a'||^2 + ||a - b'||^2 + ||b - a'||^2 + ||b - b'||^2)/4 - (u^2 + u'^2)/4.

From this follow the exact constants below (derivations in the claims file); `largest` searches for more by
optimisation. Points are rows: a, b, a', b', then a common value c, or c and c'.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.streams import stream

Points = NDArray[np.float64]
Condition = Callable[[Points], list[float]]
"""Takes (k, d) points; returns what must not be negative."""

MIDEXT_COMMON = 6 / 7  # one round of MidExtremes if every pair of processes has a common value
APPROACH_COMMON = 7 / 8  # the same of ApproachExtreme
APPROACH_SHARED = 3 / 4  # ApproachExtreme in algorithm 4, where one of two processes sees the other's own value


def squared(points: Points) -> Points:
    """Return all squared distances, (k, k)."""
    differences = points[:, None] - points
    return np.asarray((differences**2).sum(axis=2))


def diameter(points: Points) -> float:
    """Return diam: the largest squared distance."""
    return float(squared(points).max())


def between_midpoints(points: Points, sign: float = 1.0) -> float:
    """Return ||m - m'||^2; with sign -1 for m = (a - b)/2, as lemmas 14, 15 and 18 print it."""
    a, b, c, d = points[:4]
    difference = (a + sign * b - c - sign * d) / 2
    return float(difference @ difference)


def largest(k: int, d: int, condition: Condition, starts: int = 4) -> float:
    """Search k points in R^d of diameter at most 1 that satisfy a condition for the largest ||m - m'||^2."""
    from scipy.optimize import minimize

    constraints: list[Any] = [
        {"type": "ineq", "fun": lambda flat: 1 - squared(flat.reshape(k, d))[np.triu_indices(k, 1)]},
        {"type": "ineq", "fun": lambda flat: np.array(condition(flat.reshape(k, d)))},
    ]

    def objective(flat: Points) -> float:
        return -between_midpoints(flat.reshape(k, d))

    best = 0.0
    for start in range(starts):
        first = 0.4 * stream(0, "clustersgd/points", start, k).standard_normal(k * d)
        end: Any = minimize(objective, first, constraints=constraints)
        points = end.x.reshape(k, d)
        allowed = diameter(points) <= 1 + 1e-6 and min(condition(points)) >= -1e-6
        if allowed:
            best = max(best, float(-end.fun))
    return best


# ----------------------------------------------------------------------------------------------------- conditions


def widths(points: Points) -> tuple[float, float]:
    """Return u and u'."""
    return _distance(points[0], points[1]), _distance(points[2], points[3])


def lemma14(points: Points) -> list[float]:
    """Return u + u' - 1."""
    return [sum(widths(points)) - 1]


def lemma15(points: Points) -> list[float]:
    """Return 2u + 2u' - 1."""
    return [2 * sum(widths(points)) - 1]


def lemma18(c: float, d: float) -> Condition:
    """Return the condition c u^2 + c u'^2 + d - 1 >= 0, Eq. (21) at diameter 1."""
    return lambda points: [c * sum(u * u for u in widths(points)) + d - 1]


def midext(gap: float = 0.0) -> Condition:
    """Return the condition on (a, b), (a', b'), c (and c'): farthest pairs of sets that hold c and c'.

    ||c - c'||^2 <= `gap`; with 0 there is one common value.
    """

    def condition(p: Points) -> list[float]:
        (u, v), c, other, apart = widths(p), *_common(p, gap)
        pairs = [u - _distance(p[0], c), u - _distance(p[1], c), v - _distance(p[2], other), v - _distance(p[3], other)]
        return pairs + apart

    return condition


def approach(gap: float = 0.0) -> Condition:
    """Return the same for ApproachExtreme: b is farthest from the own value a in a set that holds c."""

    def condition(p: Points) -> list[float]:
        (u, v), c, other, apart = widths(p), *_common(p, gap)
        return [u - _distance(p[0], c), v - _distance(p[2], other), *apart]

    return condition


def approach_shared(points: Points) -> list[float]:
    """Return u' - ||a - a'||: whoever writes later collects the own value of the other (algorithm 4)."""
    return [widths(points)[1] - _distance(points[0], points[2])]


def midext_bound(gap: float) -> float:
    """Return the exact constant of `midext`: s solves (sqrt(3)/2 s + sqrt(gap))^2 = 1 - s^2/8, s = u + u'."""
    linear = sqrt(3 * gap)
    s = (-linear + sqrt(linear**2 + 3.5 * (1 - gap))) / 1.75
    return 1 - s * s / 8


def approach_bound(gap: float) -> float:
    """Return the exact constant of `approach`: u = u' = (1 - sqrt(gap))/2 and all other distances 1."""
    return 1 - (1 - sqrt(gap)) ** 2 / 8


def _common(points: Points, gap: float) -> tuple[Points, Points, list[float]]:
    if not gap:
        return points[4], points[4], []
    return points[4], points[5], [gap - _distance(points[4], points[5]) ** 2]


def _distance(a: Points, b: Points) -> float:
    return sqrt(float(((a - b) ** 2).sum()) + 1e-16)  # differentiable where a = b
