"""Records: one verdict of one session, and the small frames in which the history keeps them.

The frames are CSV, one a paper and scale, ``<history>/<scale>/<paper>.csv``, so that a change of a line can be read in
a commit. Floats are written with all their digits.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from reproductions.harness.decisions import Interval
from reproductions.harness.verdicts import SCHEMA, VERDICTS


class HistoryError(ValueError):
    """A results folder or a history cannot be used; the message is one sentence that names it."""


@dataclass(frozen=True)
class Record:
    """One verdict of one session.

    Attributes
    ----------
    time, commit, clean
        When it was decided (UTC), at which commit, and whether the working tree was that commit.
    estimate, low, high, confidence, df
        The number behind the verdict and its interval; without an interval it is exact.
    seeds
        Number of random seeds; 0 for what has none.
    """

    time: str
    commit: str | None
    clean: bool | None
    claim: str
    paper: str
    scale: str
    workload: str
    verdict: str
    estimate: float | None
    low: float | None
    high: float | None
    confidence: float | None
    df: float | None
    seeds: int
    hardware: str

    @property
    def series(self) -> tuple[str, str]:
        """What has a history: a claim at a scale."""
        return self.claim, self.scale

    @property
    def decided(self) -> bool:
        """Whether there is a verdict; a crash is one, as it needs somebody to look."""
        return self.verdict != "not run"

    @property
    def exact(self) -> bool:
        """Whether the number has no randomness: a point, or the range of values that were computed exactly."""
        return self.low is None or self.confidence is None or self.confidence >= 1

    @property
    def interval(self) -> Interval:
        """The number and its interval, as it was decided on; a point if it is exact. There has to be an estimate."""
        assert self.estimate is not None
        if self.low is None or self.high is None or self.confidence is None or self.exact:
            return Interval(self.estimate, self.estimate, self.estimate, 1.0, max(self.seeds, 1))
        samples = max(self.seeds, 2)  # behind intervals that are not t intervals, which bring their own df
        return Interval(self.estimate, self.low, self.high, self.confidence, samples, self.df)

    @property
    def where(self) -> str:
        """The commit in a few letters, with a plus if the working tree was not that commit."""
        return f"{self.commit[:10]}{'+' if self.clean is False else ''}" if self.commit else "an unknown commit"


_PARSE: dict[str, Callable[[str], Any]] = {
    "commit": lambda text: text or None,
    "clean": {"True": True, "False": False, "": None}.__getitem__,
    "seeds": int,
    **dict.fromkeys(("estimate", "low", "high", "confidence", "df"), lambda text: float(text) if text else None),
}
_COLUMNS = [field.name for field in fields(Record) if field.name not in {"paper", "scale"}]  # these are in the path


def from_results(results: Path) -> list[Record]:
    """Return the records of a results folder (of all its scales), of one of its scales, or of one file of verdicts.

    Raises
    ------
    HistoryError
        If there are no verdicts, or they are damaged or of another schema.
    """
    paths = (
        [results] if results.is_file() else sorted({*results.glob("verdicts.json"), *results.glob("*/verdicts.json")})
    )
    if not paths:
        raise HistoryError(f"{results} holds no verdicts.json; name a results folder, as --results of pytest was given")
    return [record for path in paths for record in _verdicts(path)]


def _verdicts(path: Path) -> Iterator[Record]:
    try:
        document = json.loads(path.read_text())
        if document["schema"] != SCHEMA:
            raise HistoryError(f"{path} has schema {document['schema']!r}, but this version reads schema {SCHEMA}")
        for row in document["claims"]:
            yield _record(row, document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, HistoryError):
            raise
        raise HistoryError(f"{path} is no file of verdicts: {type(error).__name__}: {error}") from None


def _record(row: dict[str, Any], document: dict[str, Any]) -> Record:
    session = document.get("sessions", {}).get(row.get("session"), document["provenance"])
    low, high = row["interval"] or (None, None)
    diverged = low is not None and math.isnan(low)
    copied = ("time", "commit", "paper", "scale", "workload", "verdict", "seeds", "hardware")
    values: dict[str, Any] = {name: row[name] for name in copied}
    values |= {name: row.get(name) for name in ("estimate", "confidence", "df")}  # older files have none
    values |= {"claim": row["id"], "clean": session["clean"] if session["commit"] == row["commit"] else None}
    return Record(low=None if diverged else low, high=None if diverged else high, **values)


def add(records: Iterable[Record], history: Path) -> int:
    """Append records to the frames of a history; return how many were new.

    Adding a record again changes nothing. All frames are read and checked before one is written.

    Raises
    ------
    HistoryError
        If a frame is damaged or holds another verdict of the same claim, scale and time.
    """
    groups: dict[Path, list[Record]] = defaultdict(list)
    for record in records:
        groups[_path(history, record)].append(record)
    known = {path: _read(path) if path.exists() else [] for path in groups}
    merged = {path: _merged(path, known[path], new) for path, new in groups.items()}
    for path, rows in merged.items():
        if len(rows) > len(known[path]):
            _write(path, rows)
    return sum(len(rows) - len(known[path]) for path, rows in merged.items())


def read(history: Path) -> list[Record]:
    """Return all records of a history by time; a `HistoryError` if there are none or a frame is damaged."""
    records = [record for path in sorted(history.glob("*/*.csv")) for record in _read(path)]
    if not records:
        raise HistoryError(f"{history} holds no history; add a results folder to it first")
    return sorted(records, key=lambda record: record.time)


def _path(history: Path, record: Record) -> Path:
    for name in (record.scale, record.paper):
        if not re.fullmatch(r"[\w.-]*\w", name):
            raise HistoryError(f"{name!r} cannot be the name of a paper or scale")
    return history / record.scale / f"{record.paper}.csv"


def _merged(path: Path, known: list[Record], new: list[Record]) -> list[Record]:
    rows = {(record.claim, record.time): record for record in known}
    for record in new:
        if rows.setdefault((record.claim, record.time), record) != record:
            raise HistoryError(f"{path} holds another verdict of {record.claim} at {record.time}: nothing was added")
    return sorted(rows.values(), key=lambda record: (record.time, record.claim))


def _write(path: Path, records: list[Record]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(record) for record in records)
    os.replace(draft, path)


def _read(path: Path) -> list[Record]:
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if reader.fieldnames != _COLUMNS:
                raise ValueError(f"its columns are {reader.fieldnames}, not {_COLUMNS}")
            return [_row(path, row) for row in reader]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise HistoryError(f"{path} is a damaged frame of the history: {error}") from None


def _row(path: Path, row: dict[str, str]) -> Record:
    if row["verdict"] not in VERDICTS:
        raise ValueError(f"{row['verdict']!r} is no verdict")
    values: dict[str, Any] = {name: _PARSE.get(name, str)(text) for name, text in row.items()}
    return Record(paper=path.stem, scale=path.parent.name, **values)
