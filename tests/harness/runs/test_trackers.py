"""What trackers hold after sessions: read back from the event files of TensorBoard and the folder of MLflow."""

from __future__ import annotations

import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness.runs import trackers
from reproductions.harness.runs.trackers import Hand, Ledger, called, check
from tests.harness.toy_experiments import Toy
from tests.harness.toy_session import SLOW, Session

TOY = Toy("", 1.0, 3)
KEY = "0123456789abcdef"


def log(folder: Path, *steps: int, done: bool = False) -> None:
    """Leave metrics as a rank does."""
    ledger = Ledger(folder / f"metrics-{KEY}")
    for step in steps:
        ledger.log(step, {"loss": 1 / step, "lr": 0.5})
    if done:
        ledger.done()


def folders(root: Path) -> list[Path]:
    """Return a results folder, and the exchange folders of two launches."""
    made = [root / name for name in ("results", "first", "second")]
    for each in made:
        each.mkdir()
    return made


def events(results: Path) -> dict[str, list[tuple[int, float]]]:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = (results / "tensorboard").iterdir()
    assert run.name == called(KEY, TOY) == "Toy-seed3-01234567"
    read: Any = EventAccumulator(str(run))
    read.Reload()
    assert "parameters/text_summary" in read.Tags()["tensors"]
    return {name: [(each.step, each.value) for each in read.Scalars(name)] for name in read.Tags()["scalars"]}


def test_tensorboard_has_every_step_once_also_after_a_stop(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    results, first, second = folders(tmp_path)
    hand = Hand("tensorboard", results)
    log(first, 1, 2)
    hand.over(first, {KEY: TOY})
    assert events(results)["loss"] == [(1, 1.0), (2, 0.5)]  # as they come
    log(first, 4)
    hand.over(first, {KEY: TOY}, last=True)
    again = Hand("tensorboard", results)  # of another session, which goes on from a checkpoint after step 2
    log(second, 4, 8, done=True)
    again.over(second, {KEY: TOY}, last=True)
    assert events(results) == {
        "loss": [(1, 1.0), (2, 0.5), (4, 0.25), (8, 0.125)],
        "lr": [(step, 0.5) for step in (1, 2, 4, 8)],
    }


def test_mlflow_has_one_run_that_goes_on_and_then_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    for name in trackers.MLFLOW:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    results, first, second = folders(tmp_path)
    log(first, 1, 2)
    Hand("mlflow", results).over(first, {KEY: TOY}, last=True)
    assert [run.info.status for run in _mlflow(results)] == ["KILLED"]
    log(second, 4, done=True)
    Hand("mlflow", results).over(second, {KEY: TOY}, last=True)
    (run,) = _mlflow(results)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "Toy-seed3-01234567"
    assert run.data.params["seed"] == "3"
    assert run.data.params["experiment"] == "Toy"
    history = _client(results).get_metric_history(run.info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(1, 1.0), (2, 0.5), (4, 0.25)]
    for name in trackers.MLFLOW:
        os.environ.pop(name, None)


def _client(results: Path) -> Any:
    tracking: Any = importlib.import_module("mlflow.tracking")
    return tracking.MlflowClient((results / "mlruns").as_uri())


def _mlflow(results: Path) -> list[Any]:
    client = _client(results)
    found = client.search_runs([client.get_experiment_by_name("reproductions").experiment_id])
    return [client.get_run(run.info.run_id) for run in found]


class Faulty:
    """A tracker whose disk is full at the second step."""

    seen: list[int]

    def __init__(self, folder: Path) -> None:
        self.seen = Faulty.seen = []

    def log(self, key: str, experiment: object, rows: list[tuple[int, object]]) -> None:
        self.seen += [step for step, _ in rows]
        if 2 in self.seen:
            raise OSError("no space\nleft")

    def end(self, key: str, finished: bool) -> None:
        raise AssertionError("it is asked no more")


def test_a_tracker_that_fails_is_told_of_once_and_asked_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setitem(trackers.MAKERS, "mlflow", (Faulty, ""))
    results, first, second = folders(tmp_path)
    hand = Hand("mlflow", results)
    log(first, 1)
    hand.over(first, {KEY: TOY}, last=False)
    log(first, 2, 3, done=True)
    hand.over(first, {KEY: TOY}, last=True)
    log(second, 5, done=True)
    hand.over(second, {KEY: TOY}, last=True)
    assert Faulty.seen == [1, 2, 3]
    assert [str(each.message) for each in recwarn] == ["nothing more goes to mlflow: OSError: no space left"]


def test_half_a_line_waits_for_its_end_and_what_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    seen: list[tuple[int, object]] = []

    class Listening(Faulty):
        def log(self, key: str, experiment: object, rows: list[tuple[int, object]]) -> None:
            seen.extend(rows)

    hand = Hand("mlflow", tmp_path)
    hand.tracker = Listening(tmp_path)
    path = tmp_path / f"metrics-{KEY}"
    text = json.dumps([1, {"loss": float("nan")}]) + "\n" + json.dumps([2, {"loss": 3.0}]) + "\n"
    path.write_text(text[:-9])
    hand.over(tmp_path, {KEY: TOY})
    assert [step for step, _ in seen] == [1]
    path.write_text(text)
    hand.looked = 0.0
    hand.over(tmp_path, {KEY: TOY})
    assert [step for step, _ in seen] == [1, 2]
    Ledger(tmp_path / "missing" / "metrics").log(1, {"loss": 1.0})


def test_a_session_hands_on_what_its_runs_log(tmp_path: Path) -> None:
    accumulator: Any = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    session = Session(tmp_path)
    session.write_test(SLOW)
    done = session.run(str(session.paper), "--log-to", "tensorboard")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for folder in (session.results / "tensorboard").iterdir():
        read = accumulator.EventAccumulator(str(folder))
        read.Reload()
        (found[folder.name[:9]],) = [(each.step, round(each.value, 6)) for each in read.Scalars("loss")]
    assert found == {f"Toy-seed{seed}": (1, 1.0 + seed / 1000) for seed in range(4)}


def test_a_library_that_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    sentence = "is 'mlflow', which is not installed: pip install 'distributed-sgd-reproductions[mlflow]'"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check("mlflow")
