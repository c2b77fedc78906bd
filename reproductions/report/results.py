"""Results folders: the verdicts and plots that they hold, checked before anything is made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from reproductions.harness import figures
from reproductions.harness.settings import SCALES
from reproductions.harness.verdicts import SCHEMA, VERDICTS, Verdict
from reproductions.report.errors import ReportError
from reproductions.report.files import check_whole

PICTURES = (".svg", ".png")
UNDECIDED = frozenset({"not run", "crashed"})  # verdicts that say nothing about a claim, nor about the data behind it


@dataclass(frozen=True)
class Record:
    """A verdict as it is stored.

    Parameters
    ----------
    verdict
        The row of the verdicts file; it is not changed.
    session
        Provenance of the session that decided it; empty if it is not known or nothing was run.
    file
        Verdicts file that it comes from; None for a claim that no file has.
    replaced
        What an earlier record says that this one was preferred to.
    """

    verdict: Verdict
    session: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    replaced: str = ""


@dataclass(frozen=True)
class Plot:
    """A plot with the numbers behind it.

    Parameters
    ----------
    paper, scale, name
        Where it belongs and how it is called, such as ``"figure8"``.
    test
        Node id of the test that drew it; empty if it was drawn before this was recorded.
    files
        Its files by suffix: ``".svg"``, ``".png"`` and ``".csv"``.
    """

    paper: str
    scale: str
    name: str
    test: str
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Folder:
    """What one results folder holds."""

    path: Path
    records: tuple[Record, ...]
    plots: tuple[Plot, ...]


def data_of(verdict: Verdict) -> str:
    """Return the label of the data behind a verdict, or nothing if it was not decided."""
    return "" if verdict.verdict in UNDECIDED else verdict.workload


def read_folder(path: Path, scales: Sequence[str] = SCALES) -> Folder:
    """Read some scales of a results folder.

    Raises
    ------
    ReportError
        If the folder is missing or holds no verdicts, or a file in it is damaged or of another schema.
    """
    if not path.is_dir():
        raise ReportError(f"there is no results folder {path}")
    files = [path / scale / "verdicts.json" for scale in scales if (path / scale / "verdicts.json").exists()]
    if not files:
        expected = " or ".join(f"{scale}/verdicts.json" for scale in scales)
        raise ReportError(f"the results folder {path} is empty: it has no {expected}; pytest reproductions/ makes one")
    records = [record for file in files for record in _records(file)]
    plots = [plot for scale in scales for plot in _plots(path / scale)]
    return Folder(path, tuple(records), tuple(plots))


# ------------------------------------------------------------------------------------------------------ verdicts


def _records(path: Path) -> list[Record]:
    document = _json(path, SCHEMA)
    try:
        last = document["provenance"]
        sessions = {"": last, last["time"]: last} | document.get("sessions", {})
        return [_record(path, row, sessions) for row in document["claims"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path} is damaged: its parts are not those of a verdicts file ({error!r})") from None


def _record(path: Path, stored: Mapping[str, Any], sessions: Mapping[str, Any]) -> Record:
    row = dict(stored)
    session = sessions[row.pop("session", "")]
    known = {field.name for field in fields(Verdict)}
    needed = {field.name for field in fields(Verdict) if field.default is MISSING}  # others are newer than some files
    if not needed <= row.keys() <= known:
        wrong = ", ".join(sorted((row.keys() - known) | (needed - row.keys())))
        raise ReportError(
            f"{path} is damaged: the record {row.get('id')!r} has these fields too many or too few: {wrong}"
        )
    if row["verdict"] not in VERDICTS:
        raise ReportError(f"{path}: the verdict of {row['id']} is {row['verdict']!r}, not one of {', '.join(VERDICTS)}")
    if row["scale"] != path.parent.name:
        raise ReportError(f"{path}: the record of {row['id']} is of scale {row['scale']!r}, not {path.parent.name!r}")
    row["interval"] = None if row["interval"] is None else _interval(path, row)
    verdict = Verdict(**row | {"merges": tuple(row["merges"])})
    return Record(verdict, session if session.get("commit") == verdict.commit else {}, path)


def _interval(path: Path, row: Mapping[str, Any]) -> tuple[float, float]:
    try:
        low, high = map(float, row["interval"])
    except (TypeError, ValueError):
        raise ReportError(f"{path}: the interval of {row['id']} is {row['interval']!r}, not two numbers") from None
    return low, high


# --------------------------------------------------------------------------------------------------------- plots


def _plots(scale: Path) -> list[Plot]:
    pictures = {path.with_suffix("") for suffix in PICTURES for path in scale.glob(f"*/*{suffix}")}
    return [_plot(stem) for stem in sorted(pictures)]


def _plot(stem: Path) -> Plot:
    files = {suffix: stem.with_name(stem.name + suffix) for suffix in (*PICTURES, ".csv")}
    present = {suffix: path for suffix, path in files.items() if path.exists()}
    for path in present.values():
        check_whole(path)
    origin = stem.with_name(f"{stem.name}.json")
    test = str(_json(origin, figures.SCHEMA).get("test", "")) if origin.exists() else ""
    return Plot(stem.parent.name, stem.parent.parent.name, stem.name, test, present)


def _json(path: Path, schema: int) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} is damaged: {error}") from None
    if not isinstance(document, dict) or "schema" not in document:
        raise ReportError(f"{path} is damaged: it has no schema number")
    if document["schema"] != schema:
        raise ReportError(f"{path} is of schema {document['schema']!r}, but this version reads {schema}: make it anew")
    return document
