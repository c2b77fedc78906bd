"""What every MPI rank is: it takes its job, does its work, and leaves word of what went wrong."""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import os
import pickle
import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from reproductions.harness.runs.free_memory import DoesNotFit
from reproductions.harness.runs.work import Job, work

FULL = re.compile("out of memory|can't allocate memory")  # what torch says, of a GPU and of a CPU
REFUSED = "refused"  # file of the exchange folder: why a run does not fit


class WrongLaunchError(RuntimeError):
    """Ranks or their job are not what was asked for; the message is one sentence for the user."""


def main(folder: Path, digest: str) -> None:
    """Execute the job in `folder`, whose digest is given, on this rank."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    with reported(folder, comm.Get_rank()):
        job = _job((folder / "job.pickle").read_bytes(), digest, comm.Get_size())
        if job.nice:
            give_way()
        if torch := sys.modules.get("torch"):  # two seconds, which experiments that do without are spared
            torch.set_num_threads(1)
        stacks = (folder / f"rank-{comm.Get_rank()}.stack").open("w")
        faulthandler.dump_traceback_later(max(0.9 * job.limit, job.limit - 2.0), file=stacks)
        watch(job.launcher_pid, job.launcher_host)
        living = work(job, comm, folder)
        living.Barrier()
        faulthandler.cancel_dump_traceback_later()
        if living.Get_rank() == 0:
            (folder / "done").touch()
        if job.mortal:
            living.Barrier()  # nobody leaves before success is reported
            survive()


def _job(content: bytes, digest: str, ranks: int) -> Job:
    """Return the job that was handed over, and no other."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise WrongLaunchError("the job of this launch was changed after it was handed over: who else writes there?")
    job: Job = pickle.loads(content)
    if job.ranks not in (0, ranks):
        raise WrongLaunchError(
            f"{job.ranks} ranks were asked for, but this one is of {ranks}: the launcher has to start {{ranks}} "
            "processes of one MPI job, with the MPI that mpi4py loads (see --launcher and docs/cluster.md)"
        )
    return job


@contextlib.contextmanager
def reported(folder: Path, rank: int) -> Iterator[None]:
    """Leave the traceback of what goes wrong in the exchange folder, then let mpi4py abort all ranks.

    A run that does not fit leaves its one sentence for the user as well.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, DoesNotFit):
            (folder / REFUSED).write_text(str(error))
        traceback.print_exc()
        sys.stderr.flush()
        draft = folder / f".rank-{rank}.{os.getpid()}.error"  # several ranks may take themselves for this one
        draft.write_text(_said(error))
        draft.rename(folder / f"rank-{rank}.error")
        raise


def _said(error: BaseException) -> str:
    """Return the sentence of an error that is no defect of the suite, else the traceback of the one at hand."""
    if isinstance(error, WrongLaunchError):
        return str(error)
    if isinstance(error, MemoryError) or FULL.search(str(error)):
        return f"memory ran out ({str(error) or 'MemoryError'}): ask for fewer --ranks, or run it where there is more"
    return traceback.format_exc()


def survive() -> NoReturn:
    """End a rank whose peers were killed, without `MPI_Finalize`: Open MPI 5.0 hangs there in one of ten such runs."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def watch(pid: int, host: str) -> None:
    """End this rank when the process that started the launch, or mpiexec, is gone."""
    parent, same_host = os.getppid(), socket.gethostname() == host

    def poll() -> None:
        while os.getppid() == parent and (
            not same_host or os.path.exists(f"/proc/{pid}") or not sys.platform.startswith("linux")
        ):
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=poll, daemon=True).start()


def give_way() -> None:
    """Compute at the lowest priority.

    Linux shares the cores between sessions first, and by nice values only within one: the priority of the session that
    the ranks are in is a file.
    """
    os.nice(19)
    with contextlib.suppress(OSError):  # another system, or a kernel without such groups
        Path("/proc/self/autogroup").write_text("19")
