"""``python -m mpi4py -m tests.benchmarks.onesided_average FOLDER``: one-sided averaging and its floor, turn by turn.

Rank 0 averages with the model of rank 1, which sleeps, or computes, or both; the floor reads two models and writes one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from algorithms.popsgd.onesided import OneSided, average
from algorithms.popsgd.windows import Windows

D, REPEATS = 10_000_000, 25
BUSY = 0.4  # seconds that the partner computes at a stretch: many times an averaging


def main(folder: Path) -> None:
    """Write the seconds of every averaging of rank 0 and of its floor: of the wall clock and of its own CPU."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    torch.set_num_threads(1)
    windows = Windows(comm, 2, torch.ones(D))
    system = OneSided(windows)
    x, y, out = torch.ones(3, D)
    calls = {
        "floor": lambda: average(x, None, y, out),
        "floor of torch": lambda: torch.lerp(x, y, 0.5, out=out),
        "average": lambda: system.interact(0, 1, None, 0),
    }
    seconds: dict[str, list[tuple[float, float]]] = {}
    for partner in ("asleep", "computing") * 2:
        comm.Barrier()
        if comm.Get_rank() == 0:
            measure(calls, partner, seconds)
            comm.Send(b"", 1)
        else:
            occupy(comm, partner == "computing")
    windows.free()
    if comm.Get_rank() == 0:
        (folder / "seconds.json").write_text(json.dumps(seconds))
        (folder / "done").touch()


def measure(
    calls: dict[str, Callable[[], object]], partner: str, seconds: dict[str, list[tuple[float, float]]]
) -> None:
    """Time the calls by turns, after a warm-up."""
    for repeat in range(REPEATS + 2):
        for name, call in calls.items():
            wall, own = time.perf_counter(), time.thread_time()
            call()
            if repeat > 1:
                times = (time.perf_counter() - wall, time.thread_time() - own)
                seconds.setdefault(f"{name}, {partner}", []).append(times)


def occupy(comm: object, computing: bool) -> None:
    """Sleep, or multiply matrices, outside of MPI, until rank 0 is done."""
    a = torch.ones(64, 64)
    while not comm.Iprobe(source=0):  # type: ignore[attr-defined]
        end = time.monotonic() + BUSY
        while time.monotonic() < end:
            if computing:
                a @ a
            else:
                time.sleep(0.01)
    comm.Recv(bytearray(), source=0)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
