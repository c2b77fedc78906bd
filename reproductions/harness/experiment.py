"""Experiment: a run as a value, with the key under which its result is stored."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from reproductions.harness.context import Context

ROOT = Path(__file__).resolve().parents[2]
KEYED_PACKAGES = ("torch", "numpy", "scikit-learn", "numba")


@dataclass(frozen=True)
class Experiment(ABC):
    """Something that MPI ranks execute: all its fields are values, and equal experiments give equal results."""

    solo: ClassVar[bool] = False
    """Whether one rank runs it alone, beside others: for runs so small that ranks would mostly wait for each other."""

    dedicated: ClassVar[bool] = False
    """Whether it needs one rank per worker whatever the number of cores, as what is timed on a deployment does."""

    mortal: ClassVar[bool] = False
    """Whether some of its ranks, one per worker, are killed: it has a launch of its own that survives this. It leaves
    the communicator of the survivors in ``context.comm``."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of workers, the largest number of ranks that can share this experiment."""

    @abstractmethod
    def execute(self, context: Context) -> None:
        """Run on every rank and log metrics through `context`."""

    @property
    def cost(self) -> float:
        """Estimate of the seconds that one CPU core needs; only for the estimate at collection."""
        return 1.0

    def checksum(self, data: Path | None) -> str:
        """Return the checksum of the data that this experiment reads from the folder `data`."""
        return ""


def describe(value: Any) -> Any:
    """Turn nested frozen dataclasses into plain JSON values that name every class and field.

    Raises
    ------
    TypeError
        If a field holds anything but numbers, text, None, tuples and dataclasses.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": f"{type(value).__module__}.{type(value).__qualname__}"} | fields
    if isinstance(value, tuple):
        return [describe(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"an experiment cannot hold {value!r}: only numbers, text, None, tuples and dataclasses are values")


def key(experiment: Experiment, data: Path | None, device: str, precision: str = "float32") -> str:
    """Return the name under which the result is stored.

    Hash of the experiment, the source of all project modules that its classes import, the data and the versions of
    the numerical libraries. The numbers of ranks and streams are not part of it: results do not depend on them.
    """
    parts = {
        "experiment": describe(experiment),
        "source": source_digest(tuple(sorted(_modules(experiment)))),
        "data": experiment.checksum(data),
        "device": device,
        "precision": precision,
        "versions": {name: importlib.metadata.version(name) for name in KEYED_PACKAGES},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _modules(value: Any) -> Iterator[str]:
    """Name the modules of all classes in an experiment."""
    if isinstance(value, tuple):
        for item in value:
            yield from _modules(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from (cls.__module__ for cls in type(value).__mro__ if cls.__module__ in sys.modules)
        for field in dataclasses.fields(value):
            yield from _modules(getattr(value, field.name))


@functools.cache
def source_digest(modules: tuple[str, ...]) -> str:
    """Hash the source of modules and of all modules of this project that they import."""
    digest, seen, todo = hashlib.sha256(), set[Path](), [path for name in modules if (path := _source(name))]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += _imports(path)
    for path in sorted(seen):
        digest.update(str(path.name).encode() + path.read_bytes())
    return digest.hexdigest()


def _imports(path: Path) -> list[Path]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [source for alias in node.names if (source := _source(alias.name))]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found += [source for name in names if (source := _source(name))]
    return found


def _source(module: str) -> Path | None:
    """Return the file of a module of this project, or of one that is loaded from elsewhere in its tree."""
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    loaded = getattr(sys.modules.get(module), "__file__", None)
    return Path(loaded) if loaded and Path(loaded).is_relative_to(ROOT / "tests") else None
