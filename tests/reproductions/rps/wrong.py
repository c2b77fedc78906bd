"""Wrong variants of RPS, each with one mistake that the reproductions have to notice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.blocks import partition
from algorithms.network import Lossless
from algorithms.rps.averaging import average_blocks
from algorithms.world import Inbox, World


@dataclass(frozen=True)
class NoAveraging(Algorithm):
    """Workers never talk."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x.sub_(g, alpha=lr)


@dataclass(frozen=True)
class HardlyMoves(Algorithm):
    """RPS whose steps are a thousandth as long."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x.sub_(g, alpha=lr / 1000)
        average_blocks(world, x, t)


@dataclass(frozen=True)
class FollowsOne(Algorithm):
    """All workers take the model of worker 0, so that nothing is averaged; for worlds on one rank."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x.sub_(g, alpha=lr)
        x.copy_(x[0].clone().expand_as(x))


@dataclass(frozen=True)
class DropsIgnored(Algorithm):
    """Lost messages are used all the same."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x.sub_(g, alpha=lr)
        network, world.network = world.network, Lossless()
        average_blocks(world, x, t)
        world.network = network


@dataclass(frozen=True)
class PreStepFallback(Algorithm):
    """A worker that misses an average goes back to its block before the step, x_t in place of v_t."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        before = x.clone()
        x.sub_(g, alpha=lr)
        average_blocks(world, x, t)
        replace_lost(world, x, t, before)


@dataclass(frozen=True)
class LostIsZero(Algorithm):
    """An average that does not arrive counts as zero, as an empty receive buffer would."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x.sub_(g, alpha=lr)
        average_blocks(world, x, t)
        replace_lost(world, x, t, torch.zeros_like(x))


def replace_lost(world: World, x: Tensor, t: int, by: Tensor) -> None:
    """Replace the blocks whose average a worker missed."""
    owner = world.stream("rps/owner", step=t).permutation(world.workers)
    arrives = world.network.delivered(t, "all-gather", world.workers)
    for j, block in enumerate(partition(x.shape[1], world.workers)):
        for i, worker in enumerate(world.local):
            if not arrives[owner[j], worker]:
                x[i, block] = by[i, block]


@dataclass(frozen=True)
class OwnBlockTwice(Algorithm):
    """The owner of a block counts its own copy twice in the average."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x.sub_(g, alpha=lr)
        average_blocks(_Twice(world), x, t)  # type: ignore[arg-type]


class _Twice:
    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def alltoall(self, blocks: Any, step: int, phase: str) -> list[Inbox]:
        received = self._world.alltoall(blocks, step, phase)
        return [[*inbox, inbox[worker]] for worker, inbox in zip(self._world.local, received, strict=True)]
