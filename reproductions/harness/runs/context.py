"""Context: what an experiment sees of the rank that executes it."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from reproductions.harness.runs import real_links
from reproductions.harness.runs.deadline import OutOfTime
from reproductions.harness.runs.free_memory import DoesNotFit, FreeMemory

if TYPE_CHECKING:
    from mpi4py import MPI
    from torch import Tensor

__all__ = ["Context", "DoesNotFit", "FreeMemory", "State"]
UNMEASURED = 1e8  # bytes a second at which a first checkpoint is expected to be written


class State(Protocol):
    """What a run has to remember between two parts of it."""

    @property
    def local(self) -> range:
        """Workers whose rows live on this rank."""

    def rows(self) -> Mapping[str, Tensor]:
        """Return tensors with one row per local worker; a checkpoint is restored into them."""

    def shared(self) -> Any:
        """Return what else there is, the same on every rank: numbers, text, `Traffic`, and collections of these."""

    def restore(self, shared: Any) -> None:
        """Take back what `shared` returned."""


@dataclass
class Context:
    """Communicator, device and data of one experiment, and where its metrics and checkpoints go.

    Parameters
    ----------
    comm
        Communicator of the ranks that share the experiment; None without MPI.
    device
        ``"cpu"``, or a GPU such as ``"cuda:0"``.
    data
        Folder of the data sets, if the user gave one.
    checkpoints
        Folder for the checkpoints of this run; None to make none.
    checkpoint_every
        Seconds between checkpoints.
    deadline
        When the run has to have stopped, in seconds of `clock`.
    on_progress
        Called on rank 0 with the finished fraction of this experiment.
    precision
        Of gradients and evaluation: ``"float32"``, or on request ``"tf32"`` or ``"bfloat16"``.
    streams
        Replicas whose gradients a GPU computes side by side.
    announce
        Shows the user a line that stays; only the first rank of a launch is heard.
    free_memory
        What plans of memory are compared with; None to make no plans.
    on_warning
        Called on rank 0 with a sentence for the user.
    on_log
        Called with the step and the metrics of each `log`.
    clock
        Tells the time in seconds.
    """

    comm: MPI.Comm | None = None
    device: str = "cpu"
    data: Path | None = None
    checkpoints: Path | None = None
    checkpoint_every: float = 120.0
    deadline: float = math.inf
    on_progress: Callable[[float], None] = lambda fraction: None
    precision: str = "float32"
    streams: int = 4
    announce: Callable[[str], None] = lambda text: None
    free_memory: FreeMemory | None = None
    on_warning: Callable[[str], object] = warnings.warn
    on_log: Callable[[int, Mapping[str, float]], None] = lambda step, metrics: None
    clock: Callable[[], float] = time.time
    rows: list[tuple[int, str, float]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """Rank of this process."""
        return self.comm.Get_rank() if self.comm else 0

    @property
    def ranks(self) -> int:
        """Number of ranks that share the experiment."""
        return self.comm.Get_size() if self.comm else 1

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record metrics of a step; call it with the same values on every rank."""
        self.rows += [(step, metric, float(value)) for metric, value in metrics.items()]
        self.on_log(step, metrics)

    def limit_links(self, mbit: float) -> None:
        """Limit the link of every host of a run to so many Mbit/s; rank 0 does it, while nothing is sent."""
        if self.rank == 0:
            real_links.limit(self.ranks, mbit)

    def parts(self, total: int, state: State) -> Iterator[int]:
        """Yield the parts of a run, 0..total - 1, from where its last checkpoint left it; collective.

        Between two parts a checkpoint is written if the last is old enough, or if the next part, taking as long as the
        longest so far, could not be finished and saved before the deadline.

        Raises
        ------
        OutOfTime
            On all ranks, after that checkpoint.
        """
        from reproductions.harness.runs.checkpoints import Checkpoints

        pace = _Pace(self.clock, sum(rows.nbytes for rows in state.rows().values()) / UNMEASURED)
        for part in range(self._resumed(state), total):
            yield part
            if self.checkpoints is None or part + 1 == total:
                continue
            stop, due = pace.judge(self.deadline, self.checkpoint_every)
            stop, due = self.comm.bcast((stop, due)) if self.comm else (stop, due)
            if stop or due:
                kept = (state.shared(), self.rows)
                Checkpoints(self.checkpoints, self.comm).save(part + 1, total, state.local, state.rows(), kept)
                pace.saved()
            if stop:
                raise OutOfTime(f"stopped after {part + 1} of {total} parts")

    def _resumed(self, state: State) -> int:
        """Restore the last checkpoint, if there is one; return the part to go on with."""
        if self.checkpoints is None:
            return 0
        from reproductions.harness.runs.checkpoints import Checkpoints, DamagedError

        try:
            found = Checkpoints(self.checkpoints, self.comm).load(state.local, state.rows())
        except DamagedError as error:
            if self.rank == 0:
                self.on_warning(f"the checkpoint {self.checkpoints.stem} is damaged and its run begins anew: {error}")
            return 0
        if found is None:
            return 0
        part, (shared, self.rows) = found  # of rank 0, which logs more than the others: it evaluates
        state.restore(shared)
        return part


class _Pace:
    """How long parts and checkpoints take in this launch."""

    def __init__(self, clock: Callable[[], float], writing: float) -> None:
        self.clock, self.writing, self.longest = clock, writing, 0.0
        self.began = self.last = clock()

    def judge(self, deadline: float, every: float) -> tuple[bool, bool]:
        """At the end of a part, return whether there is no time for another, and whether a checkpoint is due."""
        self.now = self.clock()
        self.longest = max(self.longest, self.now - self.began)
        self.began = self.now
        return self.now + self.longest + self.writing > deadline, self.now - self.last >= every

    def saved(self) -> None:
        """Note that a checkpoint was written since."""
        self.began = self.last = self.clock()
        self.writing = self.last - self.now
