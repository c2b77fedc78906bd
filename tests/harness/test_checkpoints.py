"""Files of checkpoints: there whole or not at all, and what is damaged is not used."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from reproductions.harness import checkpoints
from reproductions.harness.checkpoints import Checkpoints, DamagedError
from reproductions.harness.context import Context
from reproductions.harness.deadline import OutOfTime
from tests.harness.test_resume import RUN, Killed, log, whole


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
def test_a_damaged_checkpoint_begins_its_run_anew_with_a_warning(tmp_path: Path, damage: str) -> None:
    with pytest.raises(OutOfTime):
        RUN.execute(Context(checkpoints=tmp_path, deadline=0.0))
    DAMAGES[damage](tmp_path)
    warned: list[str] = []
    assert log(RUN, Context(checkpoints=tmp_path, on_warning=warned.append)) == whole(RUN)
    assert len(warned) == 1
    assert "is damaged and its run begins anew" in warned[0]


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
