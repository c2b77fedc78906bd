"""A batch system that is none: its commands note what they are asked for, and jobs run here, one after the other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from reproductions.harness.runs.launcher import ENVIRONMENT

SUBMIT = """#!/bin/bash
job="$QUEUE/$(ls "$QUEUE" | wc -l)"
mkdir "$job" && env -0 > "$job/environment"
[ "$1" = -V ] && shift
cp "$1" "$job/script" && shift
[ $# -gt 0 ] && printf '%s\\0' "$@" > "$job/arguments"
echo "job ${job##*/}"
"""
REQUEUE = '#!/bin/bash\n[ "$1" = requeue ] && touch "$QUEUE/$2/requeued"\n'


class BatchSystem:
    """Queue, folder of commands, and what the jobs wrote.

    Parameters
    ----------
    folder
        Where it lives.
    """

    def __init__(self, folder: Path) -> None:
        self.commands, self.queue, self.output = folder / "commands", folder / "queue", ""
        for each in (self.commands, self.queue):
            each.mkdir(parents=True)
        settings = "".join(f"export {name}='{value}'\n" for name, value in ENVIRONMENT.items())
        mpiexec = Path(sys.executable).with_name("mpiexec")
        start = f'#!/bin/bash\n{settings}exec {mpiexec} "$@"\n'
        scripts = {"sbatch": SUBMIT, "qsub": SUBMIT, "scontrol": REQUEUE, "srun": start, "mpiexec": start}
        for name, text in scripts.items():
            (self.commands / name).write_text(text)
            (self.commands / name).chmod(0o755)

    def submit(self, cwd: Path, *command: str, **environment: str) -> None:
        """Submit a job as a user does."""
        path = os.pathsep.join([str(self.commands), os.environ["PATH"]])
        known = os.environ | environment | {"PATH": path, "QUEUE": str(self.queue)}
        program, *arguments = command
        subprocess.run([self.commands / program, *arguments], cwd=cwd, env=known, check=True, capture_output=True)

    def run(self, cwd: Path, most: int = 5) -> list[int]:
        """Run jobs until none is queued; return their exit codes, a job that was put back counting as another."""
        codes: list[int] = []
        while waiting := sorted(self.queue.glob("*/script")):
            assert len(codes) < most, f"the queue does not become empty:\n{self.output}"
            codes.append(self._start(waiting[0], cwd))
        return codes

    def _start(self, script: Path, cwd: Path) -> int:
        job = script.parent
        given = (job / "environment").read_text().split("\0")
        environment = dict(line.split("=", 1) for line in given if "=" in line)
        environment |= self._allocation(job, script.read_text(), cwd)
        arguments = (job / "arguments").read_text().split("\0")[:-1] if (job / "arguments").exists() else []
        done = subprocess.run(
            ["bash", str(script), *arguments], cwd=cwd, env=environment, timeout=240, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
        self.output += done.stdout + done.stderr
        if (job / "requeued").exists():
            (job / "requeued").unlink()
        else:
            shutil.move(script, job / "ended")
        return done.returncode

    def _allocation(self, job: Path, script: str, cwd: Path) -> dict[str, str]:
        """Return what a job finds in its environment, by what its script asks for."""
        tasks = re.search(r"^#(?:SBATCH --ntasks=|PBS .*mpiprocs=)(\d+)$", script, re.MULTILINE)
        assert tasks, "the script asks for no tasks"
        nodes = job / "nodes"
        nodes.write_text("localhost\n" * int(tasks[1]))
        return {
            "SLURM_JOB_ID": job.name, "SLURM_NTASKS": tasks[1], "PBS_O_WORKDIR": str(cwd), "PBS_NODEFILE": str(nodes),
        }  # fmt: skip
