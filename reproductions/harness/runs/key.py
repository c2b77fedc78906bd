"""Key: the name under which the result of a run is stored.

A run is named by its value, its data, the versions of the numerical libraries, and the source of every module that it
imports of `algorithms/`, `workloads/`, `experiments/` and the papers, and of every module outside the project that is
not installed, such as an algorithm of one's own. Comments, docstrings and blank lines do nothing and change no name.
The harness and the report carry and show runs and are no part of their name: `RESULT` is raised by hand if the harness
ever changes a result.

Imports are read from the statements of the source, wherever they stand. What is imported through a string is not seen.
Of a script or a notebook, only what the run refers to is part of its name: see `Definitions`.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from reproductions.harness.runs.by_value import MAIN, Definitions
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.provenance import ROOT

RESULT = 1
PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "numba", "pillow")
PROJECT = ("algorithms", "reproductions")
CARRIERS = ("reproductions.harness", "reproductions.report", "reproductions.paper")
_Described = tuple[Any, frozenset[str]]
_NOWHERE: frozenset[str] = frozenset()
_parts: dict[int, tuple[Any, _Described]] = {}  # by identity: 1, 1.0 and True are equal, and different names
FACADE = "reproductions"  # its __init__ passes on names to scripts, and does nothing in a run
STRING = rb"""(?P<quotes>\"{3}|'{3}|"|')(?:\\.|(?!(?P=quotes)).)*(?P=quotes)"""
COMMENT = re.compile(STRING + rb"|(?P<idle>#[^\n]*)", re.DOTALL)
BLANK = re.compile(STRING + rb"|(?P<idle>\s*\n)", re.DOTALL)  # what follows a line, and what stands between lines


def key(experiment: Experiment, data: Path | None, device: str, precision: str = "float32") -> str:
    """Return the name under which the result of an experiment is stored.

    The numbers of ranks and streams are not part of it: results do not depend on them.
    """
    described, modules = _described(experiment)
    own = Definitions(experiment) if MAIN in modules else None
    parts = {
        "result": RESULT,
        "experiment": described,
        "source": source_digest((modules | own.modules) - {MAIN} if own else modules),
        "data": experiment.checksum(data),
        "device": device,
        "precision": precision,
        "versions": _versions(),
    } | ({"main": own.digest} if own else {})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def in_main(experiment: Experiment) -> bool:
    """Whether a class in an experiment, or one that it derives from, is of a script or a notebook."""
    return MAIN in modules_of(experiment)


def forget() -> None:
    """Read all sources anew, in a process that outlives their changes, such as that of a notebook."""
    for function in (source_digest, _versions, _digest, _file, _installed, _managed, _spec, _imports, _statements):
        function.cache_clear()
    _parts.clear()


def describe(value: Any) -> Any:
    """Turn nested frozen dataclasses into plain JSON values that name every class and field.

    Raises
    ------
    TypeError
        If a field holds anything but numbers, text, None, tuples and dataclasses.
    """
    return _described(value)[0]


def modules_of(experiment: Experiment) -> frozenset[str]:
    """Name the modules of all classes in an experiment."""
    return _described(experiment)[1]


def _described(value: Any) -> _Described:
    """Return a value as `describe` does and the modules of all classes in it; a part that many hold, once."""
    if value is None or isinstance(value, bool | int | float | str):
        return value, _NOWHERE
    if id(value) in _parts:
        return _parts[id(value)][1]
    if isinstance(value, tuple):
        items = [_described(item) for item in value]
        found: _Described = [item for item, _ in items], _NOWHERE.union(*(modules for _, modules in items))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _described(getattr(value, field.name)) for field in dataclasses.fields(value)}
        named = {"type": f"{type(value).__module__}.{type(value).__qualname__}"}
        modules = frozenset(cls.__module__ for cls in type(value).__mro__)
        found = (
            named | {name: item for name, (item, _) in fields.items()},
            modules.union(*(m for _, m in fields.values())),
        )
    else:
        kinds = "only numbers, text, None, tuples and dataclasses are values"
        raise TypeError(f"an experiment cannot hold {value!r}: {kinds}")
    if not isinstance(value, Experiment):
        _parts[id(value)] = value, found  # the value is kept, so that no other gets its id
    return found


@functools.cache
def source_digest(modules: frozenset[str]) -> str:
    """Hash names and code of `sources`."""
    lines = [f"{name} {_digest(path)}" for name, path in sorted(sources(modules).items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def sources(modules: frozenset[str]) -> dict[str, Path]:
    """Return the files of modules and of all that they import, by module, of those that are part of a run's name."""
    found: dict[str, Path] = {}
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name not in found and (path := _file(name)):
            found[name] = path
            todo += [*_imports(name, path), *_packages(name)]
    return found


@functools.cache
def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in PACKAGES}


@functools.cache
def _digest(path: Path) -> str:
    return hashlib.sha256(code(path) if path.suffix == ".py" else path.read_bytes()).hexdigest()


def code(path: Path) -> bytes:
    """Return the source of a module without comments, docstrings, blank lines and spaces at the ends of lines.

    A docstring is any statement that is nothing but a string. What is left is the same in all versions of Python, which
    a dump of the syntax tree is not.
    """
    lines = path.read_bytes().splitlines(keepends=True)
    for node in reversed(_statements(path)):  # the last first: what is before it stays in its place
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
            around = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
            lines[first : last + 1] = [b"".join(around), *[b""] * (last - first)]
    return _drop(BLANK, _drop(COMMENT, b"".join(lines)), b"\n").strip()


def _drop(idle: re.Pattern[bytes], source: bytes, instead: bytes = b"") -> bytes:
    """Replace what does nothing, and leave strings as they are."""
    return idle.sub(lambda found: found[0] if found["idle"] is None else instead, source)


@functools.cache
def _file(name: str) -> Path | None:
    """Return the file of a module that is part of a run's name; None of another, and if there is no such module."""
    if name == FACADE or any(name == carrier or name.startswith(f"{carrier}.") for carrier in CARRIERS):
        return None
    top, *inner = name.split(".")
    if top in PROJECT:
        return _inside(ROOT / top, inner)
    if top in sys.stdlib_module_names or _installed(top):
        return None
    loaded, spec = getattr(sys.modules.get(name), "__file__", None), _spec(top)
    if loaded or not inner:
        return _existing(loaded or (spec.origin if spec else None))
    folders = (spec.submodule_search_locations if spec else None) or []
    return next((file for folder in folders if (file := _inside(Path(folder), inner))), None)


def _inside(package: Path, inner: Sequence[str]) -> Path | None:
    """Return the file of a module, from the folder of its outermost package and the names inside of that."""
    path = package.joinpath(*inner)
    return _existing(path / "__init__.py") or _existing(path.with_suffix(".py"))


def _existing(path: str | Path | None) -> Path | None:
    return Path(path) if path and Path(path).is_file() else None


@functools.cache
def _installed(top: str) -> bool:
    """Whether an outermost package or module lies where a package manager puts what it installs."""
    spec = _spec(top)
    places = [*(spec.submodule_search_locations or []), spec.origin or ""] if spec else []
    return any(_managed(Path(place).resolve().parent) for place in places)


@functools.cache
def _managed(folder: Path) -> bool:
    return folder.name in ("site-packages", "dist-packages") or any(folder.glob("*.dist-info"))


@functools.cache
def _spec(top: str) -> ModuleSpec | None:
    """Find an outermost package or module, without importing it."""
    try:
        return importlib.util.find_spec(top)
    except ValueError:  # what was made by hand has none
        return None


@functools.cache
def _imports(name: str, path: Path) -> list[str]:
    """Name what the statements of a module may import: modules, and names that may be modules."""
    found: list[str] = []
    for node in _statements(path) if path.suffix == ".py" else ():
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return found


@functools.cache
def _statements(path: Path) -> list[ast.AST]:
    """Return all statements of a module, each before those inside of it."""
    return [*_inner(ast.parse(path.read_bytes()).body)]


def _inner(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    for node in body:
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _inner(getattr(node, block, ()))


def _packages(name: str) -> list[str]:
    """Name the packages around a module, whose ``__init__`` is run before it."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]
