"""Faults: what is wrong with a document, in one sentence: with its YAML, or with what a model of pydantic refuses."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

BRANCHES = ("bool", "int", "float", "str")  # how pydantic names the alternatives of a union after the field
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
LONGEST = 80  # letters of a value that are repeated


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds; a ValueError says in one line why it holds none; OSErrors go on."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is there
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def first(error: ValidationError) -> Any:
    """Return the fault to name: an unknown field is often the slip of the pen that made another one missing."""
    return min(error.errors(), key=lambda fault: fault["type"] not in UNKNOWN)


def fault(location: Iterable[object], error: Any) -> str:
    """Name the field at a location, its value and what would be valid."""
    names = itertools.takewhile(lambda part: part.isidentifier() and part not in BRANCHES, map(str, location))
    field = ".".join(names)
    match error["type"]:
        case "missing":
            return f"{field} is missing"
        case kind if kind in UNKNOWN:
            return f"{brief(field)} is an unknown field"
        case "value_error":
            return f"{field} {error['ctx']['error']}".strip()
        case "literal_error":
            return f"{field} is {brief(repr(error['input']))}, not one of {error['ctx']['expected']}"
    scalar = isinstance(error["input"], bool | int | float | str)
    given = f"is {brief(repr(error['input']))}, but " if scalar else ""
    return f"{field} {given}{error['msg'][0].lower()}{error['msg'][1:]}".strip()


def brief(text: str, longest: int = LONGEST) -> str:
    """Return a text in one line, cut if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 4]} ..."
