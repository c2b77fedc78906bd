"""``python -m mpi4py -m tests.algorithms.coopsgd.overlap_ranks FOLDER``: two workers and z, of which one goes wrong."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from algorithms.coopsgd.elastic import elastic
from algorithms.coopsgd.overlap import Overlap
from algorithms.world import World
from reproductions.harness.runs.ranks import reported

if __name__ == "__main__":
    from mpi4py import MPI

    folder, comm = Path(sys.argv[1]), MPI.COMM_WORLD
    what, rank = (folder / "what").read_text(), comm.Get_rank()
    (folder / f"pid-{rank}").write_text(str(os.getpid()))
    with reported(folder, rank):
        x = torch.zeros(1, 100_000)
        overlap = Overlap(World(comm, 3), elastic(np.eye(2), 0.3), 1)
        overlap.mix(x)
        overlap.settle()
        if rank == 2 and what == "raise in the thread":
            overlap.side.combine = None  # type: ignore[assignment, method-assign]
        if rank == 0:
            # the threads of the others wait for the model of worker 0 now
            time.sleep(600.0 if what == "raise while the own thread waits" else 0.5)
        else:
            overlap.mix(x)
        if rank == 1 and what == "raise while the own thread waits":
            time.sleep(0.2)
            raise RuntimeError("the worker fell off the table")
        if rank == 0 and what == "raise while other threads wait":
            raise RuntimeError("the worker fell off the table")
        if rank == 0 and what == "die while other threads wait":
            os.kill(os.getpid(), signal.SIGKILL)
        overlap.mix(x)
        overlap.mix(x)
        overlap.settle()
        (folder / "done").touch()
