"""Objectives on which the theorems are tried: f(x) is a sum of functions of one variable over d coordinates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem(ABC):
    """An objective on d coordinates, all models start at 0."""

    d: int

    @abstractmethod
    def gradient(self, x: Array, share: float = 0.0) -> Array:
        """Return grad f at models (..., d); `share` in [0, 1) is the place of the node among all."""

    def excess(self, x: Array) -> float:
        """Return f(x) - f* at one point (d,)."""
        raise NotImplementedError(f"{type(self).__name__} has no minimum")

    @property
    @abstractmethod
    def lipschitz(self) -> float:
        """L."""

    def steepest(self, noise: float) -> float:
        """Return sup |grad f|^2 where models can get to with noise of at most this size per coordinate."""
        raise NotImplementedError(f"the gradient of {type(self).__name__} is not bounded")


@dataclass(frozen=True)
class Bowl(Problem):
    """f(x) = 1/2 sum_k h_k (x_k - centre)^2 with curvatures h from low = ell to high = L.

    No strongly convex f satisfies (2.5) everywhere. But with noise of at most s per coordinate and eta h <= 1 no model
    ever leaves |x_k - centre| <= max(|centre|, s/h_k), and there it does.
    """

    low: float = 1.0
    high: float = 1.0
    centre: float = 0.0

    @property
    def curvature(self) -> Array:
        """h, (d,)."""
        return np.linspace(self.low, self.high, self.d)

    @property
    def lipschitz(self) -> float:
        """See `Problem.lipschitz`."""
        return self.high

    def gradient(self, x: Array, share: float = 0.0) -> Array:
        """See `Problem.gradient`."""
        slope: Array = self.curvature * (x - self.centre)
        return slope

    def excess(self, x: Array) -> float:
        """See `Problem.excess`."""
        return float((self.curvature * (x - self.centre) ** 2).sum() / 2)

    def reach(self, noise: float) -> Array:
        """Return how far from the centre a coordinate of a model can get, (d,)."""
        furthest: Array = np.maximum(abs(self.centre), noise / self.curvature)
        return furthest

    def steepest(self, noise: float) -> float:
        """See `Problem.steepest`."""
        return float(((self.curvature * self.reach(noise)) ** 2).sum())


@dataclass(frozen=True)
class Ridge(Problem):
    """f(x) = -sum_k sqrt(x_k^2 + width^2): pushes models apart, with gradients below 1 per coordinate."""

    width: float = 1e-3

    @property
    def lipschitz(self) -> float:
        """See `Problem.lipschitz`."""
        return 1 / self.width

    def gradient(self, x: Array, share: float = 0.0) -> Array:
        """See `Problem.gradient`."""
        slope: Array = -x / np.sqrt(x**2 + self.width**2)
        return slope

    def steepest(self, noise: float) -> float:
        """See `Problem.steepest`."""
        return float(self.d)


@dataclass(frozen=True)
class Flat(Problem):
    """f(x) = slope sum_k x_k: nothing but noise, and a gradient that is everywhere the same."""

    slope: float = 0.0

    @property
    def lipschitz(self) -> float:
        """See `Problem.lipschitz`."""
        return 0.0

    def gradient(self, x: Array, share: float = 0.0) -> Array:
        """See `Problem.gradient`."""
        return np.full_like(x, self.slope)

    def steepest(self, noise: float) -> float:
        """See `Problem.steepest`."""
        return self.d * self.slope**2


@dataclass(frozen=True)
class Halves(Flat):
    """No single f: half of the nodes are pushed one way, half the other, the slowest mode of a cycle.

    Lemma 4.3 and what follows from it asks of gradients no more than (2.5).
    """

    def gradient(self, x: Array, share: float = 0.0) -> Array:
        """See `Problem.gradient`."""
        return np.full_like(x, self.slope if share < 0.5 else -self.slope)


@dataclass(frozen=True)
class Cosines(Problem):
    """f(x) = high sum_k (1 - cos(x_k - centre)): neither convex nor quadratic; centre = pi starts at a maximum."""

    high: float = 1.0
    centre: float = 3.0

    @property
    def lipschitz(self) -> float:
        """See `Problem.lipschitz`."""
        return self.high

    def gradient(self, x: Array, share: float = 0.0) -> Array:
        """See `Problem.gradient`."""
        slope: Array = self.high * np.sin(x - self.centre)
        return slope

    def excess(self, x: Array) -> float:
        """See `Problem.excess`."""
        return float((self.high * (1 - np.cos(x - self.centre))).sum())

    def steepest(self, noise: float) -> float:
        """See `Problem.steepest`."""
        return self.d * self.high**2


@dataclass(frozen=True)
class Kink(Problem):
    """f'(x) = high (min(max(x, 0), cap) - depth), per coordinate: convex, its curvature jumps from 0 to L at x = 0.

    Nodes that are spread around mu = 0 see E f'(X) = 0 where f'(mu) is not 0: the term L^2 Gamma/n of (B.31) at work.
    """

    high: float
    depth: float
    cap: float

    @property
    def lipschitz(self) -> float:
        """See `Problem.lipschitz`."""
        return self.high

    def gradient(self, x: Array, share: float = 0.0) -> Array:
        """See `Problem.gradient`."""
        slope: Array = self.high * (np.clip(x, 0, self.cap) - self.depth)
        return slope

    @property
    def gap(self) -> float:
        """f(0) - f*."""
        return self.d * self.high * self.depth**2 / 2

    def steepest(self, noise: float) -> float:
        """See `Problem.steepest`."""
        return self.d * (self.high * max(self.depth, self.cap - self.depth)) ** 2
