"""Batch scripts that go back into the queue while the exit code is 75, on a batch system of local processes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from reproductions.harness.runs.deadline import parsed
from tests.cluster.batch import BatchSystem
from tests.harness.test_time_limit import HALTING
from tests.harness.toy_session import ROOT, Session

FOLDER = ROOT / "docs" / "cluster"
SUBMITTED = {"slurm.sh": "sbatch", "pbs.sh": "qsub"}
STUB = """#!/bin/bash
echo "$(printf '[%s]' "$@")" >> "$SEEN"
exit "$(sed -n "$(wc -l < "$SEEN")p" "$CODES")"
"""


def submit(system: BatchSystem, script: str, cwd: Path, arguments: list[str], **environment: str) -> None:
    """Submit a script with arguments for pytest, as its head says."""
    environment |= {"SCRIPT": str(FOLDER / script)}
    if script == "slurm.sh":
        system.submit(cwd, "sbatch", str(FOLDER / script), *arguments, **environment)
    else:
        system.submit(cwd, "qsub", "-V", str(FOLDER / script), ARGUMENTS=shlex.join(arguments), **environment)


@pytest.mark.slow
@pytest.mark.parametrize("script", SUBMITTED)
def test_a_session_that_stops_at_a_checkpoint_goes_on_in_the_next_job(tmp_path: Path, script: str) -> None:
    session, system = Session(tmp_path / "session"), BatchSystem(tmp_path / "system")
    session.write_test(HALTING)
    python, _, _, *arguments = session.command(str(session.paper), "-k", "number or nothing")
    environment = session.environment(PYTHON=python, REPRO_TIME_LIMIT="9m")
    submit(system, script, session.folder, arguments, **environment)
    assert system.run(session.folder) == [0, 0], system.output
    first, second = system.output.split("test session starts")[1:]
    assert "the time limit of 9m was reached with 1 of 4 runs made and 1 begun (50%); the same command goes on" in first
    assert "1 skipped" in first
    assert "1 reproduced" in second
    assert session.executed() == ["1.0 0", "1.0 1", "1.0 2", "1.0 3"]


@pytest.mark.parametrize("script", SUBMITTED)
@pytest.mark.parametrize(("codes", "ends"), [([0], [0]), ([1], [1]), ([4], [4]), ([75, 75, 1], [0, 0, 1])])
def test_only_code_75_goes_back_into_the_queue(tmp_path: Path, script: str, codes: list[int], ends: list[int]) -> None:
    system, python, seen = BatchSystem(tmp_path / "system"), tmp_path / "python", tmp_path / "seen"
    python.write_text(STUB)
    python.chmod(0o755)
    (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
    known = {"PYTHON": str(python), "SEEN": str(seen), "CODES": str(tmp_path / "codes")}
    submit(system, script, tmp_path, ["reproductions/", "-k", "rps and figure4b"], **known)
    assert system.run(tmp_path) == ends
    start = "srun" if script == "slurm.sh" else "mpiexec"
    call = f"[-m][pytest][reproductions/][-k][rps and figure4b][--ranks][16][--launcher][{start} -n {{ranks}}]"
    assert seen.read_text().splitlines() == [call] * len(codes)


@pytest.mark.parametrize("script", SUBMITTED)
def test_a_session_ends_before_its_job(script: str) -> None:
    text = (FOLDER / script).read_text()
    assert subprocess.run(["bash", "-n", FOLDER / script], check=False).returncode == 0
    hours, minutes, seconds = re.search(r"(?:--time|walltime)=(\d+):(\d+):(\d+)", text).groups()  # type: ignore[union-attr]
    job = 3600 * int(hours) + 60 * int(minutes) + int(seconds)
    limit = re.search(r"REPRO_TIME_LIMIT:-(\w+)}", text)
    assert limit
    assert job - 1800 < parsed(limit[1]) < job - 300
    assert f"{SUBMITTED[script]} " in text.splitlines()[1] + text.splitlines()[2]
    assert os.linesep.join(text.splitlines()) + "\n" == text
