"""Networks that ranks train through windows: bitwise what a replay makes, unless something is lost."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from algorithms.popsgd.onesided import Interaction, OneSided
from algorithms.schedule import StepDecay
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run
from reproductions.popsgd.recipes import ONE_SIDED, SYMMETRIC
from reproductions.popsgd.training import PopSGD
from reproductions.popsgd.windowed import WindowTraining
from reproductions.workloads.digits import Digits

D = 64 * 32 + 32 + 32 * 10 + 10


def setting(method: PopSGD, momentum: float = 0.0) -> WindowTraining:
    lr = 0.6 if method == ONE_SIDED else 0.3  # half of a reader's step reaches nobody
    return WindowTraining(method, Digits("mlp"), StepDecay(lr), 4, 8, 60, 30, 1, momentum=momentum, replayed=True)


@dataclass(frozen=True)
class Losing(WindowTraining):
    """Node 1 loses the tenth of its steps, or averages with itself in place of its partner and says otherwise."""

    lost: str = "step"

    def _train(self, context: Any, system: OneSided, nodes: Any) -> Any:
        interact = system.interact

        def losing(i: int, j: int, descent: Tensor | None, computed: int) -> Interaction:
            if i != 1 or nodes.made[i] != 10:
                return interact(i, j, descent, computed)
            if self.lost == "step":
                return interact(i, j, None, computed)
            return interact(i, i, descent, computed)._replace(partner=j, other=system.windows.version(j))

        system.interact = losing  # type: ignore[method-assign]
        return super()._train(context, system, nodes)


LOST = [
    Losing(ONE_SIDED, Digits("mlp"), StepDecay(0.6), 4, 8, 60, 30, 1, replayed=True, lost=lost)
    for lost in ("step", "message")
]
GRID = [setting(ONE_SIDED), setting(SYMMETRIC), setting(ONE_SIDED, 0.5)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Train four nodes."""
    folder: Path = tmp_path_factory.mktemp("windowed")
    return Runner(Settings(device="cpu", results=folder, run_timeout=120)).run([*GRID, *LOST])


def test_a_recorded_training_can_be_made_again_bitwise(runs: list[Run]) -> None:
    assert [run.final("differ") for run in runs[:3]] == [0, 0, 0]
    assert {run.provenance["ranks"] for run in runs} == {4}


def test_a_step_or_a_message_that_is_lost_shows(runs: list[Run]) -> None:
    assert all(run.final("differ") > 0 for run in runs[3:])


def test_waiting_is_part_of_the_time_of_a_batch(runs: list[Run]) -> None:
    assert all(run.final("cpu_seconds") > run.final("compute_seconds") > 0 for run in runs)


def test_the_ledger_is_exact(runs: list[Run]) -> None:
    for run, models in zip(runs[:3], (1, 2, 1), strict=True):
        assert run.final("sent_bytes") == 4 * D * (models * 4 * 60 + run.final("again"))


def test_ranks_learn(runs: list[Run]) -> None:
    """A weak mark: on busy cores one rank may end before the other begins, and then averages with untrained models."""
    for run in runs[:3]:
        assert run.final("train_accuracy") > 0.3
        assert run.final("own_steps") == 60
