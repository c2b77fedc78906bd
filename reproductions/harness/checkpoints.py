"""Checkpoints: the state of an unfinished run in files, there whole or not at all, for any number of ranks."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from mpi4py import MPI

SCHEMA = 1
LATEST = "latest.json"


class DamagedError(Exception):
    """A checkpoint cannot be read; the message says what is wrong with it."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run: of these, the latest.

    Every rank writes the rows of its own workers to a file of its own. The file ``latest.json``, written last, names
    the step, all files and their checksums; the files of the step before are removed after that. So a rank that is
    killed at any time leaves the checkpoint before, or this one.

    Parameters
    ----------
    folder
        Where they are; visible to all ranks.
    comm
        Communicator of the ranks that share the run; None without MPI.
    """

    folder: Path
    comm: MPI.Comm | None = None

    def save(self, step: int, total: int, workers: range, rows: Mapping[str, Tensor], kept: Any) -> None:
        """Write a checkpoint; collective.

        Parameters
        ----------
        step, total
            Where to go on, and where the run ends.
        workers
            Workers whose rows live on this rank.
        rows
            Tensors with one row per local worker, on any device; they are written as tensors of the CPU.
        kept
            Picklable; that of the rank with worker 0 is what `load` returns, on every rank.
        """
        folder = self.folder / f"step-{step}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"workers-{workers.start}.pt"
        on_host = {name: tensor.cpu() for name, tensor in rows.items()}
        digest = _write(path, {"workers": list(workers), "rows": on_host, "kept": kept})
        files = self.comm.gather((path.name, digest)) if self.comm else [(path.name, digest)]
        if files:
            document = {"schema": SCHEMA, "step": step, "of": total, "files": dict(files)}
            _replace(self.folder / LATEST, json.dumps(document).encode())
            for old in self.folder.glob("step-*"):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)
        if self.comm:
            self.comm.Barrier()

    def load(self, workers: range, rows: Mapping[str, Tensor]) -> tuple[int, Any] | None:
        """Restore the rows of the local workers, whatever number of ranks wrote them; collective.

        Returns
        -------
        tuple of int and object, or None
            The step to go on at and what was kept; None without a checkpoint.

        Raises
        ------
        DamagedError
            On every rank, if one of them cannot read it; nothing is restored then.
        """
        latest = self._latest()
        if latest is None:
            return None
        error, kept = "", None
        found: dict[int, dict[str, Tensor]] = {}
        try:
            found, kept = self._read(latest, workers, rows)
        except Exception as damage:  # unpickling can raise anything
            error = f"{type(damage).__name__}: {damage}"
        errors = self.comm.allgather(error) if self.comm else [error]
        if any(errors):
            raise DamagedError(next(filter(None, errors)))
        for worker, restored in found.items():
            for name, row in restored.items():
                rows[name][worker - workers.start].copy_(row)
        return latest["step"], kept

    def _latest(self) -> dict[str, Any] | None:
        """Return what the file of this name holds, as rank 0 sees it."""
        path, document = self.folder / LATEST, None
        if (self.comm is None or self.comm.Get_rank() == 0) and path.exists():
            document = _document(path)
        document = self.comm.bcast(document) if self.comm else document
        if document == {}:
            raise DamagedError(f"{LATEST} is none of schema {SCHEMA}")
        return document

    def _read(
        self, latest: dict[str, Any], workers: range, rows: Mapping[str, Tensor]
    ) -> tuple[dict[int, dict[str, Tensor]], Any]:
        """Return the rows of the local workers, and what was kept."""
        found: dict[int, dict[str, Tensor]] = {}
        kept = None
        for state in self._states(latest):
            kept = state["kept"] if 0 in state["workers"] else kept
            for i, worker in enumerate(state["workers"]):
                if worker in workers:
                    found[worker] = {name: state["rows"][name][i] for name in rows}
        for worker in workers:
            for name, tensor in rows.items():
                if found[worker][name].shape != tensor.shape[1:]:
                    raise ValueError(f"{name} of worker {worker} is of shape {tuple(found[worker][name].shape)}")
        return found, kept

    def _states(self, latest: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for name, digest in latest["files"].items():
            content = (self.folder / f"step-{latest['step']}" / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                raise ValueError(f"the checksum of {name} does not match")
            yield torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)


def fraction(folder: Path) -> float | None:
    """Return how much of a run its checkpoint holds; None without one, 0 for one that cannot be read."""
    if not (folder / LATEST).exists():
        return None
    document = _document(folder / LATEST)
    return document["step"] / document["of"] if document else 0.0


def _document(path: Path) -> dict[str, Any]:
    """Return a document of this schema, or an empty one."""
    try:
        document = json.loads(path.read_bytes())
        valid = document["schema"] == SCHEMA and {"step", "of", "files"} <= document.keys()
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return document if valid else {}


def _write(path: Path, state: Any) -> str:
    """Write a state and return its checksum."""
    memory = io.BytesIO()
    torch.save(state, memory)
    content = memory.getvalue()
    _replace(path, content)
    return hashlib.sha256(content).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    os.replace(draft, path)
