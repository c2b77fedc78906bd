"""One-sided averaging: how near it is to its floor, and that a partner that computes does not hold it up."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from reproductions.harness.runs.launcher import launch
from tests.benchmarks.conftest import Speed
from tests.benchmarks.onesided_average import BUSY


def test_one_sided_averaging(benchmark: Any, speed: Speed, tmp_path: Path) -> None:
    benchmark.pedantic(launch, args=("tests.benchmarks.onesided_average", tmp_path, 2, 120.0), rounds=3)
    times = {name: np.array(pairs) for name, pairs in json.loads((tmp_path / "seconds.json").read_text()).items()}
    wall = {name: pairs[:, 0].min() for name, pairs in times.items()}
    ratio = wall["average, asleep"] / min(wall["floor, asleep"], wall["floor of torch, asleep"])
    name = "one-sided averaging of 10M floats, 2 ranks / reading two models and writing one"
    speed(name, ratio, "at most 1.5", "memory: two models in, one out")
    own = {name: pairs[:, 1].min() for name, pairs in times.items()}
    busy = own["average, computing"] / own["average, asleep"]
    speed("the same, CPU time, partner computes / sleeps", busy, "at most 1.5", "two cores share memory")
    waited = float(np.median(times["average, computing"][:, 0])) / BUSY
    speed("the same / stretch of the partner's computing", waited, "at most 0.5", "a core for each rank")
    assert ratio <= 1.5
    assert busy <= 1.5
    assert waited <= 0.5  # who waits for the partner to enter MPI waits for half a stretch and more
