"""``python -m mpi4py -m tests.benchmarks.round_cost FOLDER FLOATS REPEATS``: a round of every algorithm, turn by turn.

A round is a whole step that communicates, of 16 workers on the ranks there are. What it is compared with takes turns
with each algorithm: the floor of memory, which is the local update alone, and synchronous SGD as one would write it by
hand with the all-reduce of MPI or of gloo, on the same models and gradients. An overlapped round is timed until its
background is done: without compute nothing is hidden.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.coopsgd.cooperative import (
    decentralized,
    elastic_averaging,
    fully_synchronous,
    hierarchical_averaging,
    periodic_averaging,
)
from algorithms.coopsgd.elastic import best_alpha
from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.messages import Dense
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.rps.averaging import GradientAveraging, ModelAveraging
from algorithms.topology import ring, uniform, value
from algorithms.world import World
from tests.benchmarks.rps_round import measure

if TYPE_CHECKING:
    from mpi4py import MPI

WORKERS, PERIOD, LR = 16, 4, 0.01
RING, ELASTICITY = uniform(ring(WORKERS)), best_alpha(np.eye(WORKERS))
ALGORITHMS: dict[str, Algorithm] = {
    "RPS": ModelAveraging(),
    "RPS, gradients": GradientAveraging(),
    "synchronous SGD": fully_synchronous(WORKERS),
    "periodic averaging": periodic_averaging(WORKERS, PERIOD),
    "EASGD": elastic_averaging(WORKERS, ELASTICITY, PERIOD),
    "EASGD, overlapped": elastic_averaging(WORKERS, ELASTICITY, PERIOD, overlap=True),
    "hierarchical averaging": hierarchical_averaging([8, 8], 1 / 9, 0.25, PERIOD),
    "D-PSGD": decentralized(RING),
    "PSGD on a ring": RingQPRSGD(1, Dense()),
    "QPRSGD on a ring": RingQPRSGD(PERIOD, Quantizer()),
    "DCD-PSGD": GossipQPRSGD(1, Quantizer(), value(RING)),
}
FLOOR, MPI_SGD, GLOO_SGD = "memory floor", "Allreduce of MPI", "all_reduce of gloo"
BASELINES = (FLOOR, MPI_SGD, GLOO_SGD)
Call = Callable[[int], object]


def main(folder: Path, floats: int, repeats: int) -> None:
    """Write for every algorithm the seconds of its rounds and of what they are compared with, of the slowest rank."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    torch.set_num_threads(1)
    rank, ranks = comm.Get_rank(), comm.Get_size()
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=ranks)
    check(comm)
    most = max(len(World(comm, WORKERS + algorithm.auxiliaries).local) for algorithm in ALGORITHMS.values())
    g = torch.randn(most, floats)
    costs = {name: cost(comm, algorithm, g, repeats) for name, algorithm in ALGORITHMS.items()}
    dist.destroy_process_group()
    if rank == 0:
        (folder / "costs.json").write_text(json.dumps(costs))
        (folder / "done").touch()


def cost(comm: MPI.Comm, algorithm: Algorithm, g: Tensor, repeats: int) -> dict[str, object]:
    """Return the seconds of a round and of every baseline, and how many models the busiest worker sends or receives."""
    gc.collect()  # a world with a background refers to itself: so its buffers do not go with it
    world = World(comm, WORKERS + algorithm.auxiliaries)
    g = g[: len(world.local)]
    x = torch.linspace(-1, 1, g.shape[1]).repeat(len(g), 1)  # all workers start from the same model
    state, rounds = algorithm.state(world, x), 0

    def step(repeat: int) -> None:
        nonlocal rounds
        algorithm.step(world, x, g, state, PERIOD * (repeat + 1) - 1, LR)
        algorithm.settle(world, x)
        rounds += 1

    seconds = measure(comm, {"round": step, **baselines(comm, x, g)}, repeats)
    return {"seconds": seconds, "models": world.traffic.busiest_bytes / rounds / (4 * x.shape[1])}


def baselines(comm: MPI.Comm, x: Tensor, g: Tensor) -> dict[str, Call]:
    """Return what a round is compared with, on the n workers; to an algorithm between rounds it is a local update."""
    from mpi4py import MPI

    own = len(World(comm, WORKERS).local)
    x, g, total = x[:own], g[:own], torch.empty(x.shape[1])

    def by_hand(allreduce: Callable[[Tensor], object]) -> Call:
        def step(repeat: int) -> None:
            torch.sum(g, 0, out=total)
            allreduce(total)
            x.sub_(total, alpha=LR / WORKERS)

        return step

    return {
        FLOOR: lambda repeat: x.sub_(g, alpha=LR),  # every round reads models and gradients and writes models
        MPI_SGD: by_hand(lambda total: comm.Allreduce(MPI.IN_PLACE, total.numpy())),
        GLOO_SGD: by_hand(dist.all_reduce),
    }


def check(comm: MPI.Comm) -> None:
    """Raise unless what is written by hand makes the step of synchronous SGD."""
    world = World(comm, WORKERS)
    g = torch.randn(len(world.local), 1000)
    for name in (MPI_SGD, GLOO_SGD):
        x = torch.zeros_like(g)
        baselines(comm, x, g)[name](0)
        torch.testing.assert_close(x, -LR * world.mean(g).expand_as(x))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
