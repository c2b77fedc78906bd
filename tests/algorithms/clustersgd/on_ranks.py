"""``python -m mpi4py -m tests.algorithms.clustersgd.on_ranks FOLDER``: a process of the cluster model, maybe killed."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from algorithms.clustersgd.agreement import ClusterAgreement, SharedMemoryAgreement
from algorithms.clustersgd.log import Log, load, schedule, tail
from algorithms.clustersgd.model import Process, Vector
from algorithms.clustersgd.ranks import Kill, Node
from algorithms.clustersgd.scheduler import Execution, System, replay
from algorithms.clustersgd.sgd import GeneralSGD, StronglyConvexSGD
from algorithms.streams import stream
from reproductions.harness.runs.launcher import RanksFailed, launch
from reproductions.harness.runs.ranks import reported, survive, watch


@dataclass(frozen=True)
class Job:
    """Processes of an algorithm; `d` coordinates, input or noise from `seed`."""

    algorithm: SharedMemoryAgreement | ClusterAgreement | StronglyConvexSGD | GeneralSGD
    d: int = 3
    seed: int = 0
    kills: Mapping[int, Kill] = field(default_factory=dict)
    capacity: int | None = None
    limit: float = 60.0

    @property
    def n(self) -> int:
        return self.algorithm.clusters.n

    def process(self, i: int) -> Process:
        if isinstance(self.algorithm, StronglyConvexSGD | GeneralSGD):
            return self.algorithm.process(i, np.ones(self.d), self.gradient)
        return self.algorithm.process(i, stream(self.seed, "input", i).normal(size=self.d))

    def gradient(self, i: int, t: int, x: Vector) -> Vector:
        """Return the gradient of |x|^2/2 with Gaussian noise."""
        return x + 0.1 * stream(self.seed, "noise", i, t).normal(size=x.shape)


@dataclass
class Killer:
    """Kills processes from outside, each once its log is so many bytes long: anywhere, in the middle of anything."""

    folder: Path
    after: dict[int, int]

    def __call__(self) -> None:
        for i, length in list(self.after.items()):
            log = self.folder / f"{i}.log"
            if log.exists() and log.stat().st_size >= length:
                os.kill(int((self.folder / f"{i}.pid").read_text()), signal.SIGKILL)
                del self.after[i]


@dataclass
class Stopper:
    """Stops a process once its log is so many bytes long, until all others have their outputs."""

    folder: Path
    victim: int
    others: set[int]
    after: int
    stopped: bool = False
    overtaken: bool = False

    def __call__(self) -> None:
        log = self.folder / f"{self.victim}.log"
        if not self.stopped and log.exists() and log.stat().st_size >= self.after:
            self._signal(signal.SIGSTOP)
            self.stopped = True
        elif self.stopped and not self.overtaken and all((self.folder / f"{i}.npy").exists() for i in self.others):
            self.overtaken = not (self.folder / f"{self.victim}.npy").exists()
            self._signal(signal.SIGCONT)

    def _signal(self, signum: signal.Signals) -> None:
        os.kill(int((self.folder / f"{self.victim}.pid").read_text()), signum)


def deploy(job: Job, folder: Path, killer: Callable[[], None] = lambda: None) -> dict[int, Vector]:
    """Run a job on MPI ranks and return the output of every survivor; a hang shows the last events."""
    (folder / "job").write_bytes(pickle.dumps(job))
    try:
        launch("tests.algorithms.clustersgd.on_ranks", folder, job.n, job.limit, on_tick=killer, mortal=True)
    except RanksFailed as error:
        error.add_note(tail(folder))
        raise
    for i in range(job.n):
        pid = folder / f"{i}.pid"
        assert not pid.exists() or not Path(f"/proc/{pid.read_text()}").exists(), f"process {i} is still running"
    return {i: np.load(path) for i in range(job.n) if (path := folder / f"{i}.npy").exists()}


def repeated(job: Job, folder: Path) -> Execution:
    """Replay in the scheduler what happened on the ranks."""
    logs = {i: load(path) if (path := folder / f"{i}.log").exists() else [] for i in range(job.n)}
    system = System(job.algorithm.clusters, [job.process(i) for i in range(job.n)])
    return replay(system, schedule(logs))


def work(folder: Path) -> None:
    """Run this rank's process."""
    from mpi4py import MPI

    comm, job = MPI.COMM_WORLD, pickle.loads((folder / "job").read_bytes())
    me = comm.Get_rank()
    with reported(folder, me):
        faulthandler.dump_traceback_later(job.limit / 4, file=(folder / f"rank-{me}.stack").open("w"))
        watch(os.getppid(), "")
        (folder / f"{me}.pid").write_text(str(os.getpid()))
        node = Node(
            comm, job.algorithm.clusters, job.algorithm.arrays, np.empty(job.d), Log(folder / f"{me}.log"), job.capacity
        )
        output = node.run(job.process(me), kill=job.kills.get(me))
        np.save(folder / f"{me}.npy", output)
        node.part()
        faulthandler.cancel_dump_traceback_later()
        (folder / "done").touch()
        survive()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
