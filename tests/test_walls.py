"""The walls of pyproject.toml hold, and fall when somebody climbs over them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINTER = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the source."""
    for name in ("algorithms", "reproductions"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(project: Path) -> list[str]:
    """Return the contracts that do not hold."""
    command = [LINTER, "--no-cache"]
    done = subprocess.run(command, cwd=project, env={"COLUMNS": "200"}, capture_output=True, text=True, check=False)
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    return [line.split(" BROKEN")[0] for line in done.stdout.splitlines() if " BROKEN" in line]


def test_the_walls_hold(project: Path) -> None:
    assert broken(project) == []


@pytest.mark.parametrize(
    ("module", "statement", "wall"),
    [
        ("algorithms/world", "from reproductions.workloads.base import Task", "Algorithms know nothing"),
        ("algorithms/rps/averaging", "from algorithms.coopsgd import elastic", "The algorithms of a paper"),
        ("reproductions/rps/recipes", "from reproductions.coopsgd import recipes", "Each paper has a room"),
        ("reproductions/workloads/base", "from reproductions.harness.runs.store import Run", "Workloads and exp"),
        ("reproductions/experiments/engine", "from reproductions.harness import figures", "Workloads and exp"),
        ("reproductions/harness/runs/ranks", "from reproductions.experiments import training", "What carries runs"),
        ("reproductions/harness/runs/store", "from reproductions.harness.verdicts import claims", "What carries runs"),
        ("reproductions/report/site", "from reproductions.harness import terminal", "What judges and what shows"),
        ("reproductions/harness/session", "from reproductions.harness import time_limit", "No circles"),
        (
            "algorithms/clustersgd/scheduler",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from algorithms.clustersgd import adversaries",
            "No circles",
        ),
    ],
)
def test_a_wall_that_somebody_climbs_over_falls(project: Path, module: str, statement: str, wall: str) -> None:
    path = project / f"{module}.py"
    path.write_text(f"{path.read_text()}\n{statement}\n")
    assert any(name.startswith(wall) for name in broken(project))
