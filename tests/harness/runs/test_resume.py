"""Checkpoint and resume: a run that was stopped or killed ends with the same bits as one that was not."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops
from algorithms.rps.averaging import ModelAveraging, average_blocks
from algorithms.schedule import StepDecay
from algorithms.world import World
from reproductions.experiments.training import Training
from reproductions.harness.runs.checkpoints import Checkpoints, fraction
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.deadline import OutOfTime
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.launcher import launch
from reproductions.popsgd.recipes import ONE_SIDED, SYMMETRIC, local_sgd
from reproductions.popsgd.training import NodeTraining
from reproductions.rps.single_node import SingleNode
from reproductions.workloads.digits import Digits
from tests.harness.toy_experiments import Rows


@dataclass(frozen=True)
class WithMomentum(Algorithm):
    """An algorithm that remembers something between steps."""

    def state(self, world: World, x: Tensor) -> dict[str, Tensor]:
        return {"velocity": torch.zeros_like(x)}

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        state["velocity"].mul_(0.9).add_(g)
        x.sub_(state["velocity"], alpha=lr)
        average_blocks(world, x, t)


RUN = Training(
    ModelAveraging(), Digits("small"), StepDecay(0.2), nodes=4, batch=32, epochs=4, seed=3,
    network=IndependentDrops(0.2, seed=3),
)  # fmt: skip
NODES = NodeTraining(SYMMETRIC, Digits("mlp"), StepDecay(0.1, milestones=(0.5,)), 4, 8, 40, 10, seed=3)
KINDS: list[Experiment] = [
    RUN,
    replace(RUN, algorithm=WithMomentum()),
    SingleNode(RUN, base_lr=0.1),
    replace(NODES, momentum=0.9),
    replace(NODES, method=ONE_SIDED),
    replace(NODES, method=local_sgd(4, 5)),
]


class Killed(BaseException):
    pass


def killed_after(fraction: float) -> Callable[[float], None]:
    def on_progress(done: float) -> None:
        if done > fraction:
            raise Killed

    return on_progress


def log(run: Experiment, context: Context) -> list[tuple[int, str, float]]:
    run.execute(context)
    return sorted(row for row in context.rows if not row[1].endswith("_seconds"))


@functools.cache
def whole(run: Experiment) -> list[tuple[int, str, float]]:
    """Return the log of a run that nothing interrupts."""
    return log(run, Context())


# -------------------------------------------------------------------------------------------------- stops and kills


@pytest.mark.parametrize("algorithm", [ModelAveraging(), WithMomentum()])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
def test_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path: Path, algorithm: Algorithm, part: float) -> None:
    run = replace(RUN, algorithm=algorithm)
    with pytest.raises(Killed):
        run.execute(Context(checkpoints=tmp_path, checkpoint_every=0, on_progress=killed_after(part)))
    assert (tmp_path / "latest.json").exists()
    steps: list[float] = []
    resumed = log(run, Context(checkpoints=tmp_path, checkpoint_every=0, on_progress=steps.append))
    assert resumed == whole(run)
    assert steps[0] > 0.24, "the run started over"


@pytest.mark.parametrize("run", KINDS, ids=lambda run: type(run).__name__)
def test_a_run_that_stops_after_every_part_is_bitwise_the_same(tmp_path: Path, run: Experiment) -> None:
    stops, resumed = 0, None
    while resumed is None:
        try:
            resumed = log(run, Context(checkpoints=tmp_path, deadline=0.0))
        except OutOfTime:
            stops += 1
            assert fraction(tmp_path) == stops / 4
    assert stops == 3
    assert resumed == whole(run)


@pytest.fixture(scope="module")
def on_two_ranks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what `resume_ranks` found."""
    folder = tmp_path_factory.mktemp("ranks")
    launch("tests.harness.runs.resume_ranks", folder, 2, 240.0)
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


def test_ranks_stop_together_and_any_number_of_ranks_goes_on(on_two_ranks: dict[str, Any]) -> None:
    assert on_two_ranks["turns"] == [[2, 1, 2, 1], [1, 2, 2, 2]]
    assert len(on_two_ranks["logs"]) == 2
    for logged in on_two_ranks["logs"]:
        assert [tuple(row) for row in logged] == whole(RUN)


def test_ranks_begin_nothing_after_a_stop_and_keep_what_they_made(on_two_ranks: dict[str, Any]) -> None:
    assert on_two_ranks["launches"] == {
        "too late": [[], True, []],
        "together": [["0"], True, ["0"]],
        "alone": [["0", "2", "3", "4"], True, ["0"]],  # one rank halts; the other takes what is left
        "in time": [["0", "1"], False, ["0"]],
        "dealt": [["0", "1", "2", "3", "4", "5"], False, ["4"]],  # the fifth of five is shared by both
        "dealt, too large": [["0", "1"], False, ["1"]],
        "dealt, too late": [["1", "2", "3"], True, []],
    }


# ------------------------------------------------------------------------------------------------ when to stop


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def parts_made(context: Context, clock: Clock, seconds: list[float]) -> int:
    """Return how many parts, of so many seconds, are made before a stop."""
    made, state = 0, Rows(range(4))
    try:
        for part in context.parts(len(seconds), state):
            clock.now += seconds[part]
            made += 1
    except OutOfTime:
        pass
    return made


@pytest.mark.parametrize(
    ("deadline", "seconds", "made"),
    [
        (35.0, [10.0] * 6, 3),
        (29.9, [10.0] * 6, 2),
        (5.0, [10.0] * 6, 1),  # the first part is always made: nothing says how long it takes
        (35.0, [2.0, 20.0, 2.0, 2.0], 2),  # the slowest so far is what counts
        (35.0, [10.0] * 3, 3),  # after the last part nothing is left to stop
        (1e9, [10.0] * 6, 6),
    ],
)
def test_a_part_is_begun_only_if_it_ends_in_time(
    tmp_path: Path, deadline: float, seconds: list[float], made: int
) -> None:
    clock = Clock()
    context = Context(checkpoints=tmp_path, checkpoint_every=1e9, deadline=deadline, clock=clock)
    assert parts_made(context, clock, seconds) == made
    assert fraction(tmp_path) == (None if made == len(seconds) else made / len(seconds))


def test_the_time_of_a_checkpoint_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, save = Clock(), Checkpoints.save

    def slowly(self: Checkpoints, *arguments: Any) -> None:
        clock.now += 6
        save(self, *arguments)

    monkeypatch.setattr(Checkpoints, "save", slowly)
    context = Context(checkpoints=tmp_path, checkpoint_every=0, deadline=50.0, clock=clock)
    assert parts_made(context, clock, [10.0] * 6) == 3  # 16 s each, of which the fourth would end at 64
    assert clock.now == 48


def test_no_checkpoint_is_made_before_it_is_due(tmp_path: Path) -> None:
    RUN.execute(Context(checkpoints=tmp_path, checkpoint_every=3600))
    assert not list(tmp_path.iterdir())
