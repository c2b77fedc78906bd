"""Algorithm 2 with noise of two values, exactly: what MidExtremes makes of it, and the bounds of section 4.

Noise is z = 1 - p with probability p, else -p: mean 0, sigma^2 = p (1 - p). With N = 1, where every process hears its
own gradient, parameters that agree, and everyone hearing everyone in one round of agreement, the effective gradient is
grad Q(x) + (min z + max z)/2. On Q(x) = L/2 x^2 mean and variance of x_t then have closed forms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from math import comb, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.clustersgd.agreement import MID_EXTREMES, rounds
from algorithms.streams import stream
from reproductions.clustersgd.bounds import BoundConstants

Array = NDArray[np.float64]


class Effective(NamedTuple):
    """Noise of the effective gradient, G - grad Q(x): its mean and variance."""

    bias: float
    variance: float


def midrange(n: int, p: float) -> Effective:
    """Return mean and variance of (min z + max z)/2 of n values."""
    mixed, ones = 1 - p**n - (1 - p) ** n, p**n
    mean = mixed / 2 + ones
    return Effective(mean - p, mixed / 4 + ones - mean**2)


@cache
def normal_midrange(n: int, draws: int = 100_000) -> Effective:
    """Return the same for n standard normal values: 0 by symmetry, and the variance of many draws."""
    values = stream(0, "clustersgd/midrange", n).standard_normal((draws, n))
    return Effective(0.0, float(((values.min(axis=1) + values.max(axis=1)) / 2).var()))


def camps(n: int, p: float) -> float:
    """Return E |mid(A) - mid(B)|^2 for two majorities of n values, n odd, that share one: one round of agreement."""
    side, total = n // 2, 0.0
    chances = [comb(side, k) * p**k * (1 - p) ** (side - k) for k in range(side + 1)]
    for a, b, shared in ((a, b, c) for a in range(side + 1) for b in range(side + 1) for c in (0, 1)):
        chance = chances[a] * chances[b] * (p if shared else 1 - p)
        total += chance * (_middle(a + shared, side + 1) - _middle(b + shared, side + 1)) ** 2
    return total


def _middle(ones: int, of: int) -> float:
    return 0.0 if ones == 0 else 1.0 if ones == of else 0.5


@dataclass(frozen=True)
class Exact:
    """Algorithm 2 on Q = L/2 x^2 as the module says, with eta = sqrt(N/T) and N = 1.

    Parameters
    ----------
    n, T
        Processes and iterations.
    noise
        Of the effective gradient.
    sigma2
        Variance of one gradient.
    lipschitz, start
        L and x_1.
    """

    n: int
    T: int
    noise: Effective
    sigma2: float
    lipschitz: float = 1.0
    start: float = 1.0

    @property
    def eta(self) -> float:
        """Learning rate of Theorem 3."""
        return sqrt(1 / self.T)

    @property
    def gap(self) -> float:
        """Q(x_1) - Q*."""
        return self.lipschitz / 2 * self.start**2

    @property
    def rounds(self) -> int:
        """R of Theorem 4."""
        return self.T * rounds(self.eta / 4, MID_EXTREMES.clustered)

    @cached_property
    def smallest_gradient(self) -> float:
        """min over t = 1..T of E |grad Q(x_t)|^2."""
        t = np.arange(self.T)
        kept = 1 - self.eta * self.lipschitz
        mean = kept**t * self.start - self.noise.bias / self.lipschitz * (1 - kept**t)
        variance = self.eta**2 * self.noise.variance * (1 - kept ** (2 * t)) / (1 - kept**2)
        return float(self.lipschitz**2 * (mean**2 + variance).min())

    @property
    def constants(self) -> BoundConstants:
        """What the printed bounds depend on; all parameters agree, so that the spread of Theorem 3 is 0."""
        return BoundConstants(self.lipschitz, self.gap, self.sigma2, 1, self.T, self.eta, self.eta / 4)

    def theorem4(self, C: float) -> float:
        """Return the right-hand side of Theorem 4."""
        terms = self.gap + 5 * self.sigma2 * self.lipschitz + 4 * self.sigma2
        return float(C * terms * np.log2(self.rounds) / sqrt(self.rounds))

    def corrected_theorem4(self, C: float, n: int) -> float:
        """Return what holds for Theorem 4: (4 (Q_1 - Q*) + 19 n sigma^2) C log2 R/sqrt(NR) + 6 n sigma^2/N."""
        terms = 4 * self.gap + 19 * n * self.sigma2
        return float(C * terms * np.log2(self.rounds) / sqrt(self.rounds)) + self.constants.plateau(n)


def skewed(n: int, T: int, p: float, lipschitz: float = 1.0, start: float | None = None) -> Exact:
    """Return the run with noise of two values; by default it starts where the bias takes it, -bias/L."""
    noise = midrange(n, p)
    return Exact(n, T, noise, p * (1 - p), lipschitz, -noise.bias / lipschitz if start is None else start)


def normal(T: int, variance: float) -> Exact:
    """Return the run with symmetric noise of the effective gradient of this variance, sigma = 1."""
    return Exact(1, T, Effective(0.0, variance), 1.0)
