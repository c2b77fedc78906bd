"""``python -m mpi4py -m tests.algorithms.cluster_ranks FOLDER``: one process of the cluster model, possibly killed."""

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

from algorithms.agreement import ClusterAgreement, SharedMemoryAgreement
from algorithms.cluster_log import Log, load, schedule, tail
from algorithms.cluster_model import Process, Vector
from algorithms.cluster_mpi import Kill, Node
from algorithms.clustersgd import GeneralSGD, StronglyConvexSGD
from algorithms.scheduler import Execution, System, replay
from algorithms.streams import stream
from reproductions.harness.launcher import RanksFailed, launch
from reproductions.harness.ranks import reported, survive, watch


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


def deploy(job: Job, folder: Path, killer: Callable[[], None] = lambda: None) -> dict[int, Vector]:
    """Run a job on MPI ranks and return the output of every survivor; a hang shows the last events."""
    (folder / "job").write_bytes(pickle.dumps(job))
    try:
        launch("tests.algorithms.cluster_ranks", folder, job.n, job.limit, on_tick=killer, mortal=True)
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
