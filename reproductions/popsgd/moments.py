"""Exact second moments of PopSGD on f(x) = h x^2/2 with independent noise, all nodes at the global learning rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reproductions.popsgd.problems import Array
from reproductions.popsgd.stationary import change


class Moments(NamedTuple):
    """E sum_i |X^i|^2 and E |mu|^2, per coordinate; n >= 2."""

    total: float
    mean: float


def interaction(before: Moments, n: int, h: float, eta: float, variance: float) -> Moments:
    """Return the moments after one interaction on the complete graph; a step takes x to (1 - eta h) x - eta noise."""
    q = 1 - eta * h
    matrix, constant = change(n, q**2, eta**2 * variance, q)
    cross = n**2 * before.mean - before.total
    own, others = matrix @ (before.total / n, cross / (n * (n - 1))) + constant
    total = before.total + float(own)
    return Moments(total, (total + cross + float(others)) / n**2)


def means(start: Moments, n: int, h: float, eta: Callable[[int], float], variance: float, steps: int) -> Array:
    """Return E |mu_t|^2 for t < steps, (steps,)."""
    found, now = np.empty(steps), start
    for t in range(steps):
        found[t] = now.mean
        now = interaction(now, n, h, eta(t), variance)
    return found
