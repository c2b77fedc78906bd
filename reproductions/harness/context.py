"""Context: what an experiment sees of the rank that executes it."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from mpi4py import MPI


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
    on_progress
        Called on rank 0 with the finished fraction of this experiment.
    precision
        Of gradients and evaluation: ``"float32"``, or on request ``"tf32"`` or ``"bfloat16"``.
    streams
        Replicas whose gradients a GPU computes side by side.
    """

    comm: MPI.Comm | None = None
    device: str = "cpu"
    data: Path | None = None
    checkpoints: Path | None = None
    checkpoint_every: float = 120.0
    on_progress: Callable[[float], None] = lambda fraction: None
    precision: str = "float32"
    streams: int = 4
    rows: list[tuple[int, str, float]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    _last: float = field(default_factory=time.monotonic)

    @property
    def rank(self) -> int:
        """Rank of this process."""
        return self.comm.Get_rank() if self.comm else 0

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record metrics of a step; call it with the same values on every rank."""
        self.rows += [(step, metric, float(value)) for metric, value in metrics.items()]

    def save_checkpoint(self, step: int, workers: range, rows: Mapping[str, Tensor], shared: Any) -> None:
        """Write a checkpoint if the last one is old enough; collective.

        Parameters
        ----------
        step
            Where to go on.
        workers
            Workers whose rows live on this rank.
        rows
            Tensors with one row per local worker.
        shared
            Picklable state that is the same on every rank.
        """
        if self.checkpoints is None or not self._due():
            return
        folder = self.checkpoints / f"step-{step}"
        folder.mkdir(parents=True, exist_ok=True)
        state = {"workers": list(workers), "rows": dict(rows), "shared": shared, "log": self.rows}
        _write(folder / f"workers-{workers.start}.pt", state)
        self._barrier()
        if self.rank == 0:
            _replace(self.checkpoints / "latest.json", json.dumps({"step": step}))
            for old in self.checkpoints.glob("step-*"):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)
        self._barrier()
        self._last = time.monotonic()

    def load_checkpoint(self, workers: range, rows: Mapping[str, Tensor]) -> tuple[int, Any] | None:
        """Restore the rows of the local workers and the log, whatever number of ranks wrote them.

        Returns
        -------
        tuple of int and object, or None
            The step to go on at and the shared state; None without a checkpoint.
        """
        if self.checkpoints is None or not (self.checkpoints / "latest.json").exists():
            return None
        step = json.loads((self.checkpoints / "latest.json").read_text())["step"]
        shared = None
        for path in sorted((self.checkpoints / f"step-{step}").glob("workers-*.pt")):
            state = torch.load(path, map_location="cpu", weights_only=False)
            if 0 in state["workers"]:  # rank 0 logs more than the others: it evaluates
                shared, self.rows = state["shared"], list(state["log"])
            for i, worker in enumerate(state["workers"]):
                if worker in workers:
                    for name, tensor in rows.items():
                        tensor[worker - workers.start].copy_(state["rows"][name][i])
        return step, shared

    def _due(self) -> bool:
        due = time.monotonic() - self._last >= self.checkpoint_every
        return bool(self.comm.bcast(due)) if self.comm else due

    def _barrier(self) -> None:
        if self.comm:
            self.comm.Barrier()


def _write(path: Path, state: Any) -> None:
    memory = io.BytesIO()
    torch.save(state, memory)
    draft = path.with_suffix(".draft")
    draft.write_bytes(memory.getvalue())
    os.replace(draft, path)


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    os.replace(draft, path)
