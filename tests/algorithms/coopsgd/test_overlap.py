"""What goes wrong in the background comes out in the foreground, soon, and leaves nothing behind."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from algorithms.coopsgd.elastic import elastic
from algorithms.coopsgd.overlap import Overlap
from algorithms.world import World
from reproductions.harness.runs.launcher import RanksFailed, launch
from tests.harness.runs.test_launcher import assert_nothing_left

FALL = r"(?s)rank {} of 3 raised.*RuntimeError: the worker fell off the table"
FAULTS = {
    "raise while the own thread waits": FALL.format(1),
    "raise while other threads wait": FALL.format(0),
    "raise in the thread": r"(?s)rank 2 of 3 raised.*in _update.*TypeError: 'NoneType' object is not callable",
    "die while other threads wait": r"3 ranks ended with code [1-9]",
}
LATER = ("raise in the thread", "die while other threads wait")


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=pytest.mark.slow if what in LATER else []) for what in FAULTS]
)
def test_a_fault_ends_the_launch_with_its_traceback(what: str, tmp_path: Path) -> None:
    (tmp_path / "what").write_text(what)
    start = time.monotonic()
    with pytest.raises(RanksFailed, match=FAULTS[what]):
        launch("tests.algorithms.coopsgd.overlap_ranks", tmp_path, 3, 60.0)
    assert_nothing_left(tmp_path)
    started = max(path.stat().st_mtime for path in tmp_path.glob("pid-*"))
    assert time.time() - started < 10, f"{time.monotonic() - start:.1f} s in all"


@pytest.mark.parametrize("surfaces", ["mix", "settle"])
def test_an_error_of_the_thread_is_raised_in_the_foreground(surfaces: str, monkeypatch: pytest.MonkeyPatch) -> None:
    overlap, x = Overlap(World(None, 3), elastic(np.eye(2), 0.3), 1), torch.zeros(3, 10)
    overlap.mix(x)
    overlap.settle()

    def broken(*arguments: object) -> None:
        raise RuntimeError("the thread broke")

    monkeypatch.setattr(overlap.side, "combine", broken)
    overlap.mix(x)
    with pytest.raises(RuntimeError, match="the thread broke"):
        overlap.mix(x) if surfaces == "mix" else overlap.settle()
