"""The work of a launch: its experiments, one after the other, each stored as soon as it is done."""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reproductions.harness.runs.deadline import OutOfTime
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.harness.runs.free_memory import DoesNotFit, FreeMemory, find_free_memory, within
from reproductions.harness.runs.key import describe
from reproductions.harness.runs.progress import Progress
from reproductions.harness.runs.trackers import Ledger

if TYPE_CHECKING:
    from mpi4py import MPI

Pair = tuple[Experiment, str]
"""An experiment and the key of its run."""


@dataclass(frozen=True)
class Job:
    """Work of one launch, handed to the ranks as a pickle in their exchange folder, its digest on the command line."""

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
    precision: str = "float32"
    streams: int = 4
    planned: bool = False  # whether runs plan their memory
    deadline: float = math.inf
    ranks: int = 0  # that were asked for
    dealt: bool = False  # whether each rank makes whole runs of those that ranks can share
    nice: bool = False
    tracked: bool = False  # whether metrics are handed on as they come

    @property
    def over(self) -> bool:
        """Whether the time limit of the session forbids to begin anything."""
        return time.time() >= self.deadline

    @property
    def mortal(self) -> bool:
        """Whether some of the ranks will be killed."""
        return self.experiments[0].placement is Placement.MORTAL


def work(job: Job, comm: MPI.Intracomm, folder: Path) -> MPI.Comm:
    """Run the experiments that ranks share one by one, then deal out those that one rank runs alone.

    If the job is `dealt`, whole runs of those that ranks could share are dealt out first, as many to each rank.

    Returns the communicator of the ranks that are alive; a mortal experiment is alone in its launch. If the time limit
    of the session ends the work before it is done, the file ``stopped`` says so.
    """
    pairs, progress = list(zip(job.experiments, job.keys, strict=True)), Progress(folder, comm.Get_rank())
    if job.mortal:
        return execute(job, *pairs[0], comm, progress)
    alone = [pair for pair in pairs if pair[0].placement is Placement.ALONE]
    shared = [pair for pair in pairs if pair[0].placement is not Placement.ALONE]
    free = find_free_memory(_device(job.device, comm.Get_rank()), comm) if job.planned else None
    try:
        if job.dealt:
            shared = _deal(job, shared, comm, progress, free)
        _work_together(job, shared, comm, progress, free)
        _work_alone(job, alone, progress, free)
    except OutOfTime:
        (folder / "stopped").touch()
    return comm


def _deal(
    job: Job, pairs: Sequence[Pair], comm: MPI.Intracomm, progress: Progress, free: FreeMemory | None
) -> list[Pair]:
    """Make whole runs on each rank, as many on each as there are for all; return those that ranks have to share."""
    from algorithms.transport import poll

    shareable = [pair for pair in pairs if pair[0].placement is Placement.SHARED]
    whole = shareable[: len(shareable) // comm.Get_size() * comm.Get_size()]
    try:
        _work_alone(job, whole, progress, free)
    except OutOfTime:
        (job.folder / "stopped").touch()
    poll([comm.Ibarrier()])
    if (job.folder / "stopped").exists():
        raise OutOfTime
    return [pair for pair in pairs if pair not in whole or (job.folder / f"shared-{pair[1]}").exists()]


def _work_together(
    job: Job, pairs: Sequence[Pair], comm: MPI.Intracomm, progress: Progress, free: FreeMemory | None
) -> None:
    """Run experiments one by one; on all ranks, an `OutOfTime` is raised if the last were not finished."""
    rank, over = comm.Get_rank(), False
    for experiment, key in pairs:
        if _agreed(comm, over or job.over):  # ranks that are not needed sleep
            raise OutOfTime
        members = comm.Split(color=int(rank >= experiment.workers), key=rank)
        try:
            if rank < experiment.workers:
                here = within(free, experiment.workers)
                execute(job, experiment, key, members, progress, here)
        except OutOfTime:
            over = True
        members.Free()
    if _agreed(comm, over):
        raise OutOfTime


def _agreed(comm: MPI.Intracomm, over: bool) -> bool:
    """Return on all ranks what rank 0 says, which takes part in everything that ranks share."""
    told = np.array([over])
    request = comm.Ibcast(told)
    while not request.Test():
        time.sleep(5e-5)
    return bool(told[0])


def _work_alone(job: Job, pairs: Sequence[Pair], progress: Progress, free: FreeMemory | None) -> None:
    """Make runs on this rank alone; a run, or a whole group, belongs to the rank that begins it first.

    `OutOfTime` if the session has to stop.
    """
    from mpi4py import MPI

    mine = set[str]()
    for experiment, key in pairs:
        if job.over:
            raise OutOfTime
        group = hashlib.sha256(experiment.group.encode()).hexdigest()[:24] if experiment.group else ""
        if group not in mine and not _taken(job.folder / (f"group-{group}" if group else f"begun-{key}")):
            continue
        mine |= {group} - {""}
        try:
            execute(job, experiment, key, MPI.COMM_SELF, progress, free)
        except DoesNotFit:
            if experiment.placement is Placement.ALONE:
                raise
            (job.folder / f"shared-{key}").touch()


def _taken(path: Path) -> bool:
    """Whether this rank is the first to make a file."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def execute(
    job: Job,
    experiment: Experiment,
    key: str,
    members: MPI.Comm,
    progress: Progress,
    free: FreeMemory | None = None,
) -> MPI.Comm:
    """Run one experiment on the ranks `members` and store its frame; return those that are alive."""
    from mpi4py import MPI

    from reproductions.harness.runs.context import Context
    from reproductions.harness.runs.store import RunStore

    store = RunStore(job.store, drafts=job.folder)  # which is removed, whatever becomes of this rank
    first = members.Get_rank() == 0
    if first:
        (job.folder / f"begun-{key}").touch()
    context = Context(
        comm=members,
        device=_device(job.device, MPI.COMM_WORLD.Get_rank()),
        data=job.data,
        checkpoints=store.checkpoint(key),
        deadline=job.deadline,
        on_progress=progress.of(experiment) if first else lambda fraction: None,
        precision=job.precision,
        streams=job.streams,
        announce=progress.announce if first else lambda text: None,
        free_memory=free,
        on_warning=(job.folder / f"warning-{key}").write_text,
    )
    ledger = Ledger(job.folder / f"metrics-{key}") if job.tracked and first else None
    if ledger:
        context.on_log = ledger.log
    start = time.perf_counter()
    experiment.execute(context)
    members = context.comm or members
    members.Barrier()  # a run is done when it is done on all ranks
    if members.Get_rank() == 0:  # the first may have been killed
        import pandas as pd

        frame = pd.DataFrame(context.rows, columns=["step", "metric", "value"])
        seconds = {"seconds": time.perf_counter() - start, "ranks": members.Get_size()}
        store.save(key, frame, job.provenance | seconds | context.notes | _library(), describe(experiment))
        shutil.rmtree(store.checkpoint(key), ignore_errors=True)
        progress.finished(experiment)
    if ledger:
        ledger.done()
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
