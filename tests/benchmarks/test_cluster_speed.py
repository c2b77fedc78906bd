"""Cluster agreement in the simulator against its distance products alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algorithms.clustersgd.adversaries import Adversary, uniform
from algorithms.clustersgd.agreement import ClusterAgreement, MidExtremes
from algorithms.clustersgd.model import Clusters, Vector
from algorithms.clustersgd.scheduler import System, run
from algorithms.streams import stream
from reproductions.harness.runs.launcher import launch
from tests.benchmarks.conftest import Speed

N, M, D, ROUNDS = 64, 8, 10_000, 3


class Counted(MidExtremes):
    """Notes how many values it was given each time."""

    def __init__(self) -> None:
        object.__setattr__(self, "sizes", [])

    def aggregate(self, values: Sequence[Vector], own: Vector) -> Vector:
        self.__dict__["sizes"].append(len(values))
        return super().aggregate(values, own)


def simulated() -> tuple[float, list[int]]:
    """Return the seconds of a run and the sizes of its products."""
    rule = Counted()
    agreement = ClusterAgreement(Clusters.even(N, M), rule.clustered**ROUNDS, rule)
    system = System(
        agreement.clusters,
        [agreement.process(i, stream(0, "input", i).normal(size=D)) for i in range(N)],
        record=False,
    )
    start = time.thread_time()
    run(system, Adversary(uniform(0)).choose, record=False)
    return time.thread_time() - start, rule.__dict__["sizes"]


def products(sizes: Sequence[int]) -> float:
    """Return the seconds of products of these sizes alone: k of the n vectors, side by side, with themselves."""
    rows = stream(0, "rows").normal(size=(N, D))
    start = time.thread_time()
    for turn, k in enumerate(sizes):
        first = turn * N // M % (N - k + 1)  # of another cluster each time, as in the run
        rows[first : first + k] @ rows[first : first + k].T
    return time.thread_time() - start


def test_cluster_agreement_against_its_distance_products(benchmark: Any, speed: Speed) -> None:
    seconds, sizes = benchmark.pedantic(simulated, rounds=3)
    times = [(simulated()[0], products(sizes)) for _ in range(2)]
    ratio = min(seconds, *(mine for mine, _ in times)) / min(alone for _, alone in times)
    speed(
        f"cluster agreement / its products, n = {N}, m = {M}, d = {D}",
        ratio,
        "at most 4, meant: 2",
        "copies into blocks",
    )
    assert len(sizes) == ROUNDS * N * 15
    assert ratio <= 4


def test_survivors_of_algorithm_1_keep_their_speed(benchmark: Any, speed: Speed, tmp_path: Path) -> None:
    """Seconds of the last iterations of 8 ranks of which 4 were killed before, against 8 of which none was."""

    def last_iterations(name: str) -> float:
        (tmp_path / name).mkdir(exist_ok=True)
        launch("tests.benchmarks.cluster_throughput", tmp_path / name, 8, limit=120, mortal=True)
        return max(float(path.read_text()) for path in (tmp_path / name).glob("*.seconds"))

    seconds = {"whole": last_iterations("whole")}
    seconds["killed"] = benchmark.pedantic(last_iterations, args=("killed",), rounds=3)
    ratio = seconds["whole"] / seconds["killed"]
    speed("iterations/s of a survivor, 4 of 8 killed / none", ratio, "at least 0.8", "cores: the dead free theirs")
    assert ratio >= 0.8
