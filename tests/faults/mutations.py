"""Seeded mutations of documents: of their values, and of their bytes."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, 2**70, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan"), "", " ", "text", "nan",
    "../../x", "/etc/passwd", "javascript:alert(1)", "<script>alert(1)</script>", "=1+1", "a\x00b", "\x1b[31m",
    "line\nline", "x" * 10_000, "\u202e", "é", [], [[]], [None], [1, 2], ["a"], {}, {"a": 1}, {"": None}, {"a": {}},
)  # fmt: skip
Path = tuple[Any, ...]


def of_values(document: Any, seed: int, keys: tuple[Any, ...] = ()) -> Any:
    """Return a copy of a document in which one to three things are changed; `keys` are odd keys that its format has."""
    chance, changed = random.Random(seed), [copy.deepcopy(document)]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        _change(changed, chance, keys)
    return changed[0]


def of_bytes(content: bytes, seed: int) -> bytes:
    """Return bytes that were cut, flipped, doubled or filled with something else."""
    chance = random.Random(seed)
    start = chance.randrange(len(content))
    stop = min(len(content), start + chance.choice((1, 1, 2, 8, 64, 4096)))
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: content[:start],
        lambda: content[:start] + content[stop:],
        lambda: content[:start] + bytes(chance.randrange(256) for _ in range(stop - start)) + content[stop:],
        lambda: content[:stop] + content[start:],
        lambda: content[:start] + chance.choice((b"\xff", b"\x00", b"\t", b"[" * 5000, b"{", b": ", b"&a *a", b"- "))
        + content[start:],
        lambda: bytes([content[start] ^ 1 << chance.randrange(8)]).join((content[:start], content[start + 1 :])),
    )  # fmt: skip
    return chance.choice(ways)()


def _change(root: list[Any], chance: random.Random, keys: tuple[Any, ...]) -> None:
    path = chance.choice(list(_paths(root)))
    parent = _at(root, path[:-1])
    ways: list[Callable[[], object]] = [lambda: parent.__setitem__(path[-1], copy.deepcopy(chance.choice(VALUES)))] * 3
    if len(path) > 1:
        ways += [lambda: parent.pop(path[-1])]
    if isinstance(parent, dict):
        name = chance.choice((*keys, "", "unknown", f"{path[-1]} "))
        ways += [lambda: parent.__setitem__(name, parent.pop(path[-1]))]
    elif len(path) > 1:
        ways += [lambda: parent.append(copy.deepcopy(parent[path[-1]]))]
    other = chance.choice(list(_paths(root)))
    ways += [lambda: parent.__setitem__(path[-1], copy.deepcopy(_at(root, other)))]
    chance.choice(ways)()


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _paths(value[key], (*path, key))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value
