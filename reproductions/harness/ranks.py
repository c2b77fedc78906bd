"""What every MPI rank runs: the experiments of one launch, one after the other, each stored as soon as it is done."""

from __future__ import annotations

import faulthandler
import json
import math
import os
import pickle
import shutil
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from reproductions.harness.deadline import OutOfTime
from reproductions.harness.experiment import Experiment
from reproductions.harness.memory import DoesNotFit
from reproductions.harness.room import Room, find_room, within

if TYPE_CHECKING:
    from mpi4py import MPI

ANNOUNCED, REFUSED = "announced", "refused"  # files of the exchange folder: lines that stay, why a run does not fit


Pair = tuple[Experiment, str]
"""An experiment and the key of its run."""


@dataclass(frozen=True)
class Job:
    """Work of one launch, handed to the ranks as a pickle in their exchange folder."""

    experiments: tuple[Experiment, ...]
    keys: tuple[str, ...]
    store: Path
    data: Path | None
    device: str
    limit: float
    launcher_pid: int
    launcher_host: str
    provenance: dict[str, Any]
    folder: Path = Path()
    checkpoint_every: float = 120.0
    precision: str = "float32"
    streams: int = 4
    planned: bool = False  # whether runs plan their memory
    deadline: float = math.inf

    @property
    def over(self) -> bool:
        """Whether the time limit of the session forbids to begin anything."""
        return time.time() >= self.deadline


def main(folder: Path) -> None:
    """Execute the job in `folder` on this rank."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    with reported(folder, comm.Get_rank()):
        import torch

        torch.set_num_threads(1)
        job: Job = pickle.loads((folder / "job.pickle").read_bytes())
        stacks = (folder / f"rank-{comm.Get_rank()}.stack").open("w")
        faulthandler.dump_traceback_later(max(0.9 * job.limit, job.limit - 2.0), file=stacks)
        watch(job.launcher_pid, job.launcher_host)
        living = work(job, comm, folder)
        living.Barrier()
        faulthandler.cancel_dump_traceback_later()
        if living.Get_rank() == 0:
            (folder / "done").touch()
        if job.experiments[0].mortal:
            living.Barrier()  # nobody leaves before success is reported
            survive()


@contextmanager
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
        draft = folder / f".rank-{rank}.error"
        draft.write_text(traceback.format_exc())
        draft.rename(folder / f"rank-{rank}.error")
        raise


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


@dataclass
class Progress:
    """Tells the launching process how far the ranks are."""

    folder: Path
    done: int
    share: int
    total: int
    written: float = 0.0

    def __call__(self, fraction: float) -> None:
        """Report the finished fraction of the current experiment, a few times a second at most."""
        if fraction >= 1 or time.monotonic() - self.written > 0.2:
            self.written = time.monotonic()
            draft = self.folder / ".progress"
            draft.write_text(json.dumps({"done": min(self.done + self.share * fraction, self.total)}))
            draft.rename(self.folder / "progress")

    def announce(self, text: str) -> None:
        """Hand a line that stays to the launching process."""
        with (self.folder / ANNOUNCED).open("a") as file:
            file.write(f"{text}\n")


def work(job: Job, comm: MPI.Intracomm, folder: Path) -> MPI.Comm:
    """Run the experiments that ranks share one by one, then deal out those that one rank runs alone.

    Returns the communicator of the ranks that are alive; a mortal experiment is alone in its launch. If the time limit
    of the session ends the work before it is done, the file ``stopped`` says so.
    """
    pairs = list(zip(job.experiments, job.keys, strict=True))
    if job.experiments[0].mortal:
        return execute(job, *pairs[0], comm, Progress(folder, 0, 1, 1))
    shared = [pair for pair in pairs if not pair[0].solo]
    alone = [pair for pair in pairs if pair[0].solo]
    room = find_room(_device(job.device, comm.Get_rank()), comm) if job.planned else None
    try:
        _work_together(job, shared, comm, len(pairs), room)
        _work_alone(job, alone, comm, len(pairs), room)
    except OutOfTime:
        (folder / "stopped").touch()
    return comm


def _work_together(job: Job, pairs: Sequence[Pair], comm: MPI.Intracomm, total: int, room: Room | None) -> None:
    """Run experiments one by one; on all ranks, an `OutOfTime` is raised if the last were not finished."""
    rank, over = comm.Get_rank(), False
    for number, (experiment, key) in enumerate(pairs):
        if _agreed(comm, over or job.over):  # ranks that are not needed sleep
            raise OutOfTime
        members = comm.Split(color=int(rank >= experiment.workers), key=rank)
        try:
            if rank < experiment.workers:
                here = within(room, experiment.workers)
                execute(job, experiment, key, members, Progress(job.folder, number, 1, total), here)
        except OutOfTime:
            over = True
        members.Free()
    if _agreed(comm, over):
        raise OutOfTime


def _agreed(comm: MPI.Intracomm, over: bool) -> bool:
    """Return on all ranks what rank 0 says, which takes part in everything that ranks share."""
    from algorithms.transport import poll

    told = np.array([over])
    poll([comm.Ibcast(told)])
    return bool(told[0])


def _work_alone(job: Job, pairs: Sequence[Pair], comm: MPI.Intracomm, total: int, room: Room | None) -> None:
    """Run this rank's part of experiments that need no other; an `OutOfTime` is raised if it was not finished."""
    from mpi4py import MPI

    rank, ranks, begun = comm.Get_rank(), comm.Get_size(), total - len(pairs)
    for number, (experiment, key) in enumerate(pairs[rank::ranks]):
        if job.over:
            raise OutOfTime
        # the other ranks are about as far
        progress = Progress(job.folder, begun + number * ranks, ranks, total) if rank == 0 else None
        execute(job, experiment, key, MPI.COMM_SELF, progress, room)


def execute(
    job: Job, experiment: Experiment, key: str, members: MPI.Comm, progress: Progress | None, room: Room | None = None
) -> MPI.Comm:
    """Run one experiment on the ranks `members` and store its frame; return those that are alive."""
    import pandas as pd
    from mpi4py import MPI

    from reproductions.harness.context import Context
    from reproductions.harness.store import RunStore

    store = RunStore(job.store)
    heard = progress if members.Get_rank() == 0 else None
    if members.Get_rank() == 0:
        (job.folder / f"begun-{key}").touch()
    context = Context(
        comm=members,
        device=_device(job.device, MPI.COMM_WORLD.Get_rank()),
        data=job.data,
        checkpoints=store.checkpoint(key),
        checkpoint_every=job.checkpoint_every,
        deadline=job.deadline,
        on_progress=heard or (lambda fraction: None),
        precision=job.precision,
        streams=job.streams,
        announce=heard.announce if heard else lambda text: None,
        room=room,
        on_warning=(job.folder / f"warning-{key}").write_text,
    )
    start = time.perf_counter()
    experiment.execute(context)
    members = context.comm or members
    members.Barrier()  # a run is done when it is done on all ranks
    if members.Get_rank() == 0:
        frame = pd.DataFrame(context.rows, columns=["step", "metric", "value"])
        seconds = {"seconds": time.perf_counter() - start, "ranks": members.Get_size()}
        store.save(key, frame, job.provenance | seconds | context.notes | _library())
        shutil.rmtree(store.checkpoint(key), ignore_errors=True)
        context.on_progress(1.0)
    return members


def _device(device: str, rank: int) -> str:
    if device != "cuda":
        return device
    import torch

    index = rank % torch.cuda.device_count()
    torch.cuda.set_device(index)
    return f"cuda:{index}"


def _library() -> dict[str, str]:
    from mpi4py import MPI

    return {"mpi": MPI.Get_library_version().split(",")[0].strip()}
