"""Networks that PopSGD trains level by level: bit for bit those that are trained one node at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from algorithms.graphs import Graph
from algorithms.popsgd import levels
from algorithms.popsgd.population import constant, interactions, population, simulate
from algorithms.replicas import Engine, loop
from algorithms.stand_ins import StandIns
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.deadline import OutOfTime
from reproductions.harness.runs.free_memory import FreeMemory
from reproductions.popsgd import training
from reproductions.popsgd.recipes import ONE_SIDED, SYMMETRIC, local_sgd
from reproductions.popsgd.training import Nodes, NodeTraining, PopSGD, of_any_nodes
from reproductions.workloads.digits import Digits, Net
from tests.algorithms.families import NODES, in_process, nodes

RUN, MIB = NODES, 1 << 20


@dataclass(frozen=True)
class OneAtATime(PopSGD):
    """The specification: interactions one after the other, and each node's gradient when it is needed."""

    def advance(self, x: Any, descents: Any, state: dict[str, Tensor], steps: range, seed: int) -> None:
        """See `Method.advance`."""
        pairs_per_step = len(x) / 2 if self.averaging == "symmetric" else len(x)
        first, last = (round(done * pairs_per_step) for done in (steps.start, steps.stop))
        pairs = interactions(self.graph(len(x)), seed, first, last)
        simulate(population(x), pairs, lambda _, i, made: descents([i])[0], constant(1.0), self.averaging)


@dataclass
class Watched(Context):
    """A context that keeps the nodes of its run."""

    nodes: list[Any] = field(default_factory=list)

    def parts(self, total: int, state: Any) -> Iterator[int]:
        """See `Context.parts`."""
        self.nodes.append(state)
        yield from super().parts(total, state)


def end(run: NodeTraining, context: Watched | None = None) -> tuple[list[Any], dict[str, bytes], dict[int, int]]:
    """Return all that a run logged at every measurement, all its tensors at the end, and the steps of every node."""
    context = context or Watched()
    run.execute(context)
    nodes: Nodes = context.nodes[-1]
    rows = {name: tensor.numpy().tobytes() for name, tensor in nodes.rows().items()}
    return context.rows, rows, nodes.made


def one_at_a_time(run: NodeTraining) -> Any:
    assert isinstance(run.method, PopSGD)
    return end(replace(run, method=OneAtATime(run.method.averaging)))


def with_engine(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Engine]) -> None:
    monkeypatch.setattr(training, "of_any_nodes", lambda *_: make())


@pytest.mark.parametrize("method", [SYMMETRIC, ONE_SIDED], ids=lambda method: method.averaging)
@pytest.mark.parametrize("nodes", [1, 2, 4, 8])
@pytest.mark.parametrize("every", [1, 6, 30])
def test_every_measurement_and_the_end_are_bitwise_those_of_one_at_a_time(
    method: PopSGD, nodes: int, every: int
) -> None:
    run = replace(RUN, method=method, nodes=nodes, every=every)
    assert end(run) == one_at_a_time(run)


@pytest.mark.parametrize("net", ["small", "plain", "linear"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_networks_with_running_statistics_too(net: Net, momentum: float) -> None:
    run = replace(RUN, workload=Digits(net), nodes=8, steps=12, every=6, momentum=momentum)
    assert end(run) == one_at_a_time(run)


ENGINES: dict[str, Callable[[], Engine]] = {
    "a recording of 4 stand-ins": lambda: of_any_nodes(Graph(4), 8),
    "of 3": lambda: of_any_nodes(Graph(3), 8),
    "of 1": lambda: of_any_nodes(Graph(1), 8),
    "as many as nodes": lambda: of_any_nodes(Graph(16), 8),
    "stand-ins in a loop": lambda: StandIns(loop, 5),
}


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("net", ["small", "mlp"])
def test_an_engine_that_replays_trains_as_the_loop_does(
    net: Net, make: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = replace(RUN, workload=Digits(net), nodes=8, steps=12, every=6)
    reference = one_at_a_time(run)
    with_engine(monkeypatch, make)
    assert end(run) == reference


def test_rounds_on_stand_ins_are_those_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    run = replace(RUN, method=local_sgd(4, 3))
    reference = end(run)
    with_engine(monkeypatch, lambda: of_any_nodes(Graph(3), 4))
    assert end(run) == reference


@pytest.mark.parametrize("method", [SYMMETRIC, ONE_SIDED], ids=lambda method: method.averaging)
@pytest.mark.parametrize("make", [lambda: loop, ENGINES["of 3"]], ids=["loop", "recording"])
def test_a_run_that_stops_after_every_measurement_goes_on_bitwise(
    method: PopSGD, make: Callable[[], Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, stops, resumed = replace(RUN, method=method, nodes=8), 0, None
    reference = one_at_a_time(run)
    with_engine(monkeypatch, make)
    while resumed is None:
        try:
            resumed = end(run, Watched(checkpoints=tmp_path, deadline=0.0))
        except OutOfTime:
            stops += 1
    assert stops == 2
    assert resumed == reference


def test_runs_that_are_the_same_on_any_number_of_ranks_log_what_one_at_a_time_does() -> None:
    for run, frame in zip(nodes(), in_process("nodes"), strict=True):
        logged = sorted(one_at_a_time(run)[0])
        assert sorted(zip(frame["step"], frame["metric"], frame["value"], strict=True)) == logged


@pytest.mark.parametrize("wrong", [lambda last, i, j: 1 + last[i], lambda last, i, j: 1 + last[j]])
def test_levels_that_ignore_a_node_turn_the_comparison_red(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "level_of", wrong)
    run = replace(RUN, nodes=8)
    assert end(run) != one_at_a_time(run)


def test_the_engine_is_called_once_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[int] = []

    def counting(models: Any, batches: Any, loss: Any) -> Tensor:
        together.append(len(models))
        return loop(models, batches, loss)

    with_engine(monkeypatch, lambda: counting)
    run = replace(RUN, nodes=8, every=30)
    end(run)
    pairs = interactions(SYMMETRIC.graph(8), run.seed, 0, 8 * 30 // 2)
    assert together == [len(level.nodes) for level in levels.levels(pairs)]
    assert sum(together) == 8 * 30
    assert sum(together) / len(together) > 3


def test_stand_ins_are_no_more_than_streams_or_nodes_and_only_for_what_is_recorded() -> None:
    assert of_any_nodes(loop, 8) is loop
    engines = [of_any_nodes(Graph(streams), nodes) for nodes in (1, 8, 32) for streams in (4, 16)]
    counts = [engine.count for engine in engines if isinstance(engine, StandIns)]
    assert counts == [1, 1, 4, 8, 4, 8]


def test_stand_ins_are_in_the_memory_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    for computes in (loop, Graph(3)):
        monkeypatch.setattr(training, "engine", lambda *_, computes=computes: computes)
        context = Context(free_memory=FreeMemory("cpu", 64 * MIB))
        RUN.execute(context)
        states.append(context.notes["memory"]["state"])
    parameters = sum(p.numel() for p in Digits("mlp").load().model().parameters())
    batch = RUN.batch * (4 * 64 + 8)
    assert states[1] - states[0] == 3 * 2 * 4 * parameters + (1 + 2 + 3) * batch
