"""``python -m mpi4py -m tests.benchmarks.cooperative_round FOLDER``: averaging steps against what they could cost.

The file ``what`` in the folder says which: ``mix``, or ``overlap`` with the kind of compute, sleep or torch.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from algorithms.coopsgd.elastic import elastic
from algorithms.coopsgd.overlap import Overlap
from algorithms.topology import ring, uniform
from algorithms.world import World
from tests.benchmarks.rps_round import measure

if TYPE_CHECKING:
    from mpi4py import MPI

D, ROUNDS = 10_000_000, 4
Seconds = dict[str, list[float]]


def main(folder: Path) -> None:
    """Write the seconds of every repetition, of the slowest rank."""
    from mpi4py import MPI

    torch.set_num_threads(1)
    what, *arguments = (folder / "what").read_text().split()
    result = mix(MPI.COMM_WORLD) if what == "mix" else overlap(MPI.COMM_WORLD, *arguments)
    if MPI.COMM_WORLD.Get_rank() == 0:
        (folder / "seconds.json").write_text(json.dumps(result))
        (folder / "done").touch()


def mix(comm: MPI.Comm) -> Seconds:
    """Time a mixing step on a ring, one worker a rank, and the same by hand."""
    n, rank = comm.Get_size(), comm.Get_rank()
    world, weights = World(comm, n), uniform(ring(n))
    x, received = torch.randn(1, D), torch.empty(2, D)

    def bare(t: int) -> None:
        for row, side in zip(received, (1, -1), strict=True):
            comm.Sendrecv(x[0].numpy(), (rank + side) % n, recvbuf=row.numpy(), source=(rank - side) % n)
        x[0].mul_(1 / 3).add_(received[0], alpha=1 / 3).add_(received[1], alpha=1 / 3)

    return measure(comm, {"world": lambda t: world.mix(x, weights), "bare": bare}, repeats=12)


def overlap(comm: MPI.Comm, kind: str) -> Seconds:
    """Time rounds of EASGD, one worker a rank: compute alone, with bare messages, with averaging, overlapped with it.

    What messages cost is what they add to compute: back to back they would also queue at the auxiliary variable.
    """
    rank, m = comm.Get_rank(), comm.Get_size() - 1
    world, weights, x = World(comm, m + 1), elastic(np.eye(m), 1 / (m + 1)), torch.randn(1, D)
    hidden = Overlap(world, weights, 1)

    def rounds(compute: Callable[[], None], average: Callable[[], object]) -> None:
        for _ in range(ROUNDS):
            compute()
            average()
        compute()  # the last average can hide here
        hidden.settle()

    def messages() -> None:
        world.fetch(x, weights != 0)

    alone = measure(comm, {"messages": lambda t: rounds(nothing, messages)}, repeats=3)
    work = COMPUTE[kind](4 * min(alone["messages"]) / ROUNDS) if rank < m else nothing
    calls = {
        "compute": lambda t: rounds(work, nothing),
        "messages": lambda t: rounds(work, messages),
        "blocking": lambda t: rounds(work, lambda: world.mix(x, weights)),
        "nonblocking": lambda t: rounds(work, lambda: hidden.mix(x)),
    }
    return measure(comm, calls, repeats=6)


def nothing() -> None:
    """Compute nothing."""


def sleeping(seconds: float) -> Callable[[], None]:
    """Return a stand-in for compute on a device of its own."""
    return lambda: time.sleep(seconds)


def multiplying(seconds: float) -> Callable[[], None]:
    """Return matrix products that take about so long on one core."""
    a, out = torch.randn(256, 256), torch.empty(256, 256)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < 0.5:
        torch.mm(a, a, out=out)
        count += 1

    def compute() -> None:
        for _ in range(max(1, int(count * seconds / 0.5))):
            torch.mm(a, a, out=out)

    return compute


COMPUTE = {"sleep": sleeping, "torch": multiplying}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
