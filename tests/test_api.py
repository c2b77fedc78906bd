"""`run` in a script: what it gives and stores, what its own classes do, and one sentence for bad input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import reproductions
from algorithms.rps.averaging import ModelAveraging
from reproductions import api
from reproductions.api import Constant, Digits, Training, load, run
from reproductions.workloads.base import DataError
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.resnet import ResNet
from tests.harness.toy_experiments import Toy

ROOT = Path(__file__).parents[1]
SCRIPT = """
from dataclasses import dataclass

from beside import shift
from reproductions import Experiment, load, run

FACTOR = 2.0


@dataclass(frozen=True)
class Mine(Experiment):
    seed: int

    @property
    def workers(self):
        return 2

    def execute(self, context):
        context.log(context.ranks, {"loss": shift(FACTOR * self.seed)})


first = run(Mine(3), ranks=2)
FACTOR = 5.0
second = run([Mine(seed) for seed in (3, 4)], ranks=2)
FACTOR = 2.0
again = run(Mine(3), ranks=2)
assert first.equals(again)
found = [(row.experiment, row.seed, row.step, row.value) for row in (*first.itertuples(), *second.itertuples())]
print(found, load("results")["run"].nunique())
"""


def test_a_script_without_a_guard_runs_classes_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "beside.py").write_text("def shift(x):\n    return x + 1\n")
    (tmp_path / "scripts" / "script.py").write_text(SCRIPT)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REPRO_")}
    done = subprocess.run(
        [sys.executable, "scripts/script.py"],
        cwd=tmp_path,
        env=inherited | {"PYTHONPATH": str(ROOT), "REPRO_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    wanted = [("Mine", 3, 2, 7.0), ("Mine", 3, 2, 16.0), ("Mine", 4, 2, 21.0)]
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{wanted} 3\n"


def test_what_is_stored_is_not_run_again(tmp_path: Path) -> None:
    toys = [Toy(str(tmp_path), 1.0, seed) for seed in (0, 1)]
    options: dict[str, Any] = {"ranks": 1, "results": tmp_path, "device": "cpu"}
    frame = run(toys, **options)
    assert list(frame["seed"]) == [0, 1]
    assert run(toys, **options).equals(frame)
    assert len((tmp_path / "executed").read_text().splitlines()) == 2
    assert set(load(tmp_path).columns) == set(frame.columns)
    run(toys[0], rerun=True, **options)
    assert len((tmp_path / "executed").read_text().splitlines()) == 3


def training(workload: Any) -> Training:
    return Training(ModelAveraging(), workload, Constant(0.1), nodes=2, batch=8, epochs=1, seed=0)


@pytest.mark.parametrize(
    ("experiment", "options", "kind", "sentence"),
    [
        (training(Digits()), {"ranks": 0}, ValueError, "ranks is '0', but must be a whole number of at least 1"),
        (training(Digits()), {"ranks": -1}, ValueError, "ranks is '-1', but must be a whole number of at least 1"),
        (training(Digits()), {"rank": 2}, TypeError, "run has no option 'rank', only ranks, "),
        (training(Digits()), {"device": "tpu"}, ValueError, "device is 'tpu', but must be one of auto, cpu, cuda"),
        (training(Digits()), {"data": "/no/where"}, ValueError, "data is '/no/where', but there is no such folder"),
        (training(Cifar10(ResNet(20))), {}, DataError, "CIFAR-10 .*name the folder with data= or REPRO_DATA"),
        ("rps", {}, TypeError, "'rps' is not an experiment: run needs a Training"),
        (Training, {}, TypeError, "<class .*Training'> is not an experiment"),
        ([training(Digits()), 3], {}, TypeError, "3 is not an experiment"),
        ([], {}, ValueError, "there is nothing to run: the list of experiments is empty"),
        (training([1]), {}, TypeError, r".* cannot be run: unhashable type: 'list', what it holds has to be frozen"),
        (training((b"",)), {}, TypeError, "an experiment cannot hold b''"),
        (training(Digits()), {"precision": "tf32"}, ValueError, "precision is 'tf32', which needs a GPU"),
        (Toy("", 1.0, 0, fault={"a": 1}), {}, TypeError, ".* cannot be run: unhashable type: 'dict'"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_one_sentence(
    experiment: Any,
    options: dict[str, Any],
    kind: type[Exception],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REPRO_DATA", raising=False)
    with pytest.raises(kind, match=f"^{sentence}") as error:
        run(experiment, **({"results": tmp_path, "device": "cpu"} | options))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_the_environment_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.syspath_prepend(str(ROOT))
    run(Toy(str(tmp_path), 1.0, 0), ranks=1, results=tmp_path, device="cpu")
    assert "PYTHONPATH" not in os.environ


def test_names_of_the_api_are_those_of_the_package() -> None:
    assert reproductions.__all__ == api.__all__
    assert all(getattr(reproductions, name) is getattr(api, name) for name in api.__all__)
    with pytest.raises(ImportError, match="cannot import name 'Trainig' from 'reproductions'"):
        from reproductions import Trainig  # type: ignore[attr-defined]  # noqa: F401
