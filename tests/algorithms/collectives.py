"""Experiments that the tests of `World` run over MPI ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from algorithms import topology
from algorithms.blocks import partition
from algorithms.network import IndependentDrops
from algorithms.world import Inbox, World
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment


@dataclass(frozen=True)
class Collectives(Experiment):
    """Compare every collective over the ranks, bit by bit, with the same call in a single process."""

    nodes: int
    d: int
    p: float
    seed: int = 0

    @property
    def workers(self) -> int:
        return self.nodes

    def execute(self, context: Context) -> None:
        world = World(context.comm, self.nodes, IndependentDrops(self.p, self.seed), self.seed)
        alone = World(None, self.nodes, world.network, self.seed)
        for step in range(5):
            for name, call in CALLS.items():
                got, wanted = call(world, self._rows(world, step), step), call(alone, self._rows(alone, step), step)
                same(got, mine(wanted, world) if name != "allreduce" else wanted, f"{name} of step {step}")
        for name, total in alone.traffic.totals().items():
            assert world.traffic.totals()[name] == total, f"{name} depends on the number of ranks"
        context.log(0, world.traffic.totals())

    def _rows(self, world: World, step: int) -> Tensor:
        rows = [world.stream("rows", worker, step).normal(size=self.d) for worker in world.local]
        return torch.tensor(np.array(rows), dtype=torch.float32)


def alltoall(world: World, x: Tensor, step: int) -> list[Inbox]:
    return world.alltoall([x[:, part] for part in partition(x.shape[1], world.workers)], step, "reduce-scatter")


def allgather(world: World, x: Tensor, step: int) -> list[Inbox]:
    parts = partition(x.shape[1], world.workers)
    sizes = [part.stop - part.start for part in parts]
    return world.allgather([x[i, parts[w]] for i, w in enumerate(world.local)], step, "all-gather", sizes)


def mix(world: World, x: Tensor, step: int) -> Tensor:
    world.mix(x, topology.metropolis(topology.ring(world.workers)))
    return x


CALLS: dict[str, Callable[[World, Tensor, int], Any]] = {
    "alltoall": alltoall,
    "allgather": allgather,
    "shift": lambda world, x, step: world.shift(x, by=1 - 2 * (step % 2)),
    "mix": mix,
    "allreduce": lambda world, x, step: world.allreduce(x),
    "collect": lambda world, x, step: list(world.collect(x)[world.local.start : world.local.stop]),
}


def mine(rows: Any, world: World) -> Any:
    """Return the part of a single process's result that belongs to this rank's workers."""
    return rows[world.local.start : world.local.stop]


def same(got: Any, wanted: Any, name: str) -> None:
    if isinstance(wanted, Tensor):
        assert torch.equal(got, wanted), f"{name} depends on the number of ranks"
    elif wanted is None:
        assert got is None, f"{name} received what was lost"
    else:
        assert len(got) == len(wanted)
        for g, w in zip(got, wanted, strict=True):
            same(g, w, name)
