"""Records: one verdict of one session, and the small frames in which the history keeps them.

The frames are CSV, one a paper and scale, ``<history>/<scale>/<paper>.csv``, so that a change of a line can be read in
a commit. Floats are written with all their digits.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pydantic import TypeAdapter

from reproductions.harness.verdicts.decisions import Interval
from reproductions.harness.verdicts.record import VERDICTS
from reproductions.report.errors import ReportError
from reproductions.report.results import FILE, Evidence, read_verdicts


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
    claim: str
    paper: str
    scale: str
    workload: str
    verdict: str
    seeds: int
    commit: str | None = None
    clean: bool | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    df: float | None = None
    hardware: str = ""

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


_COLUMNS = [field.name for field in fields(Record) if field.name not in {"paper", "scale"}]  # these are in the path
_CHECKED = TypeAdapter(Record)


def from_results(results: Path) -> list[Record]:
    """Return the records of a results folder (of all its scales), of one of its scales, or of one file of verdicts.

    Raises
    ------
    ReportError
        If there are no verdicts, or they are damaged or of another schema.
    """
    paths = [results] if results.is_file() else sorted({*results.glob(FILE), *results.glob(f"*/{FILE}")})
    if not paths:
        raise ReportError(f"{results} holds no {FILE}; name a results folder, as --results of pytest was given")
    return [_record(evidence) for path in paths for evidence in read_verdicts(path)]


def _record(evidence: Evidence) -> Record:
    v = evidence.verdict
    copied = ("time", "commit", "paper", "scale", "workload", "verdict", "seeds", "hardware")
    low, high = v.interval or (None, None)
    diverged = low is not None and math.isnan(low)
    return Record(
        **{name: getattr(v, name) for name in (*copied, "estimate", "confidence", "df")},
        claim=v.id,
        clean=evidence.session.get("clean"),
        low=None if diverged else low,
        high=None if diverged else high,
    )


def add(records: Iterable[Record], history: Path) -> int:
    """Append records to the frames of a history; return how many were new.

    Adding a record again changes nothing. All frames are read and checked before one is written.

    Raises
    ------
    ReportError
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
    """Return all records of a history by time; a `ReportError` if there are none or a frame is damaged."""
    records = [record for path in sorted(history.glob("*/*.csv")) for record in _read(path)]
    if not records:
        raise ReportError(f"{history} holds no history; add a results folder to it first")
    return sorted(records, key=lambda record: record.time)


def _path(history: Path, record: Record) -> Path:
    for name in (record.scale, record.paper):
        if not re.fullmatch(r"[\w.-]*\w", name):
            raise ReportError(f"{name!r} cannot be the name of a paper or scale")
    return history / record.scale / f"{record.paper}.csv"


def _merged(path: Path, known: list[Record], new: list[Record]) -> list[Record]:
    rows = {(record.claim, record.time): record for record in known}
    for record in new:
        if rows.setdefault((record.claim, record.time), record) != record:
            raise ReportError(f"{path} holds another verdict of {record.claim} at {record.time}: nothing was added")
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
        raise ReportError(f"{path} is a damaged frame of the history: {' '.join(str(error).split())}") from None


def _row(path: Path, row: dict[str, str]) -> Record:
    if row["verdict"] not in VERDICTS:
        raise ValueError(f"{row['verdict']!r} is no verdict")
    values = {name: text for name, text in row.items() if text}
    return _CHECKED.validate_python(values | {"paper": path.stem, "scale": path.parent.name})
