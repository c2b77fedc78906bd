"""``python -m mpi4py -m tests.harness.resume_ranks FOLDER``: one run, stopped after every epoch, by 2 ranks or 1."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from reproductions.harness.context import Context
from reproductions.harness.deadline import OutOfTime
from reproductions.harness.ranks import reported

if __name__ == "__main__":
    from mpi4py import MPI

    from tests.harness.test_resume import RUN, log

    folder, comm = Path(sys.argv[1]), MPI.COMM_WORLD
    logs, turns = [], [[2, 1, 2, 1], [1, 2, 1, 2], [2, 2, 2, 2]]
    with reported(folder, comm.Get_rank()):
        for number, ranks in enumerate(turns):
            for count in ranks:
                members = comm if count == 2 else MPI.COMM_SELF
                # the clocks of other ranks say nothing: rank 0 decides
                context = Context(members, checkpoints=folder / str(number), deadline=0.0 if comm.rank == 0 else 1e12)
                if comm.rank < count:
                    with contextlib.suppress(OutOfTime):
                        logs.append(log(RUN, context))
                comm.Barrier()
        if comm.rank == 0:
            (folder / "logs.json").write_text(json.dumps({"ranks": turns, "logs": logs}))
            (folder / "done").touch()
        comm.Barrier()
