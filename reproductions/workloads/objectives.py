"""Objectives whose L, sigma, zeta and f* are known exactly, for bounds and rates.

f = (1/n) sum_i f_i and each f_i is a sum of the same function of one variable over all d coordinates, so that many
independent trials lie side by side. Workers differ by a pattern w_1..w_n with sum_i w_i = 0 and sum_i w_i^2 = n.
Constants are those of Assumption 1 of the RPS paper, which every analysis of SGD shares: gradients of all f_i are
L-Lipschitz, (1/n) sum_i |grad f_i(x) - grad f(x)|^2 <= zeta^2 for all x, E |noise|^2 = sigma^2.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Constants(NamedTuple):
    """Lipschitz constant L of all gradients, smallest zeta, and the gap f(0) - min f (infinite if unbounded below)."""

    lipschitz: float
    zeta: float
    gap: float


def pattern(name: str, n: int) -> NDArray[np.float64]:
    """Return how workers differ: ``"halves"`` (+1, -1, +1, ...) or ``"outlier"`` (one worker against all others).

    Raises
    ------
    ValueError
        If there is no such pattern for n workers.
    """
    if name == "halves" and n % 2 == 0:
        return np.where(np.arange(n) % 2, -1.0, 1.0)
    if name == "outlier" and n >= 2:
        return np.where(np.arange(n), -1.0 / math.sqrt(n - 1), math.sqrt(n - 1))
    raise ValueError(f"no pattern {name!r} for {n} workers: 'halves' needs an even number, 'outlier' at least two")


@dataclass(frozen=True)
class Objective(ABC):
    """n local objectives on d coordinates; `workers` says which f_i a row belongs to."""

    @abstractmethod
    def gradients(self, x: Tensor, workers: Sequence[int], n: int) -> Tensor:
        """Return grad f_i(x_i) for the rows x_i of x, (rows, d), that belong to `workers`."""

    @abstractmethod
    def value(self, x: Tensor, n: int) -> Tensor:
        """Return f at one point (d,)."""

    @abstractmethod
    def constants(self, n: int, d: int) -> Constants:
        """Return L, zeta and f(0) - f* for n workers and d coordinates."""

    def gradient(self, x: Tensor, n: int) -> Tensor:
        """Return grad f at one point (d,)."""
        return self.gradients(x.expand(n, -1), range(n), n).mean(dim=0)


@dataclass(frozen=True)
class Quadratic(Objective):
    """f_i(x) = (curvature/2) |x - centre|^2 + tilt w_i sum(x): local minima differ, the dissimilarity is constant.

    grad f_i - grad f = tilt w_i everywhere, so zeta^2 = d tilt^2; L = abs(curvature). Hessians that differed would
    make zeta infinite. A negative curvature is a hill: bounded gradients' differences, but no minimum.
    """

    curvature: float
    centre: float = 0.0
    tilt: float = 0.0
    pattern: str = "halves"

    def gradients(self, x: Tensor, workers: Sequence[int], n: int) -> Tensor:
        """See `Objective.gradients`."""
        return self.curvature * (x - self.centre) + _column(self.tilt * pattern(self.pattern, n), workers)

    def value(self, x: Tensor, n: int) -> Tensor:
        """See `Objective.value`; the tilts cancel."""
        return self.curvature / 2 * (x - self.centre).square().sum()

    def constants(self, n: int, d: int) -> Constants:
        """See `Objective.constants`."""
        gap = d * self.curvature / 2 * self.centre**2 if self.curvature >= 0 else math.inf
        return Constants(abs(self.curvature), abs(self.tilt) * math.sqrt(d), gap)


@dataclass(frozen=True)
class Waves(Objective):
    """f_i(x) = lipschitz sum_k (1 - cos(x_k - centre - spread w_i)): neither convex nor quadratic.

    With u_i = exp(i spread w_i), R exp(i phi) their mean and delta_i = u_i - R exp(i phi), per coordinate

    f(x)   = L (1 - R cos(x - centre - phi)), so f(0) - f* = L R (1 - cos(centre + phi)),
    zeta^2 = L^2/(2n) max_x sum_i (abs(delta_i)^2 - Re(exp(-2ix) delta_i^2))
           = L^2/(2n) (sum_i abs(delta_i)^2 + abs(sum_i delta_i^2)).

    ``centre=pi`` starts at a maximum of f.
    """

    lipschitz: float
    centre: float
    spread: float = 0.0
    pattern: str = "outlier"

    def gradients(self, x: Tensor, workers: Sequence[int], n: int) -> Tensor:
        """See `Objective.gradients`."""
        return self.lipschitz * torch.sin(x - self.centre - _column(self.spread * pattern(self.pattern, n), workers))

    def value(self, x: Tensor, n: int) -> Tensor:
        """See `Objective.value`."""
        shifts = _column(self.spread * pattern(self.pattern, n), range(n))
        return self.lipschitz * (1 - torch.cos(x - self.centre - shifts)).mean(dim=0).sum()

    def constants(self, n: int, d: int) -> Constants:
        """See `Objective.constants`."""
        phasors = np.exp(1j * self.spread * pattern(self.pattern, n))
        mean = phasors.mean()
        delta = phasors - mean
        dissimilarity = ((abs(delta) ** 2).sum() + abs((delta**2).sum())) / (2 * n)
        gap = abs(mean) - (mean * np.exp(1j * self.centre)).real
        return Constants(
            self.lipschitz, self.lipschitz * math.sqrt(d * float(dissimilarity)), d * self.lipschitz * float(gap)
        )


@dataclass(frozen=True)
class Gaussian:
    """Gradient noise: independent normal coordinates of this standard deviation; 0 is no noise."""

    deviation: float

    def sigma(self, d: int) -> float:
        """Return sigma: the root of the expected squared norm of the noise on d coordinates."""
        return self.deviation * math.sqrt(d)

    def sample(self, rng: np.random.Generator, d: int) -> NDArray[np.float64]:
        """Draw the noise of one stochastic gradient, (d,)."""
        return self.deviation * rng.standard_normal(d)

    def stochastic(self, rng: np.random.Generator, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a stochastic gradient, (d,), given the exact one."""
        return gradient + self.sample(rng, len(gradient))


@dataclass(frozen=True)
class Rare(Gaussian):
    """Skewed noise: a large kick with a small probability, else a small push back; same mean 0 and deviation.

    Per coordinate ``deviation * sqrt((1-q)/q)`` with probability q and ``-deviation * sqrt(q/(1-q))`` otherwise.
    """

    probability: float = 0.01

    def sample(self, rng: np.random.Generator, d: int) -> NDArray[np.float64]:
        """See `Gaussian.sample`."""
        odds = math.sqrt((1 - self.probability) / self.probability)
        return np.where(rng.random(d) < self.probability, self.deviation * odds, -self.deviation / odds)


@dataclass(frozen=True)
class Relative(Gaussian):
    """Noise that grows with the gradient: E |noise|^2 = beta |gradient|^2 + sigma^2.

    Per coordinate, independent normal noise of variance ``beta gradient_k^2 + deviation^2``.
    """

    beta: float = 0.0

    def stochastic(self, rng: np.random.Generator, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Gaussian.stochastic`."""
        deviations = np.sqrt(self.beta * gradient**2 + self.deviation**2)
        return gradient + deviations * rng.standard_normal(len(gradient))


def _column(values: NDArray[np.float64], workers: Sequence[int]) -> Tensor:
    return torch.from_numpy(values[list(workers)])[:, None]
