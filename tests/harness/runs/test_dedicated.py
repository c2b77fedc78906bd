"""Experiments on dedicated ranks: one per worker, whatever the session asks for, in a launch of their own."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from reproductions.harness.runs import runner
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings


@dataclass(frozen=True)
class Shared(Experiment):
    nodes: int

    @property
    def workers(self) -> int:
        return self.nodes

    def execute(self, context: Context) -> None:
        context.log(0, {"ranks": context.comm.Get_size() if context.comm else 0})


@dataclass(frozen=True)
class Dedicated(Shared):
    placement: ClassVar[Placement] = Placement.RANK_EACH


@dataclass(frozen=True)
class Alone(Shared):
    placement: ClassVar[Placement] = Placement.ALONE
    seed: int = 0


@dataclass(frozen=True)
class Grouped(Alone):
    many: int = 0

    @property
    def group(self) -> str:
        return f"many {self.many}"

    def execute(self, context: Context) -> None:
        from mpi4py import MPI

        time.sleep(0.05)
        context.log(0, {"rank": MPI.COMM_WORLD.Get_rank()})


@dataclass(frozen=True)
class Mortal(Shared):
    placement: ClassVar[Placement] = Placement.MORTAL

    def execute(self, context: Context) -> None:
        assert context.comm is not None
        if context.rank == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        context.comm = context.comm.Shrink()
        super().execute(context)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the ranks of every launch."""
    sizes, launch = [], runner.launch

    def counted(module: str, folder: Path, ranks: int, *rest: Any, **more: Any) -> None:
        sizes.append(ranks)
        launch(module, folder, ranks, *rest, **more)

    monkeypatch.setattr(runner, "launch", counted)
    return sizes


def test_runs_of_one_worker_that_need_one_rank_are_dealt_to_several(tmp_path: Path, launched: list[int]) -> None:
    runs = Runner(Settings(ranks=2, device="cpu", results=tmp_path)).run([Alone(1, seed) for seed in range(3)])
    assert [run.final("ranks") for run in runs] == [1, 1, 1]
    Runner(Settings(ranks=2, device="cpu", results=tmp_path)).run([Alone(1, seed=3), Shared(1)])
    assert launched == [2, 1]


def test_one_rank_makes_all_runs_of_a_group(tmp_path: Path) -> None:
    grid = [Grouped(1, seed, many) for many in range(6) for seed in range(4)]
    made = Runner(Settings(ranks=2, device="cpu", results=tmp_path)).run(grid)
    ranks = [{run.final("rank") for run in made if run.experiment.many == many} for many in range(6)]
    assert all(len(each) == 1 for each in ranks)
    assert {rank for each in ranks for rank in each} == {0, 1}


def test_dedicated_experiments_have_a_rank_for_every_worker(tmp_path: Path, launched: list[int]) -> None:
    session = Runner(Settings(ranks=1, device="cpu", results=tmp_path))
    session.upcoming = [Dedicated(2), Shared(5)]
    grid = [Dedicated(3), Shared(4)]
    assert [run.final("ranks") for run in session.run(grid)] == [3, 1]
    assert [run.provenance["ranks"] for run in session.run(grid)] == [3, 1]
    assert [run.final("ranks") for run in session.run([Dedicated(2), Shared(5)])] == [2, 1]  # planned, made on the way
    assert launched == [1, 3]


def test_survivors_of_a_mortal_experiment_store_its_run(tmp_path: Path) -> None:
    session = Runner(Settings(ranks=1, device="cpu", results=tmp_path))
    runs = session.run([Mortal(2), Shared(2), Mortal(3)])
    assert [run.final("ranks") for run in runs] == [1, 1, 2]
