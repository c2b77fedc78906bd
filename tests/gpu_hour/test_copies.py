"""Copies: whole at any time, of bounded size, and what a fresh machine goes on from."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from reproductions.gpu_hour import copies, state
from reproductions.gpu_hour.copies import MIB, restore, save
from reproductions.gpu_hour.state import HourState
from reproductions.harness.runs.checkpoints import Checkpoints, contents, fraction
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.store import RunStore
from reproductions.report.errors import ReportError

SETTINGS = {"scale": "smoke", "device": "cpu", "precision": "float32"}


class Died(BaseException):
    pass


class Nothing(Experiment):
    workers = 1

    def execute(self, context: Any) -> None:
        pass


def advance(work: Path, step: int) -> None:
    """Do what sessions do: finish a run, get a checkpoint further, decide a claim, draw a figure."""
    results = work / "results"
    frame = pd.DataFrame({"step": [step], "metric": ["loss"], "value": [step / 7]})
    RunStore(results / "runs").save(f"run{step}", frame, {"ranks": 1})
    Checkpoints(results / "runs" / "begun.checkpoint").save(step, 9, range(2), {"x": torch.full((2, 3), step)}, step)
    (results / "smoke").mkdir(exist_ok=True)
    (results / "smoke" / "verdicts.json").write_text(f"verdicts {step}")
    (results / "smoke" / ".draft").write_text("of a session that is at work")


def seen(out: Path, work: Path) -> int:
    """Return how far a machine is that goes on from a copy, which has to be whole."""
    found = state.read(out)
    assert found
    restore(out, work, found)
    results = work / "results"
    far = int((results / "smoke" / "verdicts.json").read_text().split()[1])
    x = torch.zeros(2, 3)
    assert Checkpoints(results / "runs" / "begun.checkpoint").load(range(2), {"x": x}) == (far, far)
    assert (x == far).all()
    for step in range(1, far + 1):
        run = RunStore(results / "runs").load(f"run{step}", Nothing())
        assert run is not None
        assert run.final("loss") == step / 7
    assert not (results / "smoke" / ".draft").exists()
    return far


@pytest.mark.fault("copies of a plan")
@pytest.mark.parametrize("half", [False, True])
def test_a_kill_at_any_operation_of_a_copy_leaves_the_one_before_or_this(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    left = {"calls": 10**6}

    def guarded(operation: Callable[..., Any], begun: Callable[..., Any] = lambda *_: None) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left["calls"] -= 1
            if left["calls"] < 0:
                begun(*arguments)
                raise Died
            return operation(*arguments, **named)

        return call

    def write_half(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2 if half else 0])

    monkeypatch.setattr(copies, "VOLUME", 1000)  # several
    advance(tmp_path / "work", 1)
    now = HourState(settings=SETTINGS)
    save(tmp_path / "work", tmp_path / "out", now, MIB)
    ends = []
    monkeypatch.setattr(os, "replace", guarded(os.replace))
    monkeypatch.setattr(Path, "write_bytes", guarded(Path.write_bytes, write_half))
    monkeypatch.setattr(Path, "unlink", guarded(Path.unlink))
    for calls in range(100):
        left["calls"] = 10**6
        work, out = tmp_path / f"work-{calls}", tmp_path / f"out-{calls}"
        restore(tmp_path / "out", work, now := state.read(tmp_path / "out") or now)
        save(work, out, now, MIB)
        advance(work, 2)
        left["calls"] = calls
        try:
            save(work, out, now, MIB)
        except Died:
            left["calls"] = 10**6
            ends.append(seen(out, tmp_path / "fresh"))
        else:
            break
    left["calls"] = 10**6
    assert ends == sorted(ends)
    assert set(ends) == {1, 2}
    assert seen(out, tmp_path / "fresh") == 2
    assert {path.name for path in out.iterdir()} == {"state.json", *(state.read(out) or now).volumes}


def test_a_copy_goes_on_after_a_kill_without_what_was_left(tmp_path: Path) -> None:
    advance(tmp_path / "work", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kept-9.tgz.draft").write_text("left")
    (tmp_path / "out" / "data").mkdir()
    save(tmp_path / "work", tmp_path / "out", HourState(settings=SETTINGS), MIB)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"state.json", "kept-1.tgz.00", "data"}


def test_what_does_not_fit_is_left_out_by_name_checkpoints_first(tmp_path: Path) -> None:
    advance(tmp_path / "work", 1)
    large = tmp_path / "work" / "results" / "runs" / "large.checkpoint"
    Checkpoints(large).save(1, 2, range(1), {"x": torch.rand(1, 300_000)}, None)
    now = HourState(settings=SETTINGS)
    save(tmp_path / "work", tmp_path / "out", now, MIB)
    assert now.left_out == ["the checkpoint large (1.1 MiB)"]
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) < MIB
    assert seen(tmp_path / "out", tmp_path / "fresh") == 1
    save(tmp_path / "work", tmp_path / "out", now, 2 * MIB)
    restore(tmp_path / "out", tmp_path / "fresh", state.read(tmp_path / "out") or now)
    assert fraction(tmp_path / "fresh" / "results" / "runs" / "large.checkpoint") == 0.5
    save(tmp_path / "work", tmp_path / "out", now, 1)
    assert len(now.left_out) == 4


@pytest.mark.fault("copies of a plan")
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_a_damaged_copy_is_named_and_changes_nothing(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    advance(tmp_path / "work", 1)
    now = HourState(settings=SETTINGS)
    save(tmp_path / "work", tmp_path / "out", now, MIB)
    damage(tmp_path / "out" / "kept-1.tgz.00")
    found = state.read(tmp_path / "out")
    assert found
    with pytest.raises(ReportError, match=r"kept-1\.tgz\.00 is missing or damaged"):
        restore(tmp_path / "out", tmp_path / "work", found)
    assert fraction(tmp_path / "work" / "results" / "runs" / "begun.checkpoint") == 1 / 9


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_that_of_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, step = tmp_path / "run.checkpoint", iter(range(2, 5))
    Checkpoints(folder).save(1, 9, range(1), {"x": torch.ones(1)}, None)
    read = Path.read_bytes

    def meanwhile(path: Path) -> bytes:
        if path.suffix == ".pt" and (new := next(step, None)):
            monkeypatch.setattr(Path, "read_bytes", read)
            Checkpoints(folder).save(new, 9, range(1), {"x": torch.full((1,), new)}, None)
            monkeypatch.setattr(Path, "read_bytes", meanwhile)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", meanwhile)
    assert {path.relative_to(folder).as_posix() for path in contents(folder)} == {"latest.json", "step-4/workers-0.pt"}


def test_a_damaged_checkpoint_is_not_copied(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "run.checkpoint").save(1, 9, range(1), {"x": torch.ones(1)}, None)
    next(tmp_path.rglob("*.pt")).write_bytes(b"?")
    assert contents(tmp_path / "run.checkpoint") == {}
    assert contents(tmp_path / "nothing") == {}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", ["../outside", "/outside", "link"])
def test_a_copy_that_would_write_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: bool
) -> None:
    hostile = io.BytesIO()
    with tarfile.open(fileobj=hostile, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = (tarfile.SYMTYPE, "..") if name == "link" else (tarfile.REGTYPE, "")
        archive.addfile(member)
    if old:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)  # Python before 3.11.4
    advance(tmp_path / "work", 1)
    now = HourState(settings=SETTINGS)
    monkeypatch.setattr(copies, "_packed", lambda *_: (hostile.getvalue(), []))
    save(tmp_path / "work", tmp_path / "out", now, MIB)
    with pytest.raises(ReportError, match=r"in the copy is no plain file inside of it"):
        restore(tmp_path / "out", tmp_path / "work", state.read(tmp_path / "out") or now)
    assert (tmp_path / "work" / "results" / "smoke" / "verdicts.json").exists()
