"""Free memory: how much is free where a rank computes, and how much of it a run took."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpi4py import MPI

_UNLIMITED = 1 << 60  # cgroup v1 writes "no limit" as the largest multiple of a page in 63 bits


class DoesNotFit(RuntimeError):
    """A run needs more memory than is free; the message is one sentence that names the option to change."""


@dataclass(frozen=True)
class FreeMemory:
    """What is free on the device of a rank: bytes when the ranks started, and how many of them share these."""

    device: str
    free: int
    ranks: int = 1

    @property
    def share(self) -> int:
        """Bytes for one rank."""
        return self.free // self.ranks

    def start_peak(self) -> int | None:
        """Forget the peak so far; return the bytes that are allocated on a GPU now, or resident in this process."""
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.reset_peak_memory_stats(self.device)
            return torch.cuda.memory_allocated(self.device)
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
            return _resident("VmRSS")
        return None

    def peak_since(self, before: int | None) -> int | None:
        """Return by how much the peak exceeds what `start_peak` returned; None if the system does not say."""
        if before is None:
            return None
        if self.device.startswith("cuda"):
            import torch

            return torch.cuda.max_memory_allocated(self.device) - before
        return _resident("VmHWM") - before


def find_free_memory(device: str, comm: MPI.Comm) -> FreeMemory | None:
    """Measure what is free on the device of this rank before any rank allocates; None if the system does not say.

    Collective. Ranks share a device if they are on one host and name the same.
    """
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)  # creates the context, which is not free any more
    place = (socket.gethostname(), device)
    places = comm.allgather(place)
    free = free_bytes(device)
    comm.Barrier()
    return None if free is None else FreeMemory(device, free, places.count(place))


def within(free: FreeMemory | None, ranks: int) -> FreeMemory | None:
    """Return what is free for a run in which only so many ranks take part."""
    return free and replace(free, ranks=min(free.ranks, ranks))


def free_bytes(device: str) -> int | None:
    """Return the free bytes of a GPU, or of this host and control group; None if the system does not say."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    return free_on_host()


def free_on_host(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the smaller of what Linux calls available and what the limits of the control groups leave."""
    try:
        lines = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines())
        found = [1024 * int(lines["MemAvailable"].split()[0])]
        groups = [line.split(":", 2) for line in (proc / "self/cgroup").read_text().splitlines()]
    except (OSError, KeyError, ValueError):
        return None
    for _, controllers, path in groups:
        if not controllers:
            found += _left(cgroup, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            usage = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            found += _left(cgroup / "memory", path, *usage)
    return max(0, min(found))


def _left(root: Path, path: str, limit: str, usage: str, cache_of_files: str) -> list[int]:
    """Return what is left in a control group and in those that it is part of; files that are cached can be dropped."""
    left = []
    group = root / path.lstrip("/")
    for folder in (group, *group.parents) if group.is_relative_to(root) else ():
        try:
            most, used = (folder / limit).read_text().strip(), int((folder / usage).read_text())
            statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue  # a container may show only its own group, under a name that is not the path
        if most != "max" and int(most) < _UNLIMITED:
            left.append(int(most) - used + int(statistics.get(cache_of_files, 0)))
    return left


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))
