"""What a round of each algorithm costs, by condition: against the floor of memory and the all-reduce of two libraries.

The seconds of pytest-benchmark are those of the rounds on the ranks, see `round_cost`, so that ``--benchmark-compare``
shows which round under which condition became slower. Every ratio has its name in ``extra_info``: the median over turns
of a round against what it is compared with, milliseconds later; the shortest times do not meet on a machine with other
work. Synchronous SGD and periodic averaging make the same round: how their ratios differ is the noise.

Four ranks are more than the two cores of a small machine, where they take turns. With models of 10 M floats, 640 MB a
copy of all, ranks take 5 GB together.

Not here: algorithms whose round is one of these (decentralized periodic averaging is D-PSGD, PR-SGD on a ring PSGD) and
those with a server that has no process of its own, whose seconds would not be those of a server.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from reproductions.harness.runs.launcher import launch
from tests.benchmarks.conftest import Speed
from tests.benchmarks.round_cost import ALGORITHMS, BASELINES, FLOOR, WORKERS


@dataclass(frozen=True)
class Condition:
    """How long models are, on how many ranks, and how often a round is timed."""

    floats: int
    ranks: int
    repeats: int

    def __str__(self) -> str:
        return f"n = {WORKERS}, {self.floats // 1_000_000}M floats, {self.ranks} rank{'s' * (self.ranks > 1)}"


@dataclass
class Clock:
    """A clock that only moves on by what ranks have measured."""

    now: float = 0.0

    def read(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


CLOCK = Clock()
LENGTHS = {1_000_000: 10, 10_000_000: 3}  # repeats
CONDITIONS = [Condition(floats, ranks, repeats) for floats, repeats in LENGTHS.items() for ranks in (1, 2, 4)]
BELOW = 0.8  # of the floor that is none, whatever the noise
Costs = dict[str, Any]


@pytest.fixture(scope="module", params=CONDITIONS, ids=lambda each: f"{each.floats // 1_000_000}M-{each.ranks}-ranks")
def condition(request: pytest.FixtureRequest) -> Condition:
    found: Condition = request.param
    return found


@pytest.fixture(scope="module")
def costs(condition: Condition, tmp_path_factory: pytest.TempPathFactory) -> Costs:
    """Return what the ranks measured, see `round_cost.main`; they are started once for all algorithms."""
    folder, more = tmp_path_factory.mktemp("rounds"), (str(condition.floats), str(condition.repeats))
    launch("tests.benchmarks.round_cost", folder, condition.ranks, 300.0, more=more)
    found: Costs = json.loads((folder / "costs.json").read_text())
    return found


def show(benchmark: Any, condition: Condition, seconds: Sequence[float]) -> None:
    """Give pytest-benchmark the seconds of rounds."""
    benchmark.group, left = str(condition), iter(seconds)
    benchmark.pedantic(CLOCK.forward, setup=lambda: ((next(left),), {}), rounds=len(seconds))


def turn_by_turn(seconds: Sequence[float], others: Sequence[float]) -> float:
    """Return the median over turns of how much longer one took than the other."""
    return float(np.median(np.divide(seconds, others)))


@pytest.mark.benchmark(timer=CLOCK.read)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_round(benchmark: Any, speed: Speed, condition: Condition, costs: Costs, name: str) -> None:
    seconds, models = costs[name]["seconds"], costs[name]["models"]
    show(benchmark, condition, seconds["round"])
    crowded = "; ranks share cores" if condition.ranks > (os.cpu_count() or 1) else ""
    ratios = {baseline: turn_by_turn(seconds["round"], seconds[baseline]) for baseline in BASELINES}
    for baseline, ratio in ratios.items():
        limit = f"{models:.2f} models in or out of a worker{crowded}"
        speed(f"{name}, {condition} / {baseline}", ratio, "no target", limit)
    assert models > 0  # or it was no round
    assert ratios[FLOOR] > BELOW


@pytest.mark.benchmark(timer=CLOCK.read)
@pytest.mark.parametrize("baseline", BASELINES)
def test_what_rounds_are_compared_with(
    benchmark: Any, speed: Speed, condition: Condition, costs: Costs, baseline: str
) -> None:
    seconds = {name: [s for cost in costs.values() for s in cost["seconds"][name]] for name in BASELINES}
    show(benchmark, condition, seconds[baseline])
    if baseline != FLOOR:
        ratio = turn_by_turn(seconds[baseline], seconds[FLOOR])
        speed(f"{baseline}, {condition} / {FLOOR}", ratio, "no target", "one all-reduce and the update of every model")
        assert ratio > BELOW
