"""Standings of the comparison: read from the numbers behind its maps, for a page on which a reader chooses."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass

from reproductions.report.results import Plot

COLUMNS = {"task", "condition", "contestant", "measure", "mean", "ratio", "low", "high", "best", "chosen"}
UNITS = {"time": (1.0, "s"), "bytes": (1e6, "MB"), "gradients": (1.0, "")}


@dataclass(frozen=True)
class Standing:
    """How a contestant does by one measure: its mean, the ratio to the best with its interval, whether it is the best.

    What was never reached is infinite.
    """

    mean: float
    unit: str
    ratio: float
    low: float
    high: float
    best: bool


@dataclass(frozen=True)
class Entry:
    """A contestant in a condition: what its tuning chose, and its standing by each measure."""

    contestant: str
    chosen: str
    standings: dict[str, Standing]


@dataclass(frozen=True)
class Heat:
    """All contestants in one condition on one task; `plot` has the numbers."""

    task: str
    condition: str
    plot: Plot
    entries: tuple[Entry, ...]


def heats(plots: Iterable[Plot]) -> list[Heat]:
    """Return the heats behind those plots that are maps of the comparison, in the order of their files."""
    return [heat for plot in plots if ".csv" in plot.files for heat in _heats(plot)]


def _heats(plot: Plot) -> list[Heat]:
    found: dict[tuple[str, str], dict[str, list[dict[str, str]]]] = {}
    for row in _rows(plot):
        found.setdefault((row["task"], row["condition"]), {}).setdefault(row["contestant"], []).append(row)
    return [Heat(*name, plot, tuple(map(_entry, entries.values()))) for name, entries in found.items()]


def _rows(plot: Plot) -> list[dict[str, str]]:
    """Return the rows of a map, none of any other plot."""
    with plot.files[".csv"].open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return list(reader) if set(reader.fieldnames or ()) >= COLUMNS else []


def _entry(rows: list[dict[str, str]]) -> Entry:
    standings = {row["measure"]: _standing(row) for row in rows if row["measure"] in UNITS}
    return Entry(rows[0]["contestant"], rows[0]["chosen"], standings)


def _standing(row: dict[str, str]) -> Standing:
    scale, unit = UNITS[row["measure"]]
    mean, ratio, low, high = (_number(row[name]) for name in ("mean", "ratio", "low", "high"))
    return Standing(mean / scale, unit, ratio, low, high, row["best"] == "True")


def _number(text: str) -> float:
    """Return a number of a table; what is none is infinite."""
    try:
        value = float(text)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(value) else value
