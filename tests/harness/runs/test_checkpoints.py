"""Files of checkpoints: there whole or not at all, and what is damaged is not used."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from algorithms.network import Traffic
from reproductions.harness.runs import checkpoints
from reproductions.harness.runs.checkpoints import Checkpoints, DamagedError, fraction
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.deadline import OutOfTime
from tests.harness.runs.test_resume import RUN, Killed, log, whole


def test_checkpoint_of_several_ranks_is_read_by_one(tmp_path: Path) -> None:
    class OfTwo:
        """Gathers as rank 0 of two would, whose peer has written already."""

        files: ClassVar[list[tuple[str, str]]] = []

        def gather(self, file: tuple[str, str]) -> list[tuple[str, str]]:
            self.files.append(file)
            return self.files

        def Barrier(self) -> None:
            pass

    rows, comm = torch.arange(8.0).view(4, 2), OfTwo()
    for workers in (range(2, 4), range(2)):
        part = rows[workers.start : workers.stop]
        Checkpoints(tmp_path, comm).save(1, 2, workers, {"x": part}, workers.start)  # type: ignore[arg-type]
    restored = torch.zeros(4, 2)
    assert Checkpoints(tmp_path).load(range(4), {"x": restored}) == (1, 0)
    assert torch.equal(restored, rows)


@pytest.mark.fault("checkpoints")
def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before_or_this(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the file operation at which the process ends."""
    calls = {"left": 0}

    def guarded(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            calls["left"] -= 1
            if calls["left"] < 0:
                raise Killed
            return operation(*arguments, **named)

        return call

    monkeypatch.setattr(checkpoints.os, "replace", guarded(checkpoints.os.replace))
    monkeypatch.setattr(checkpoints.shutil, "rmtree", guarded(checkpoints.shutil.rmtree))
    monkeypatch.setattr(Path, "write_bytes", guarded(Path.write_bytes))
    found = []
    for survived in range(7):
        folder = tmp_path / str(survived)
        calls["left"] = 1000
        Checkpoints(folder).save(1, 9, range(4), {"x": torch.full((4, 2), 1.0)}, 1)
        calls["left"] = survived
        with contextlib.suppress(Killed):
            Checkpoints(folder).save(2, 9, range(4), {"x": torch.full((4, 2), 2.0)}, 2)
        calls["left"] = 1000
        restored = torch.zeros(4, 2)
        step, kept = Checkpoints(folder).load(range(4), {"x": restored}) or (0, None)
        assert restored.eq(step).all()
        assert kept == step
        found.append(step)
    assert found == [1, 1, 1, 1, 2, 2, 2]


def _truncate(folder: Path) -> None:
    path = next(folder.glob("step-*/*.pt"))
    path.write_bytes(path.read_bytes()[:-100])


def _flip(folder: Path) -> None:
    path = next(folder.glob("step-*/*.pt"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": _truncate,
    "flipped": _flip,
    "removed": lambda folder: next(folder.glob("step-*/*.pt")).unlink(),
    "schema": lambda folder: (folder / "latest.json").write_text('{"schema": 0, "step": 2}'),
    "no json": lambda folder: (folder / "latest.json").write_text("{"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.fault("checkpoints")
def test_a_damaged_checkpoint_begins_its_run_anew_with_a_warning(tmp_path: Path, damage: str) -> None:
    with pytest.raises(OutOfTime):
        RUN.execute(Context(checkpoints=tmp_path, deadline=0.0))
    DAMAGES[damage](tmp_path)
    warned: list[str] = []
    assert log(RUN, Context(checkpoints=tmp_path, on_warning=warned.append)) == whole(RUN)
    assert len(warned) == 1
    assert "is damaged and its run begins anew" in warned[0]


class Hostile:
    """What runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("where", ["kept", "rows"])
@pytest.mark.fault("checkpoints")
def test_a_checkpoint_runs_no_code(tmp_path: Path, where: str) -> None:
    folder, mark = tmp_path / "run", tmp_path / "mark"
    path = folder / "step-1" / "workers-0.pt"
    path.parent.mkdir(parents=True)
    state = {"workers": [0], "rows": {"x": torch.ones(1, 2)}, "kept": None} | {where: Hostile(mark)}
    digest = checkpoints._write(path, state)
    latest = {"schema": 1, "run": folder.name, "step": 1, "of": 2, "files": {path.name: digest}}
    (folder / "latest.json").write_text(json.dumps(latest))
    with pytest.raises(DamagedError, match="weights_only"):
        Checkpoints(folder).load(range(1), {"x": torch.zeros(1, 2)})
    assert not mark.exists()
    torch.load(path, weights_only=False)  # it would have
    assert mark.exists()


@pytest.mark.fault("checkpoints")
def test_the_checkpoint_of_another_run_begins_this_one_anew(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "a").save(1, 2, range(1), {"x": torch.ones(1, 2)}, None)
    (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(DamagedError, match="none of this run"):
        Checkpoints(tmp_path / "b").load(range(1), {"x": torch.zeros(1, 2)})
    assert fraction(tmp_path / "b") == 0.0


def test_a_checkpoint_that_names_no_run_is_none(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "a").save(1, 2, range(1), {"x": torch.ones(1, 2)}, [Traffic(3), 1.5])
    step, (traffic, seconds) = Checkpoints(tmp_path / "a").load(range(1), {"x": torch.zeros(1, 2)}) or (0, (None, 0))
    assert (step, traffic.workers, traffic.sent_bytes.tolist(), seconds) == (1, 3, [0, 0, 0], 1.5)
    path = tmp_path / "a" / "latest.json"
    document = json.loads(path.read_text())
    document.pop("run")
    path.write_text(json.dumps(document))
    with pytest.raises(DamagedError, match="none of this run"):
        Checkpoints(tmp_path / "a").load(range(1), {"x": torch.zeros(1, 2)})


@pytest.mark.parametrize(
    "change", [{"of": 0}, {"step": "1"}, {"step": 10**400}, {"files": {"../x.pt": ""}}, {"files": []}, {"schema": 2}]
)
@pytest.mark.fault("checkpoints")
def test_a_document_of_wrong_types_is_no_checkpoint(tmp_path: Path, change: dict[str, Any]) -> None:
    Checkpoints(tmp_path).save(1, 2, range(1), {"x": torch.ones(1, 2)}, None)
    path = tmp_path / "latest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert fraction(tmp_path) == 0.0
    with pytest.raises(DamagedError, match="none of this run"):
        Checkpoints(tmp_path).load(range(1), {"x": torch.zeros(1, 2)})


@pytest.mark.fault("checkpoints")
def test_rows_that_do_not_fit_are_damage_and_restore_nothing(tmp_path: Path) -> None:
    Checkpoints(tmp_path).save(1, 2, range(4), {"x": torch.ones(4, 2), "y": torch.ones(4, 3)}, None)
    restored = {"x": torch.zeros(4, 2), "y": torch.zeros(4, 5)}
    with pytest.raises(DamagedError, match="y of worker 0 is of shape"):
        Checkpoints(tmp_path).load(range(4), restored)
    assert not restored["x"].any()
    with pytest.raises(DamagedError, match="KeyError: 4"):
        Checkpoints(tmp_path).load(range(5), {"x": torch.zeros(5, 2)})


def test_files_hold_tensors_of_the_cpu(tmp_path: Path) -> None:
    class OnAnotherDevice:
        def cpu(self) -> Tensor:
            return torch.ones(1, 2)

    Checkpoints(tmp_path).save(1, 2, range(1), {"x": OnAnotherDevice()}, None)  # type: ignore[dict-item]
    state = torch.load(tmp_path / "step-1" / "workers-0.pt", weights_only=False)
    assert torch.equal(state["rows"]["x"], torch.ones(1, 2))
