"""``python -m mpi4py -m tests.harness.runs.toy_ranks FOLDER``: ranks that go wrong as the file ``what`` says."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path

from reproductions.harness.runs.ranks import reported, watch


def fall(signum: int, frame: object) -> None:
    raise RuntimeError("the toy fell when it was ended")


def faults_of_twenty_steps() -> int:
    """Return the page faults of 20 steps that need the same 24 MiB for a moment, after two to begin with."""
    for step in range(22):
        if step == 2:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        tensors = [bytearray(8 << 20) for _ in range(3)]
        del tensors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


if __name__ == "__main__":
    from mpi4py import MPI

    folder, comm = Path(sys.argv[1]), MPI.COMM_WORLD
    what, guilty = (folder / "what").read_text(), comm.Get_rank() == 1
    (folder / f"pid-{comm.Get_rank()}").write_text(str(os.getpid()))
    with reported(folder, comm.Get_rank()):
        comm.Barrier()
        if what == "raise" and guilty:
            raise RuntimeError("the toy fell off the table")
        if what == "exit" and guilty:
            os._exit(3)
        if what == "exit quietly" and guilty:
            os._exit(0)
        if what == "kill" and guilty:
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "raise when ended":
            signal.signal(signal.SIGTERM, fall)
            time.sleep(600)
        if what == "hang" and guilty:
            time.sleep(600)
        if what == "orphan":
            watch(int((folder / "watched").read_text()), os.uname().nodename)
            time.sleep(600)
        if what == "faults":
            (folder / "faults").write_text(str(faults_of_twenty_steps()))
        comm.Barrier()
        if comm.Get_rank() == 0:
            (folder / "done").touch()
        if what == "hang after success":
            time.sleep(600)
