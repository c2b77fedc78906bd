"""Stored runs: what is there is the run of its key, whole and unchanged, or it is made again."""

import json
import multiprocessing
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest

from reproductions.harness.runs.provenance import provenance
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run, RunStore
from reproductions.harness.session import Session
from reproductions.harness.verdicts.claims import load_claims
from reproductions.harness.verdicts.record import open_verdict
from reproductions.harness.verdicts.statistics import within
from reproductions.harness.verdicts.verdict import Decider
from tests.harness.toy_experiments import Toy
from tests.harness.toy_session import TOY as TOY_PAPER

FRAME = pd.DataFrame({"step": [1, 2], "metric": ["loss", "loss"], "value": [1.0, 0.5]})
TOY = Toy("", 1.0, 0)


def stored(folder: Path, key: str = "a", frame: pd.DataFrame = FRAME) -> RunStore:
    store = RunStore(folder)
    store.save(key, frame, provenance() | {"ranks": 2, "seconds": 1.5, "workload": "digits"})
    return store


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "a" / "run.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_a_run_is_read_as_it_was_stored(tmp_path: Path) -> None:
    run = stored(tmp_path).load("a", TOY)
    assert run is not None
    assert run.frame.equals(FRAME)
    assert (run.provenance["ranks"], run.provenance["workload"]) == (2, "digits")


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "schema": (lambda record: record.update(schema=2), "schema"),
    "digest": (lambda record: record.update(sha256="0" * 64), "was changed after"),
    "no digest": (lambda record: record.pop("sha256"), "sha256"),
    "key": (lambda record: record.update(key="b"), "it is the run b"),
    "no key": (lambda record: record.pop("key"), "key"),
    "null key": (lambda record: record.update(key=None) or record["provenance"].update(workload="cifar10"), "key"),
    "no digest of all": (lambda record: record.pop("whole"), "whole"),
    "null digest of all": (lambda record: record.update(whole=None), "whole"),
    "provenance": (lambda record: record["provenance"].update(workload="cifar10"), "was changed after"),
    "no provenance": (lambda record: record.pop("provenance"), "provenance"),
    "ranks": (lambda record: record["provenance"].update(ranks="2"), "ranks"),
    "no ranks": (lambda record: record["provenance"].pop("ranks"), "ranks"),
}


@pytest.mark.parametrize(("change", "sentence"), EDITS.values(), ids=EDITS)
@pytest.mark.fault("stored runs")
def test_an_edited_record_is_no_run(tmp_path: Path, change: Callable[[dict[str, Any]], object], sentence: str) -> None:
    store = stored(tmp_path)
    edit(tmp_path, change)
    with pytest.warns(UserWarning, match=f"the stored run a is damaged and will be made again: .*{sentence}"):
        assert store.load("a", TOY) is None


@pytest.mark.parametrize("text", ["null", "[]", '"text"', "", "{", "1", "[" * 100_000, "\udcff"])
@pytest.mark.fault("stored runs")
def test_what_is_no_record_is_no_run(tmp_path: Path, text: str) -> None:
    store = stored(tmp_path)
    (tmp_path / "a" / "run.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.warns(UserWarning, match="will be made again"):
        assert store.load("a", TOY) is None


@pytest.mark.fault("stored runs")
def test_the_run_of_another_key_is_no_run(tmp_path: Path) -> None:
    store = stored(tmp_path)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with pytest.warns(UserWarning, match="it is the run a"):
        assert store.load("b", TOY) is None


@pytest.mark.fault("stored runs")
def test_a_frame_of_another_run_is_no_frame(tmp_path: Path) -> None:
    store = stored(tmp_path)
    stored(tmp_path, "b", FRAME.assign(value=0.25))
    shutil.copy(tmp_path / "b" / "frame.parquet", tmp_path / "a" / "frame.parquet")
    with pytest.warns(UserWarning, match="its checksum does not match"):
        assert store.load("a", TOY) is None


@pytest.mark.parametrize("frame", [FRAME.assign(value="high"), FRAME.drop(columns="metric"), FRAME.assign(more=1)])
@pytest.mark.fault("stored runs")
def test_a_frame_without_metrics_is_no_frame(tmp_path: Path, frame: pd.DataFrame) -> None:
    with pytest.warns(UserWarning, match="will be made again"):
        assert stored(tmp_path, frame=frame).load("a", TOY) is None


@pytest.mark.parametrize("name", ["run.json", "frame.parquet"])
@pytest.mark.fault("stored runs")
def test_links_that_lead_nowhere_are_no_run(tmp_path: Path, name: str) -> None:
    store, path = stored(tmp_path), tmp_path / "a" / name
    path.unlink()
    path.symlink_to(path.name)
    with pytest.warns(UserWarning, match="will be made again"):
        assert store.load("a", TOY) is None


@pytest.mark.parametrize(
    ("losses", "diverged"),
    [([1.0, 0.5], False), ([1.0, 3.8e30], True), ([1.0, float("nan")], True), ([1.0, -float("inf")], True)],
)
def test_a_run_whose_loss_left_all_bounds_diverged(losses: list[float], diverged: bool) -> None:
    frame = FRAME.assign(value=losses)
    assert Run(TOY, frame, {}).diverged == diverged
    assert not Run(TOY, frame.assign(metric="seconds"), {}).diverged
    session = Session(Settings(), cast(Any, None))
    for _ in range(2):
        session.name_diverged([Run(TOY, frame, {}), Run(TOY, FRAME, {})])
    named = f"1 of 2 runs diverged, as {TOY!r}"
    assert session.notes == ([named] if diverged else [])


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([1.0, 3.8e30, 2.0], "1 of 2 runs diverged, as Toy(marks='', mean=1.0, seed=0, seconds=0.0, fault=''): more"),
        ([3.8e30, 3.9e30, 4e30], "from 3 seeds; 1 of 2 runs diverged, as Toy("),
    ],
)
def test_a_verdict_names_the_runs_that_diverged_and_asks_for_no_seeds(samples: list[float], reason: str) -> None:
    claim = load_claims(TOY_PAPER / "claims.yaml")["toy-number"]
    decider = Decider(claim, open_verdict(claim, "small", "t"))
    runs = [Run(TOY, FRAME, {"ranks": 1}), Run(TOY, FRAME.assign(value=3.8e30), {"ranks": 1})]
    with pytest.raises((pytest.skip.Exception, pytest.fail.Exception)):
        decider.decide(within(samples, 0.0, 3.0), runs=runs)
    assert reason in decider.verdict.reason
    assert not re.search(r"\d seeds would decide", decider.verdict.reason)


def _save_often(folder: Path, faults: Any) -> None:
    for _ in range(100):
        try:
            stored(folder)
        except OSError as error:
            faults.put(str(error))


@pytest.mark.fault("stored runs")
def test_two_sessions_that_save_one_key_at_once_do_not_fail(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    faults = context.Queue()
    writers = [context.Process(target=_save_often, args=(tmp_path, faults)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert faults.empty()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RunStore(tmp_path).load("a", TOY) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
