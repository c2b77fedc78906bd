"""The walls of pyproject.toml hold, and fall when somebody climbs over them."""

from __future__ import annotations

import re
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


def broken(project: Path) -> dict[str, str]:
    """Return what is said of the contracts that do not hold, by name."""
    command = [LINTER, "--no-cache"]
    done = subprocess.run(command, cwd=project, env={"COLUMNS": "200"}, capture_output=True, text=True, check=False)
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    names = [line.split(" BROKEN")[0] for line in done.stdout.splitlines() if " BROKEN" in line]
    said = done.stdout.partition("\nBroken contracts\n")[2]
    parts = re.split(r"^(\S.*)\n-{5,}\n", said, flags=re.MULTILINE)[1:]  # headings and what follows them
    return {name: parts[parts.index(name) + 1] for name in names}


def test_the_walls_hold(project: Path) -> None:
    assert broken(project) == {}


ALGORITHMS = "Algorithms know nothing of their reproductions"
APART = "The algorithms of a paper know nothing of those of another"
ROOMS = "Each paper has a room of its own"
WORKLOADS = "Workloads and experiments know of the harness only what an experiment and its context are"
CARRIES = "What carries runs knows no experiment, no verdict and no paper"
JUDGES = "What judges and what shows starts no runs"
CIRCLES = "No circles"
GUARDED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from algorithms.clustersgd import adversaries"
CLIMBS = {  # what is written into modules, and the wall that falls by which import
    "low": [
        ("algorithms/rps/averaging", "from algorithms.coopsgd import elastic", APART,
         "algorithms.rps.averaging -> algorithms.coopsgd.elastic"),
        ("reproductions/rps/recipes", "from reproductions.coopsgd import recipes", ROOMS,
         "reproductions.rps.recipes -> reproductions.coopsgd.recipes"),
        ("reproductions/workloads/base", "from reproductions.harness.runs.store import Run", WORKLOADS,
         "reproductions.workloads.base -> reproductions.harness.runs.store"),
        ("reproductions/experiments/engine", "from reproductions.harness import figures", WORKLOADS,
         "reproductions.experiments.engine -> reproductions.harness.figures"),
        ("reproductions/harness/session", "from reproductions.harness import time_limit", CIRCLES,
         ".time_limit -> .session"),  # the way back
    ],
    "high": [
        ("algorithms/world", "from reproductions.workloads.base import Task", ALGORITHMS,
         "algorithms.world -> reproductions.workloads.base"),
        ("reproductions/harness/runs/ranks", "from reproductions.experiments import training", CARRIES,
         "reproductions.harness.runs.ranks -> reproductions.experiments.training"),
        ("reproductions/harness/runs/store", "from reproductions.harness.verdicts import claims", CARRIES,
         "reproductions.harness.runs.store -> reproductions.harness.verdicts.claims"),
        ("reproductions/report/site", "from reproductions.harness import terminal", JUDGES,
         "reproductions.report.site -> reproductions.harness.terminal"),
        ("algorithms/clustersgd/scheduler", GUARDED, CIRCLES, ".scheduler -> .adversaries"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("climbs", CLIMBS.values(), ids=CLIMBS)
def test_a_wall_that_somebody_climbs_over_falls(project: Path, climbs: list[tuple[str, str, str, str]]) -> None:
    for module, statement, _, _ in climbs:
        path = project / f"{module}.py"
        path.write_text(f"{path.read_text()}\n{statement}\n")
    found = broken(project)
    assert found.keys() == {wall for _, _, wall, _ in climbs}
    for _, _, wall, by in climbs:
        assert f" {by} (" in found[wall]
