"""Exact second moments of PopSGD on f(x) = h x^2/2 with independent noise, all nodes at the global learning rate.

The mean over uniform pairs of a quadratic form does not change if nodes change places, so E S = E sum_i |X^i|^2 and
m = E |mu|^2 close. With q = 1 - eta h: a pair i != j, of probability 1 - 1/n, ends at (q (X^i + X^j) - eta noise)/2,
a node that meets itself at q^2 X^i - eta (q noise + noise').
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reproductions.popsgd.problems import Array


class Moments(NamedTuple):
    """E sum_i |X^i|^2 and E |mu|^2, per coordinate."""

    total: float
    mean: float

    @property
    def excess(self) -> float:
        """E f(mu) - f* for h = 1."""
        return self.mean / 2


def interaction(before: Moments, n: int, h: float, eta: float, variance: float) -> Moments:
    """Return the moments after one interaction on the complete graph."""
    S, m = before
    q, noise, meets = 1 - eta * h, eta**2 * variance, 1 / n
    pair = (2 * (n - 2) * S + 2 * n**2 * m) / (n * (n - 1)) if n > 1 else 0.0  # E |X^i + X^j|^2, i != j
    apart = S - 2 * S / n + q**2 * pair / 2 + noise
    alone = S - S / n + q**4 * S / n + noise * (1 + q**2)
    mean_apart = m - 4 * eta * h * m / n + (eta * h / n) ** 2 * pair + 2 * noise / n**2
    mean_alone = m + 2 * (q**2 - 1) * m / n + (q**2 - 1) ** 2 * S / n**3 + noise * (1 + q**2) / n**2
    return Moments((1 - meets) * apart + meets * alone, (1 - meets) * mean_apart + meets * mean_alone)


def means(start: Moments, n: int, h: float, eta: Callable[[int], float], variance: float, steps: int) -> Array:
    """Return E |mu_t|^2 for t < steps, (steps,)."""
    found, now = np.empty(steps), start
    for t in range(steps):
        found[t] = now.mean
        now = interaction(now, n, h, eta(t), variance)
    return found
