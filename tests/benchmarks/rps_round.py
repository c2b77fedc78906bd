"""``python -m mpi4py -m tests.benchmarks.rps_round FOLDER``: an RPS round and MPI's own collectives, turn by turn."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from algorithms.rps.averaging import average_blocks
from algorithms.world import World


def main(folder: Path) -> None:
    """Write the seconds of every repetition, per size and contender, of the slowest rank."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    torch.set_num_threads(1)
    world = World(comm, comm.Get_size())
    result = {}
    for d, repeats in ((1_000_000, 30), (10_000_000, 12)):
        x = torch.randn(1, d)
        flat, block = x[0].numpy(), np.empty(d // comm.Get_size(), dtype=np.float32)

        def rps(t: int, x: torch.Tensor = x) -> None:
            average_blocks(world, x, t)

        def mpi(t: int, flat: np.ndarray = flat, block: np.ndarray = block) -> None:
            comm.Reduce_scatter_block(flat, block)
            np.divide(block, comm.Get_size(), out=block)
            comm.Allgather(block, flat)

        result[d] = measure(comm, {"rps": rps, "mpi": mpi}, repeats)
    if comm.Get_rank() == 0:
        (folder / "seconds.json").write_text(json.dumps(result))
        (folder / "done").touch()


def measure(comm: object, contenders: Mapping[str, Callable[[int], object]], repeats: int) -> dict[str, list[float]]:
    """Time the contenders alternately, after two rounds of warm-up, until the last rank is done."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for t in range(repeats + 2):
        for name, call in contenders.items():
            comm.Barrier()  # type: ignore[attr-defined]
            start = time.perf_counter()
            call(t)
            comm.Barrier()  # type: ignore[attr-defined]
            seconds[name].append(time.perf_counter() - start)
    return {name: values[2:] for name, values in seconds.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
