"""Exact second moments of PopSGD on parabolas, on the complete graph and on the cycle.

A gradient step at rate eta takes the distance x of a model from the minimum to q x - eta noise, where q = 1 - eta h, h
is the curvature and v the variance of the noise, per coordinate. An interaction is two such steps and an average. In
expectation over who meets whom and over the noise, second moments of the models are a linear map of those before. All
nodes have the global learning rate eta_t = b/(t + a), that of a clock which shows the true time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.compiled import kernel

Array = NDArray[np.float64]


class Course(NamedTuple):
    """What becomes of models that all start at distance `start` from the minimum, after `steps` interactions.

    Attributes
    ----------
    mean, potential
        E |mu_t|^2 and E Gamma_t per coordinate, at t = `steps`.
    averaged
        sum_{t < steps} (a + t)^2 E |mu_t|^2 / S_T: the weighted mean of Theorem 4.1.
    """

    mean: float
    potential: float
    averaged: float


class StepSizes(NamedTuple):
    """eta_t = b/(t + a); with `falls` = 0 it is b at all times, and a is that of the weights alone."""

    a: float
    b: float
    falls: int = 1


@kernel
def change(n: int, r: float, w: float, q: float) -> Any:
    """Return how an interaction on the complete graph of n >= 2 nodes changes second moments.

    These are s, the mean of |x_i|^2, and k, the mean of <x_i, x_j> over i != j; a step takes s to r s + w and k to q k.
    Returns (a, b, c) for sum_i |x_i|^2, whose expected change is a s + b k + c, and the same for
    sum_{i != j} <x_i, x_j>.
    """
    same, other = 1 / n, 1 - 1 / n  # i = j or not
    own = (same * (r**2 - 1) + other * (r - 2), other * q**2, same * (r + 1) * w + other * w)
    cross = same * 2 * (n - 1) * (q**2 - 1) + other * (q**2 - 2 + 4 * (n - 2) * (q - 1))
    return own, (other * r, cross, other * w)


@kernel
def _complete(n: int, h: float, v: float, start: float, steps: int, a: float, b: float, falls: int) -> Any:
    total, pairs, summed, weight = n * start**2, n * (n - 1) * start**2, 0.0, 0.0
    for t in range(steps):
        summed += (a + t) ** 2 * (total + pairs) / n**2
        weight += (a + t) ** 2
        eta = b / (falls * t + a) if falls else b
        q = 1 - eta * h
        own, others = change(n, q**2, eta**2 * v, q)
        s, k = total / n, pairs / (n * (n - 1))
        total += own[0] * s + own[1] * k + own[2]
        pairs += others[0] * s + others[1] * k + others[2]
    mean = (total + pairs) / n**2
    return mean, total - n * mean, summed / weight


@kernel
def _cycle(n: int, h: float, v: float, start: float, steps: int, a: float, b: float, falls: int) -> Any:
    # c[m] is the mean of <x_i, x_{i+m}> over i: in expectation it does not depend on i
    c, new = np.full(n, start**2), np.empty(n)
    summed, weight = 0.0, 0.0
    for t in range(steps):
        summed += (a + t) ** 2 * c.mean()
        weight += (a + t) ** 2
        eta = b / (falls * t + a) if falls else b
        q = 1 - eta * h
        met = (q**2 * (c[0] + c[1]) + eta**2 * v) / 2  # E |X|^2 of the two that have met
        new[0] = c[0] + 2 * (met - c[0]) / n
        for m in range(2, n - 1):
            new[m] = c[m] + (q * (2 * c[m] + c[m - 1] + c[m + 1]) - 4 * c[m]) / n
        # neighbours: one of n pairs has met, in two one of the nodes has
        side = q * (c[1] + c[2]) if n > 2 else 2 * met
        new[1] = c[1] + (met - c[1] + side - 2 * c[1]) / n if n > 2 else met
        new[n - 1] = new[1]
        c, new = new, c
    mean = c.mean()
    return mean, n * (c[0] - mean), summed / weight


def complete(n: int, h: float, v: float, start: float, steps: int, schedule: StepSizes) -> Course:
    """Return the course of n >= 2 nodes on the complete graph, with pairs drawn with replacement."""
    return Course(*_complete(n, h, v, start, steps, *schedule))


def cycle(n: int, h: float, v: float, start: float, steps: int, schedule: StepSizes) -> Course:
    """Return the course of n >= 2 nodes on a cycle; for n = 2 that is one edge."""
    return Course(*_cycle(n, h, v, start, steps, *schedule))


def cycle_noise(n: int) -> float:
    """Return E Gamma/(eta^2 v) of models that make steps of pure noise on the cycle at a constant rate, n >= 2.

    With q = 1 all covariances grow alike, by E |mu_{t+1}|^2 - E |mu_t|^2 = 2 eta^2 v/n^2, and the recursion of `cycle`
    makes c[m - 1] - 2 c[m] + c[m + 1] = 2 eta^2 v/n: they are a parabola in the distance m along the cycle.
    """
    return (n - 1) * (n - 2) * (n + 3) / (6 * n)


# ------------------------------------------------------------------------------ least squares with Gaussian rows (3)


def moments(n: int, d: int, eta: float, variance: float = 1.0, batch: int = 1) -> tuple[float, float]:
    """Return the stationary E |x_i|^2 and E <x_i, x_j> of the experiments of figure 3; the latter is 0 for n = 1.

    Rows a are N(0, I_d), b = a.x* + noise of this variance. By E[a a^T a a^T] = (d + 2) I a step of a mini-batch at a
    constant rate eta takes s to r s + w with r = 1 - 2 eta + eta^2 (1 + (d + 1)/batch), w = eta^2 variance d/batch.
    The rows of an experiment are a finite sample: its Hessian is I only up to sqrt(d/m).

    Raises
    ------
    ValueError
        If the rate is so large that second moments grow.
    """
    r, w, q = 1 - 2 * eta + eta**2 * (1 + (d + 1) / batch), eta**2 * variance * d / batch, 1 - eta
    if r >= 1:
        raise ValueError(f"eta is {eta}, but second moments are bounded only if eta < {2 / (1 + (d + 1) / batch):.4g}")
    if n == 1:
        return w / (1 - r), 0.0
    own, others = change(n, r, w, q)
    s, k = np.linalg.solve([own[:2], others[:2]], [-own[2], -others[2]])
    return float(s), float(k)


def excess(n: int, d: int, eta: float, variance: float = 1.0, batch: int = 1) -> float:
    """Return the stationary E f(X^i) - f* of one node's model; see `moments`."""
    return moments(n, d, eta, variance, batch)[0] / 2


def mean_excess(n: int, d: int, eta: float, variance: float = 1.0, batch: int = 1) -> float:
    """Return the stationary E f(mu) - f* of the mean model; see `moments`."""
    s, k = moments(n, d, eta, variance, batch)
    return (s + (n - 1) * k) / (2 * n)
