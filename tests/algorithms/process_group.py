"""What the processes of `test_distributed` do: all algorithms and collectives, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.nn import functional

from algorithms.algorithm import Algorithm
from algorithms.coopsgd.cooperative import elastic_averaging
from algorithms.distributed import DistributedWorld
from algorithms.network import IndependentDrops
from algorithms.replicas import Replicas
from algorithms.world import World
from tests.algorithms.collectives import CALLS, mine, same
from tests.algorithms.rounds import EXACT, PACKED, WORKERS, batches, network

ALGORITHMS = EXACT | PACKED
DROPS, SEED, PATIENCE = IndependentDrops(0.2, seed=3), 7, 120


def train(world: World, algorithm: Algorithm, rounds: int = 5) -> dict[str, Any]:
    """Train on the workers of a world; return all parameters, all losses and the ledger."""
    replicas = Replicas(network, len(world.local), 1)
    state, losses = algorithm.state(world, replicas.parameters), []
    for t in range(rounds):
        mine = [batches(t)[i] for i in world.local if i < WORKERS]
        losses.append(
            functional.pad(replicas.backward(mine, functional.cross_entropy), (0, len(world.local) - len(mine)))
        )
        algorithm.step(world, replicas.parameters, replicas.gradients, state, t, 0.3)
    algorithm.settle(world, replicas.parameters)
    return {
        "parameters": world.collect(replicas.parameters),
        "losses": world.collect(torch.stack(losses, dim=1)),
        "traffic": world.traffic.totals(),
    }


def process(rank: int, processes: int, folder: Path) -> None:
    """Be one process of a job, of which the last two train as a group of their own; write what was found to a file."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", f"file://{folder}/meeting", timedelta(seconds=PATIENCE), rank=rank, world_size=processes
    )
    try:
        few = message(lambda: DistributedWorld(1))
        compare_collectives(None, 5, 1000)
        group = dist.new_group([processes - 2, processes - 1])
        found = as_stranger(group) if rank < processes - 2 else as_member(group)
        torch.save(found | {"few workers": few}, folder / f"found-{rank}")
        dist.barrier()
    finally:
        dist.destroy_process_group()


def as_stranger(group: dist.ProcessGroup) -> dict[str, Any]:
    """Return what is said to who is not in the group."""
    return {"stranger": message(lambda: DistributedWorld(WORKERS, group=group))}


def as_member(group: dist.ProcessGroup) -> dict[str, Any]:
    """Train by all algorithms, and return what is said to wrong use of the group."""
    found: dict[str, Any] = {
        name: train(DistributedWorld(WORKERS + algorithm.auxiliaries, DROPS, SEED, group), algorithm)
        for name, algorithm in ALGORITHMS.items()
    }
    for nodes, d in ((5, 7), (4, 2)):  # the last: blocks without an element
        compare_collectives(group, nodes, d)
    overlapping = elastic_averaging(WORKERS, 0.125, overlap=True)
    return found | {
        "background": message(lambda: train(DistributedWorld(WORKERS + 1, group=group), overlapping)),
        "GPU": message(lambda: DistributedWorld(WORKERS, group=group).mean(torch.zeros(2, 4, device="meta"))),
    }


def compare_collectives(group: dist.ProcessGroup | None, nodes: int, d: int) -> None:
    """Compare every collective, bit by bit, with the same call in a single process."""
    world, alone = DistributedWorld(nodes, DROPS, SEED, group), World(None, nodes, DROPS, SEED)
    for step in range(3):
        for name, call in CALLS.items():
            ours, whole = (
                torch.tensor([w.stream("x", i, step).normal(size=d) for i in w.local]) for w in (world, alone)
            )
            wanted = call(alone, whole, step)
            same(call(world, ours, step), wanted if name == "allreduce" else mine(wanted, world), name)
    assert world.traffic.totals() == alone.traffic.totals()


def message(call: Callable[[], object]) -> str:
    """Return the message of the error that a call raises, if it does."""
    try:
        call()
    except (RuntimeError, ValueError) as error:
        return str(error)
    return "nothing"
