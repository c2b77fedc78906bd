"""Checkpoints: the state of an unfinished run in files, there whole or not at all, for any number of ranks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from algorithms.network import Traffic

if TYPE_CHECKING:
    from mpi4py import MPI
    from torch import Tensor

SCHEMA = 1
LATEST = "latest.json"
TURNS = 5  # attempts to read a checkpoint that is being replaced
# what a checkpoint may hold besides tensors, numbers, text, None, tuples, lists and dicts: nothing else is made of it
_ARRAY = np.zeros(0).__reduce__()[0]  # what makes an array of its parts
HELD: tuple[Any, ...] = (Traffic, np.ndarray, np.dtype, np.dtypes.Int64DType, _ARRAY)


class DamagedError(Exception):
    """A checkpoint cannot be read; the message says what is wrong with it."""


class _Latest(BaseModel):
    """What the file `LATEST` holds."""

    model_config = ConfigDict(strict=True)

    schema_: int = Field(alias="schema", ge=SCHEMA, le=SCHEMA)
    run: str  # name of the folder
    step: int = Field(ge=0, lt=1 << 63)
    of: int = Field(gt=0, lt=1 << 63)
    files: dict[Annotated[str, Field(pattern=r"^workers-[0-9]+\.pt$")], str]


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
            See `State.shared`; that of the rank with worker 0 is what `load` returns, on every rank.
        """
        folder = self.folder / f"step-{step}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"workers-{workers.start}.pt"
        on_host = {name: tensor.cpu() for name, tensor in rows.items()}
        digest = _write(path, {"workers": list(workers), "rows": on_host, "kept": kept})
        files = self.comm.gather((path.name, digest)) if self.comm else [(path.name, digest)]
        if files:
            document = {"schema": SCHEMA, "run": self.folder.name, "step": step, "of": total, "files": dict(files)}
            replace_file(self.folder / LATEST, json.dumps(document).encode())
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
        except Exception as damage:  # reading what is damaged can raise anything
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
            document = _document(path) or {}
        document = self.comm.bcast(document) if self.comm else document
        if document == {}:
            raise DamagedError(f"{LATEST} is none of this run and of schema {SCHEMA}")
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
        import torch

        for name, digest in latest["files"].items():
            content = _checked(self.folder / f"step-{latest['step']}" / name, digest)
            with torch.serialization.safe_globals(list(HELD)):
                yield torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def fraction(folder: Path) -> float | None:
    """Return how much of a run its checkpoint holds; None without one, 0 for one that cannot be read."""
    if not (folder / LATEST).exists():
        return None
    document = _document(folder / LATEST)
    return document["step"] / document["of"] if document else 0.0


def size(folder: Path) -> int:
    """Return the bytes of a checkpoint; 0 without one, and for one that cannot be read."""
    document = _document(folder / LATEST) or {"step": 0, "files": {}}
    with contextlib.suppress(OSError):
        return sum((folder / f"step-{document['step']}" / name).stat().st_size for name in document["files"])
    return 0


def contents(folder: Path) -> dict[Path, bytes]:
    """Return what the files of a checkpoint hold, all of one step also while the next is written; none without one."""
    for _ in range(TURNS):
        try:
            latest = (folder / LATEST).read_bytes()
            document = _document(folder / LATEST) or {"step": 0, "files": {}}
            places = {folder / f"step-{document['step']}" / name: digest for name, digest in document["files"].items()}
            found = {place: _checked(place, digest) for place, digest in places.items()}
        except (OSError, ValueError):  # it was replaced meanwhile, or is damaged
            continue
        if found and latest == (folder / LATEST).read_bytes():
            return found | {folder / LATEST: latest}
    return {}


def _checked(path: Path, digest: str) -> bytes:
    """Return what a file holds if it has this checksum."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"the checksum of {path.name} does not match")
    return content


def _document(path: Path) -> dict[str, Any] | None:
    """Return the document of a checkpoint of this schema and run; None if it is none."""
    try:
        found = _Latest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found.model_dump() if found.run == path.parent.name else None


def _write(path: Path, state: Any) -> str:
    """Write a state and return its checksum."""
    import torch

    memory = io.BytesIO()
    torch.save(state, memory)
    content = memory.getvalue()
    replace_file(path, content)
    return hashlib.sha256(content).hexdigest()


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there: whoever reads it has the old content or the new."""
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    os.replace(draft, path)
