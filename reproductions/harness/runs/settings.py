"""Settings: what the user of a session asked for."""

from __future__ import annotations

import functools
import math
import os
from dataclasses import dataclass
from pathlib import Path

from reproductions.harness.runs.own import Own

SCALES = ("smoke", "small", "paper")
SEEDS = {"smoke": 8, "small": 3, "paper": 3}
TIMEOUT = {"smoke": 1800.0, "small": 24 * 3600.0, "paper": 48 * 3600.0}  # seconds of one launch of ranks


@dataclass(frozen=True)
class Settings:
    """What the user asked for; see the README for each option."""

    scale: str = "smoke"
    ranks: int = 0  # automatic
    device: str = "auto"
    precision: str = "float32"
    streams: int = 4
    data: Path | None = None
    seeds: int = SEEDS["smoke"]
    seeds_given: bool = False  # or planned: then no module has another number, and a figure takes all of them
    results: Path = Path("results")
    launcher: str | None = None
    network: str = "modelled"
    mpich: Path | None = None
    run_timeout: float = TIMEOUT["smoke"]
    time_limit: float = math.inf
    rerun: bool = False
    verdicts: Path | None = None
    baseline: Path | None = None
    replace: bool = False
    nice: bool = False
    log_to: str | None = None
    algorithm: Own | None = None  # algorithm that is put beside those of the papers

    def fewer_seeds(self) -> range:
        """Return five eighths of the seeds, at least three: for figures at smoke scale whose orders show with fewer.

        At other scales, where three is the default, and where the number of seeds is given or planned, all are taken.
        """
        fewer = max(3, math.ceil(5 * self.seeds / 8)) if self.scale == "smoke" and not self.seeds_given else self.seeds
        return range(min(self.seeds, fewer))

    def processes(self, workers: int) -> int:
        """Return the number of MPI ranks for `workers` workers."""
        return min(self.ranks or _cores(self.resolved_device), workers)

    @property
    def dealt(self) -> bool:
        """Whether ranks get whole runs instead of sharing each one: faster on a CPU, as nobody waits.

        Off at smoke scale, which tests the sharing, and with an explicit ``--ranks``.
        """
        return self.scale != "smoke" and not self.ranks and self.resolved_device == "cpu"

    @functools.cached_property
    def resolved_device(self) -> str:
        """Return ``"cuda"`` or ``"cpu"``."""
        if self.device != "auto":
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"


def _cores(device: str) -> int:
    """Return how many GPUs, or CPU cores, this process may use."""
    if device == "cuda":
        import torch

        return torch.cuda.device_count()
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
