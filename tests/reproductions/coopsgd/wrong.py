"""Wrong variants of Cooperative SGD, each with one mistake that the reproductions have to notice."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from torch import Tensor

from algorithms.coopsgd.cooperative import CooperativeSGD, value
from algorithms.world import World

T = TypeVar("T", bound=CooperativeSGD)


def wrong(kind: type[T], algorithm: CooperativeSGD) -> T:
    """Return a wrong variant of an algorithm, with the same parameters."""
    return kind(**{field.name: getattr(algorithm, field.name) for field in fields(algorithm)})


@dataclass(frozen=True)
class EveryStep(CooperativeSGD):
    """Averages after every step, whatever tau is."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        super().step(world, x, g, state, self.tau - 1, lr)


@dataclass(frozen=True)
class OneStepEarly(CooperativeSGD):
    """Counts iterations from 0 where the paper counts from 1: averages after k = tau - 1, 2 tau - 1, ..."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        super().step(world, x, g, state, t + 1, lr)


@dataclass(frozen=True)
class NoAveraging(CooperativeSGD):
    """Models never meet."""

    def _average(self, world: World, x: Tensor) -> None:
        pass


@dataclass(frozen=True)
class Frozen(CooperativeSGD):
    """No model ever moves."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        pass


@dataclass(frozen=True)
class AuxiliaryGradients(CooperativeSGD):
    """Auxiliary variables descend too, by the mean gradient of the workers."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        mean = world.collect(g)[: self.workers].mean(dim=0)
        for i, worker in enumerate(world.local):
            if worker >= self.workers:
                x[i].sub_(mean, alpha=lr)
        super().step(world, x, g, state, t, lr)


@dataclass(frozen=True)
class Lopsided(CooperativeSGD):
    """Every model becomes a weighted mean, but the first model counts for more: rows of W do not sum to one."""

    def _average(self, world: World, x: Tensor) -> None:
        world.mix(x, 0.75 * self.W + 0.25 * np.eye(len(self.W))[:, :1])


@dataclass(frozen=True)
class FarNeighbours(CooperativeSGD):
    """On a ring, averages with the neighbours of neighbours."""

    def _average(self, world: World, x: Tensor) -> None:
        n = len(self.W)
        far = self.W[0, 0] * np.eye(n)
        for step in (2, -2):
            far += self.W[0, 1] * np.roll(np.eye(n), step, axis=1)
        world.mix(x, far)


def alternative(algorithm: CooperativeSGD) -> CooperativeSGD:
    """Return the algorithm by the other of the two rules."""
    return type(algorithm)(algorithm.tau, value(algorithm.W), algorithm.v, alternative=not algorithm.alternative)
