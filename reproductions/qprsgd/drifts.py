"""Two exact cases in which local updates lead a ring away from a stationary point, without compression, L = 1.

Both start at a fixed point x~ of their synchronizations, so that the left-hand side of (9) is the same for every N, and
its right-hand side loses F(x~_1) - F_* as N grows. Near x~ the objectives are as given; further out their gradients
bend, with slopes of at most L, so that they are bounded below.
"""

from __future__ import annotations

import numpy as np

ROUNDS = 60  # of a bisection


def kink(K: int, step: float) -> float:
    """Return the left-hand side of (9) in the limit M -> infinity, for F' = |x| - b on every worker and sigma = 1.

    Noise spreads the workers, and |x| turns what it spreads into a gradient that does not average out. After every
    update a worker is at +R or -R, with R^2 the square of where it would be without noise plus step^2: noise with two
    values, a function of x, whose mean is 0 and whose variance is 1. All outcomes are listed, 2^K of them. b is such
    that the mean model comes back to x~ = 0.
    """
    low, high = 0.0, K * step
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_kink(K, step, middle)[0] > 0 else (low, middle)
    return _at_kink(K, step, low)[1]


def _at_kink(K: int, step: float, b: float) -> tuple[float, float]:
    """Return the mean gradient of the workers and the left-hand side of (9)."""
    x, chance = np.zeros(1), np.ones(1)
    gradients, squares = [], []
    for _ in range(K):
        g = np.abs(x) - b
        gradients.append(float(chance @ g))
        squares.append((abs(float(chance @ x)) - b) ** 2)
        moved = x - step * g
        radius = np.sqrt(moved**2 + step**2)
        up = (1 + moved / radius) / 2
        x, chance = np.concatenate([radius, -radius]), np.concatenate([chance * up, chance * (1 - up)])
    return float(np.mean(gradients)), float(np.mean(squares))


def pair(K: int, step: float) -> float:
    """Return the left-hand side of (9) for two workers without noise, F_1' = s + t(x) and F_2' = s - t(x), kappa = 1.

    Where the workers go, t(x) = t_0 - x. They pull apart, and what both gradients gain by it has one sign. All of it is
    linear in (t_0, s): s is such that the mean model comes back to x~ = 0, and t_0 scales the largest |t| to 1.
    """
    zero, one = _of_pair(K, step, 0.0)[0], _of_pair(K, step, 1.0)[0]
    s = zero / (zero - one)
    return (s / _of_pair(K, step, s)[1]) ** 2


def _of_pair(K: int, step: float, s: float) -> tuple[float, float]:
    """Return where the mean model gets to and the largest |t| on the way, for t_0 = 1."""
    mean, half, largest = 0.0, 0.0, 0.0  # the workers are at mean - half and mean + half
    for _ in range(K):
        largest = max(largest, abs(1 - mean + half), abs(1 - mean - half))
        mean, half = mean - step * (s + half), half + step * (1 - mean)
    return mean, largest
