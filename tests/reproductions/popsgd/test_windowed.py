"""Networks that ranks train through windows: bitwise what a replay makes."""

from pathlib import Path

import pytest

from algorithms.schedule import StepDecay
from reproductions.harness.runner import Runner
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.popsgd.networks import ONE_SIDED, SYMMETRIC
from reproductions.popsgd.training import PopSGD
from reproductions.popsgd.windowed import WindowTraining
from reproductions.workloads.digits import Digits

D = 64 * 32 + 32 + 32 * 10 + 10


def setting(method: PopSGD, momentum: float = 0.0) -> WindowTraining:
    lr = 0.6 if method == ONE_SIDED else 0.3  # half of a reader's step reaches nobody
    return WindowTraining(method, Digits("mlp"), StepDecay(lr), 4, 8, 60, 30, 1, momentum=momentum, replayed=True)


GRID = [setting(ONE_SIDED), setting(SYMMETRIC), setting(ONE_SIDED, 0.5)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Train four nodes on two ranks."""
    folder: Path = tmp_path_factory.mktemp("windowed")
    return Runner(Settings(device="cpu", ranks=2, results=folder, run_timeout=120)).run(GRID)


def test_a_recorded_training_can_be_made_again_bitwise(runs: list[Run]) -> None:
    assert [run.final("differ") for run in runs] == [0, 0, 0]
    assert {run.provenance["ranks"] for run in runs} == {2}


def test_the_ledger_is_exact(runs: list[Run]) -> None:
    for run, models in zip(runs, (1, 2, 1), strict=True):
        assert run.final("sent_bytes") == 4 * D * (models * 4 * 60 + run.final("again"))


def test_ranks_learn(runs: list[Run]) -> None:
    """A weak mark: on busy cores one rank may end before the other begins, and then averages with untrained models."""
    for run in runs:
        assert run.final("train_accuracy") > 0.3
        assert run.final("own_steps") == 60
