"""Speed and memory of the exact simulation of PopSGD, against the loop that specifies it."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from algorithms.popsgd import population
from algorithms.popsgd.population import Complete, constant, interactions
from algorithms.popsgd.simulation import Samples, Simulation
from tests.benchmarks.conftest import Speed, fastest

N = 10_000


def simulation(d: int, batch: int, rows: int) -> Simulation:
    kind = np.float64 if batch == 1 else np.float32  # as in figure 3, and as in figure 1 with its larger data
    a = np.random.default_rng(0).standard_normal((rows, d)).astype(kind)
    nodes = population.population(np.zeros((N, d), kind))
    return Simulation(nodes, Complete(N), Samples(a, a.sum(axis=1), batch), constant(1e-3))


@pytest.mark.parametrize(("d", "batch", "rows", "at_least"), [(32, 1, 10_000, 40), (90, 128, 50_000, 2)])
def test_interactions_against_the_loop(
    benchmark: Any, speed: Speed, d: int, batch: int, rows: int, at_least: float
) -> None:
    fast, slow = simulation(d, batch, rows), simulation(d, batch, rows)
    many, few = 400_000 // batch, 20_000 // batch
    pairs, gradient = interactions(slow.graph, 0, 0, few), slow.samples.gradient
    fast.to_time(many)
    benchmark.pedantic(lambda: fast.to_time(fast.t + many), rounds=3)
    calls = {
        "loop": lambda: population.simulate(slow.nodes, pairs, gradient, slow.rate),
        "compiled": lambda: fast.to_time(fast.t + many),
    }
    times = fastest(calls, repeats=5)
    ratio = (times["loop"] / few) / (times["compiled"] / many)
    name = f"PopSGD, n = 10,000, d = {d}, batch {batch}: interactions a second / those of the numpy loop"
    speed(name, ratio, f"at least {at_least}", "memory and dot products")
    assert ratio >= at_least


HUNDRED_THOUSAND = """
from pathlib import Path
import numpy as np
from algorithms import popsgd
from algorithms.popsgd.simulation import Samples, Simulation
n = 100_000
a = np.ones((1000, 90))
s = Simulation(popsgd.population(np.zeros((n, 90))), popsgd.Complete(n), Samples(a, a[:, 0]), popsgd.constant(1e-4))
s.to_time(300_000)
assert s.nodes.x.max() > 0
# not ru_maxrss, which remembers the process that started this one
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


def test_a_hundred_thousand_nodes_in_a_gibibyte() -> None:
    done = subprocess.run([sys.executable, "-c", HUNDRED_THOUSAND], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 1024**2  # in KiB
