"""``python -m mpi4py -m tests.harness.runs.link_ranks FOLDER``: ranks on hosts that do what the file ``what`` says."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from reproductions.harness.runs import real_links
from reproductions.harness.runs.ranks import reported, watch

BLOCK = 250_000  # bytes


def everyone_to_the_next(comm: Any) -> list[Any]:
    """Start a message from every rank to the next one."""
    n, rank = comm.Get_size(), comm.Get_rank()
    return [
        comm.Irecv(np.empty(BLOCK, np.uint8), (rank - 1) % n),
        comm.Isend(np.zeros(BLOCK, np.uint8), (rank + 1) % n),
    ]


def everyone_to_the_first(comm: Any) -> list[Any]:
    """Start messages that have only the downlink of rank 0 in common."""
    if comm.Get_rank():
        return [comm.Isend(np.zeros(BLOCK, np.uint8), 0)]
    return [comm.Irecv(np.empty(BLOCK, np.uint8), rank) for rank in range(1, comm.Get_size())]


def the_first_to_everyone(comm: Any) -> list[Any]:
    """Start messages that have only the uplink of rank 0 in common."""
    if comm.Get_rank():
        return [comm.Irecv(np.empty(BLOCK, np.uint8), 0)]
    return [comm.Isend(np.zeros(BLOCK, np.uint8), rank) for rank in range(1, comm.Get_size())]


def seconds(comm: Any, start: Any) -> float:
    """Return the shortest of three times of an exchange, until its end on all ranks."""
    from mpi4py import MPI

    spent = []
    for _ in range(3):
        comm.Barrier()
        begin = time.monotonic()
        MPI.Request.Waitall(start(comm))
        comm.Barrier()
        spent.append(time.monotonic() - begin)
    return min(spent)


def rates(comm: Any) -> dict[str, float]:
    """Return the seconds of exchanges at 5 and 20 Mbit/s."""
    found = {}
    for mbit in (20, 5):
        if comm.Get_rank() == 0:
            real_links.limit(comm.Get_size(), mbit)
        for exchange in (everyone_to_the_next, everyone_to_the_first, the_first_to_everyone):
            found[f"{exchange.__name__} {mbit}"] = seconds(comm, exchange)
    return found


def surroundings(comm: Any, outside: str) -> dict[str, Any]:
    """Return what a host sees: its interfaces, its address to others, and whether it gets out."""
    try:
        socket.create_connection((outside, 22), timeout=2)
        way_out = "connected"
    except OSError as error:
        way_out = os.strerror(error.errno or 0)
    names = sorted(name for _, name in socket.if_nameindex())
    return {"interfaces": names, "host": real_links.address(comm.Get_rank()), "way out": way_out}


if __name__ == "__main__":
    from mpi4py import MPI

    folder, comm = Path(sys.argv[1]), MPI.COMM_WORLD
    what, _, detail = (folder / "what").read_text().partition(" ")
    namespaces = [os.stat(f"/proc/self/ns/{kind}").st_ino for kind in ("net", "pid", "mnt")]
    (folder / f"draft-{comm.Get_rank()}").write_text(json.dumps(namespaces))
    (folder / f"draft-{comm.Get_rank()}").rename(folder / f"namespaces-{comm.Get_rank()}")
    with reported(folder, comm.Get_rank()):
        if what == "measure":
            seen = comm.allgather(surroundings(comm, detail))
            found = {"seen": seen, "seconds": rates(comm)}
            if comm.Get_rank() == 0:
                (folder / "found").write_text(json.dumps(found))
        if what == "hang":
            watch(int(detail), socket.gethostname())
            time.sleep(600)
        if what in {"unplug", "remove"}:
            comm.Barrier()
            if comm.Get_rank() == 1:
                end = {"unplug": "-n switch link set port1 down", "remove": "link delete eth0"}[what]
                subprocess.run(["ip", *end.split()], check=True)
            comm.Barrier()
        if comm.Get_rank() == 0:
            (folder / "done").touch()
