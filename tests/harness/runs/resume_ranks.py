"""``python -m mpi4py -m tests.harness.runs.resume_ranks FOLDER``: work of two ranks that is stopped, see the tests."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reproductions.harness.runs.context import Context
from reproductions.harness.runs.deadline import OutOfTime
from reproductions.harness.runs.ranks import reported
from reproductions.harness.runs.work import Job, work
from tests.harness.toy_experiments import Alone, AloneHalting, Halting, Large, Toy

if TYPE_CHECKING:
    from mpi4py import MPI


def stops(folder: Path, comm: MPI.Intracomm) -> Any:
    """Stop one run after every epoch; two ranks or one go on."""
    from mpi4py import MPI

    from tests.harness.runs.test_resume import RUN, log

    logs, turns = [], [[2, 1, 2, 1], [1, 2, 2, 2]]
    for number, ranks in enumerate(turns):
        for count in ranks:
            members = comm if count == 2 else MPI.COMM_SELF
            # the clocks of other ranks say nothing: rank 0 decides
            context = Context(members, checkpoints=folder / str(number), deadline=0.0 if comm.rank == 0 else 1e12)
            if comm.rank < count:
                with contextlib.suppress(OutOfTime):
                    logs.append(log(RUN, context))
            comm.Barrier()
    return {"turns": turns, "logs": logs}


def launches(folder: Path, comm: MPI.Intracomm) -> Any:
    """Make jobs that run out of time somewhere; return what each made, and whether it says that it was stopped."""
    cases = {
        "too late": [Toy("", 1.0, 0), Alone("", 1.0, 1)],
        "together": [Toy("", 1.0, 0), Halting("", 1.0, 1), Toy("", 1.0, 2), Alone("", 1.0, 3)],
        "alone": [Toy("", 1.0, 0), AloneHalting("", 1.0, 1), *(Alone("", 1.0, seed) for seed in (2, 3, 4))],
        "in time": [Toy("", 1.0, 0), Alone("", 1.0, 1)],
        "dealt": [*(Toy("", 1.0, seed) for seed in range(5)), Alone("", 1.0, 5)],
        "dealt, too large": [Toy("", 1.0, 0), Large("", 1.0, 1)],
        "dealt, too late": [Halting("", 1.0, 0), *(Toy("", 1.0, seed) for seed in (1, 2, 3, 4))],
    }
    made = {}
    for name, experiments in cases.items():
        here = folder / name
        here.mkdir(exist_ok=True)
        job = Job(
            tuple(experiments), tuple(str(e.seed) for e in experiments), here, None, "cpu", 60.0, os.getpid(), "", {},
            folder=here, deadline=0.0 if name == "too late" else 1e12, dealt=name.startswith("dealt"),
        )  # fmt: skip
        os.chdir(here)  # where toys leave their marks
        work(job, comm, here)
        comm.Barrier()
        records = {path.parent.name: json.loads(path.read_text()) for path in here.glob("*/run.json")}
        made[name] = [
            sorted(records),
            (here / "stopped").exists(),
            sorted(key for key, record in records.items() if record["provenance"]["ranks"] == 2),
        ]
    return made


if __name__ == "__main__":
    from mpi4py import MPI

    folder, world = Path(sys.argv[1]), MPI.COMM_WORLD
    with reported(folder, world.rank):
        found = stops(folder, world) | {"launches": launches(folder, world)}
        if world.rank == 0:
            (folder / "found.json").write_text(json.dumps(found))
            (folder / "done").touch()
        world.Barrier()
