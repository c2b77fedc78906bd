"""``python -m mpi4py -m tests.benchmarks.cluster_throughput FOLDER``: algorithm 1; kills half if FOLDER is killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from algorithms.clustersgd.model import Clusters, Computed, Vector
from algorithms.clustersgd.ranks import Kill, Node
from algorithms.clustersgd.sgd import StronglyConvexSGD
from algorithms.schedule import Constant
from reproductions.harness.runs.ranks import reported, survive

T, D, MEASURED = 400, 10_000, 200


def gradient(i: int, t: int, x: Vector) -> Vector:
    """Return a gradient that takes about as long as a small network's."""
    g: Vector = x.copy()
    for _ in range(100):
        g *= 0.999
    return g


def work(folder: Path) -> None:
    """Write how long this rank took for the last iterations."""
    from mpi4py import MPI

    comm, reached = MPI.COMM_WORLD, {}
    with reported(folder, comm.Get_rank()):
        sgd = StronglyConvexSGD(Clusters.even(8, 4), T, 4, Constant(0.1), failures=4)
        node = Node(comm, sgd.clusters, sgd.arrays, np.empty(D))

        def observe(computed: Computed) -> None:
            reached[computed.tag[0]] = time.perf_counter()

        kills = {i: Kill(tag=(100 + 20 * i,)) for i in range(4)} if folder.name == "killed" else {}
        node.run(sgd.process(node.me, np.ones(D), gradient), observe, kills.get(node.me))
        (folder / f"{node.me}.seconds").write_text(str(reached[T] - reached[T - MEASURED]))
        node.part()
        (folder / "done").touch()
        survive()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
