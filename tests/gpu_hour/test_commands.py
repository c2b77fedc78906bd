"""Commands of a plan in processes of their own: cut off and gone on with on another machine, stopped by a proof."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from reproductions.experiments.training import Training
from reproductions.gpu_hour import plan
from reproductions.gpu_hour.plan import PartKind
from tests.gpu_hour.toys import Halting, Slow, Toys, expected, outcomes, rows, trained, variables
from tests.harness.toy_session import ROOT


def came_back(out: Path, to: Path) -> Path:
    """Move what a machine left in OUT elsewhere, as when it comes back."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.move(out, to)
    return to


def unpacked(out: Path) -> Path:
    """Return the results in a copy, as any tar program unpacks them."""
    (out / "unpacked").mkdir(exist_ok=True)
    for volume in out.glob("kept-*"):
        subprocess.run(["tar", "-xzf", volume, "-C", out / "unpacked"], check=True)
    return out / "unpacked"


@pytest.mark.slow
def test_a_plan_that_is_cut_off_goes_on_on_another_machine_to_the_same_bits(tmp_path: Path) -> None:
    toys = Toys(tmp_path / "toys", epochs=2)
    first = toys.run(tmp_path / "out", tmp_path / "work")
    assert first.returncode == 75, first.stdout + first.stderr
    came = came_back(tmp_path / "out", tmp_path / "came")
    assert outcomes(came) == {"engine": "done", "one-seeds1": "more", "two-seeds1": "done"}
    second = toys.run(tmp_path / "out", tmp_path / "other", "--from", str(came))
    assert second.returncode == 0, second.stdout + second.stderr
    assert re.findall(r"^(\S+): done", second.stdout, re.MULTILINE) == ["engine", "one-seeds1"], "proved once a machine"
    results = unpacked(tmp_path / "out")
    assert rows(results) == expected([partial(trained, Halting, 0.9, 2), partial(trained, Training, 0.8, 2)], 1)
    for name in ("one", "two"):
        assert {path.suffix for path in (results / "smoke" / name).iterdir()} == {".svg", ".csv", ".json"}
    assert (results / "smoke" / "verdicts.json").is_file()
    assert (results / "logs" / "one-seeds1.log").is_file()


def test_after_a_failed_proof_no_figure_is_run(tmp_path: Path) -> None:
    toys, out, work = Toys(tmp_path / "toys"), tmp_path / "out", tmp_path / "work"
    done = toys.run(out, work, TOY_ENGINE="wrong")
    assert done.returncode == 1
    assert "engine: failed" in done.stdout
    assert "FAILED" in done.stdout, "the log says why"
    assert outcomes(out) == {"engine": "failed"}
    assert not (work / "results" / "runs").exists()


def test_the_plan_names_tests_that_are_there_each_figure_with_one_seed_before_any_with_more() -> None:
    parts = plan.load(plan.FILE).parts(tiny=False)
    assert [part.kind for part in parts[:4]] == [PartKind.PROOF, PartKind.PROOF, PartKind.RATES, PartKind.FIGURE]
    assert sum(part.minutes or 0 for part in parts) <= 7  # of the 9.5 of a command
    figures = [part for part in parts if part.kind is PartKind.FIGURE]
    assert [part.arguments[-1] for part in figures] == ["1"] * (len(figures) // 2) + ["3"] * (len(figures) // 2)
    order = [re.sub("-seeds.*", "", part.name) for part in figures[: len(figures) // 2]]
    assert order[:8] == [
        *("rps-figure4b", "rps-figure5a", "rps-figure8", "rps-figure9", "rps-figure10"),
        *("popsgd-figure4", "popsgd-mult", "rps-figure4a"),
    ]
    named = [each for part in parts for each in part.arguments if each.endswith(".py")]
    assert all((ROOT / each).is_file() for each in named)


@pytest.mark.slow
def test_the_whole_plan_at_tiny_size(tmp_path: Path) -> None:
    command = ["gpu-hour", str(tmp_path / "out"), "--tiny", "--work", str(tmp_path / "work"), "--minutes", "60"]
    done = subprocess.run(
        [sys.executable, "-m", "reproductions", *command],
        cwd=ROOT, env=variables(), capture_output=True, text=True, timeout=3600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(outcomes(tmp_path / "out").values()) == {"done"}
    wanted = [part.name for part in plan.load(plan.FILE).parts(tiny=True)]
    assert list(outcomes(tmp_path / "out")) == wanted


# -------------------------------------------------------------------------------------------------------- kills


def killed(command: list[str], seconds: float, **environment: str) -> None:
    """Run a command and kill it, with its session of pytest, after some seconds, or when it kills itself."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=variables(**environment), stdout=subprocess.DEVNULL, start_new_session=True
    )
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):  # it died between two sessions of pytest
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.fault("copies of a plan")
@pytest.mark.parametrize("chance", range(3))
def test_a_plan_that_is_killed_anywhere_goes_on_elsewhere_to_the_same_bits(tmp_path: Path, chance: int) -> None:
    """At random times, and when the n-th file of a copy is half written or not moved into place yet."""
    draw = random.Random(chance)
    toys, came = Toys(tmp_path / "toys", kind="Slow", epochs=6, seeds=(1, 2)), tmp_path / "came"
    for machine in range(4):
        out, earlier = tmp_path / "out", ["--from", str(came)] if came.exists() else []
        command = toys.command(out, tmp_path / f"work-{machine}", *earlier)
        if machine % 2:
            command[1:3] = ["-m", "tests.gpu_hour.dying"]
        killed(command, draw.uniform(5, 40), TOY_DIES=str(draw.randrange(4, 14)))
        if (out / "state.json").exists():
            came_back(out, came)
    done = toys.run(tmp_path / "end", tmp_path / "last", *(["--from", str(came)] if came.exists() else []))
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(unpacked(tmp_path / "end")) == expected(
        [partial(trained, Slow, 0.9, 6), partial(trained, Training, 0.8, 6)], 2
    )
