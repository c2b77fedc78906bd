"""The batch script on a real Slurm, where there is one."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.cluster.test_templates import FOLDER
from tests.harness.test_time_limit import HALTING
from tests.harness.toy_session import Session

LAUNCHER = "srun --mpi=pmix -n {ranks}"
PATIENCE = 900.0  # seconds; Slurm lets a job that was put back wait for two minutes


def running() -> bool:
    """Whether Slurm takes jobs here, and starts ranks that find each other."""
    if shutil.which("sbatch") is None:
        return False
    try:
        tried = subprocess.run(["srun", "--mpi=pmix", "-n", "2", "true"], capture_output=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return False
    return tried.returncode == 0


@pytest.mark.slow
def test_slurm_puts_a_session_back_until_it_is_through(tmp_path: Path) -> None:
    if not running():
        pytest.skip("there is no Slurm that starts ranks with PMIx")
    session, output = Session(tmp_path / "session"), tmp_path / "output.txt"
    session.write_test(HALTING)
    python, _, _, *arguments = session.command(str(session.paper), "-k", "number or nothing")
    environment = session.environment(PYTHON=python, REPRO_TIME_LIMIT="9m", LAUNCHER=LAUNCHER)
    options = ["--parsable", "--ntasks=2", "--time=00:10:00", f"--output={output}"]
    command = ["sbatch", *options, str(FOLDER / "slurm.sh"), *arguments]
    job = subprocess.run(command, cwd=session.folder, env=environment, check=True, capture_output=True, text=True)
    try:
        _wait(job.stdout.strip())
    finally:
        subprocess.run(["scancel", job.stdout.strip()], check=False)
    first, second = output.read_text().split("test session starts")[1:]
    assert "1 of 4 runs made and 1 begun (50%); the same command goes on" in first
    assert "1 reproduced" in second


def _wait(job: str) -> None:
    """Wait until a job is neither running nor queued."""
    end = time.monotonic() + PATIENCE
    while subprocess.run(["squeue", "-h", "-j", job], capture_output=True, check=False, text=True).stdout.strip():
        assert time.monotonic() < end, f"job {job} is still there after {PATIENCE:.0f} s"
        time.sleep(2)
