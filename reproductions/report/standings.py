"""Standings of the comparison: read from the numbers behind its maps, for a page on which a reader chooses."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

from reproductions.report.results import Plot

COLUMNS = {"task", "condition", "contestant", "measure", "mean", "ratio", "low", "high", "best", "chosen"}
MADE = {"task", "condition", "contestant", "runs", "tries"}
UNITS = {"time": (1.0, "s"), "bytes": (1e6, "MB"), "gradients": (1.0, "")}
SOONEST = "time of senders"  # the best by time among those that send anything
ADVISED = {SOONEST: UNITS["time"], "bytes": UNITS["bytes"]}


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
    """A contestant in a condition: what its tuning chose, its standing by each measure, its runs and all tries.

    A run is its seed, the beginning of its name in the store, and its modelled seconds to the target.
    """

    contestant: str
    chosen: str
    standings: dict[str, Standing]
    runs: tuple[tuple[str, str, str], ...] = ()
    tries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heat:
    """All contestants in one condition on one task; `plot` has the numbers."""

    task: str
    condition: str
    plot: Plot
    entries: tuple[Entry, ...]


def heats(plots: Iterable[Plot]) -> list[Heat]:
    """Return the heats behind those plots that are maps of the comparison, in the order of their files."""
    tables = [plot for plot in plots if ".csv" in plot.files]
    made: dict[tuple[str, ...], dict[str, str]] = {
        (plot.paper, plot.scale, row["task"], row["condition"], row["contestant"]): row
        for plot in tables
        for row in _rows(plot, MADE)
    }
    return [heat for plot in tables for heat in _heats(plot, made)]


@dataclass(frozen=True)
class Leaders:
    """Who is the best by a measure, or not told from it, the best first; `mean` is that of the best."""

    contestants: tuple[str, ...]
    mean: float
    unit: str


@dataclass(frozen=True)
class Advice:
    """What to use on a task in a condition, among those that send anything.

    `leaders` are one each of `ADVISED`, none where nobody gets to the target; `lost` are those that never do.
    """

    task: str
    condition: str
    leaders: tuple[Leaders | None, ...]
    lost: tuple[str, ...]


def advice(found: Iterable[Heat]) -> list[Advice]:
    """Return what heats say to a reader who has a network and looks for an algorithm."""
    return [
        Advice(
            heat.task,
            heat.condition,
            tuple(_leaders(heat.entries, measure) for measure in ADVISED),
            tuple(entry.contestant for entry in heat.entries if _never(entry)),
        )
        for heat in found
        if any(SOONEST in entry.standings for entry in heat.entries)
    ]


def _leaders(entries: Iterable[Entry], measure: str) -> Leaders | None:
    found = [(entry.contestant, entry.standings[measure]) for entry in entries if measure in entry.standings]
    best = sorted((pair for pair in found if pair[1].best and pair[1].ratio > 0), key=lambda pair: pair[1].ratio)
    return Leaders(tuple(who for who, _ in best), best[0][1].mean, best[0][1].unit) if best else None


def _never(entry: Entry) -> bool:
    return "time" in entry.standings and math.isinf(entry.standings["time"].ratio)


def _heats(plot: Plot, made: Mapping[tuple[str, ...], dict[str, str]]) -> list[Heat]:
    found: dict[tuple[str, str], dict[str, list[dict[str, str]]]] = {}
    for row in _rows(plot, COLUMNS):
        found.setdefault((row["task"], row["condition"]), {}).setdefault(row["contestant"], []).append(row)
    return [
        Heat(
            *name,
            plot,
            tuple(_entry(who, rows, made.get((plot.paper, plot.scale, *name, who))) for who, rows in entries.items()),
        )
        for name, entries in found.items()
    ]


def _rows(plot: Plot, columns: Set[str]) -> list[dict[str, str]]:
    """Return the rows of a table that has some columns, none of any other."""
    with plot.files[".csv"].open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return list(reader) if set(reader.fieldnames or ()) >= columns else []


def _entry(contestant: str, rows: list[dict[str, str]], made: dict[str, str] | None) -> Entry:
    standings = {row["measure"]: _standing(row) for row in rows if row["measure"] in UNITS | ADVISED}
    entry = Entry(contestant, rows[0]["chosen"], standings)
    if not made:
        return entry
    split = [run.split(" ") for run in made["runs"].split("; ")]
    runs = tuple((seed, name, seconds) for seed, name, seconds in split)
    return replace(entry, runs=runs, tries=tuple(made["tries"].split("; ")))


def _standing(row: dict[str, str]) -> Standing:
    scale, unit = (UNITS | ADVISED)[row["measure"]]
    mean, ratio, low, high = (_number(row[name]) for name in ("mean", "ratio", "low", "high"))
    return Standing(mean / scale, unit, ratio, low, high, row["best"] == "True")


def _number(text: str) -> float:
    """Return a number of a table; what is none is infinite."""
    try:
        value = float(text)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(value) else value
