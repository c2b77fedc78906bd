"""Results folders: the verdicts and plots that they hold, checked before anything is made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reproductions.harness import figures
from reproductions.harness.runs.settings import SCALES
from reproductions.harness.verdicts import kept
from reproductions.harness.verdicts.record import Verdict
from reproductions.report.errors import ReportError
from reproductions.report.files import check_whole

FILE = "verdicts.json"
BASELINE = "baseline"  # subfolder with verdicts of scales that a checkout keeps beside those of your own sessions


@dataclass(frozen=True)
class Evidence:
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
        What earlier evidence says that this one was preferred to.
    """

    verdict: Verdict
    session: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    replaced: str = ""

    @property
    def data(self) -> str:
        """Label of the data behind the verdict; nothing if it was not decided."""
        return self.verdict.workload if self.verdict.decided else ""


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
        Its files by suffix: ``".svg"`` and ``".csv"``.
    """

    paper: str
    scale: str
    name: str
    test: str
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Folder:
    """What one results folder holds; `kept` and `kept_plots` are those of its baseline."""

    path: Path
    evidence: tuple[Evidence, ...]
    kept: tuple[Evidence, ...]
    plots: tuple[Plot, ...]
    kept_plots: tuple[Plot, ...] = ()


def read_folder(path: Path, scales: Sequence[str] = SCALES) -> Folder:
    """Read some scales of a results folder.

    Raises
    ------
    ReportError
        If the folder is missing or holds no verdicts, or a file in it is damaged or of another schema.
    """
    if not path.is_dir():
        raise ReportError(f"there is no results folder {path}")
    found, kept = (_at_scales(folder, scales) for folder in (path, path / BASELINE))
    if not found and not kept:
        expected = " or ".join(f"{scale}/{FILE}" for scale in scales)
        raise ReportError(f"the results folder {path} is empty: it has no {expected}; pytest reproductions/ makes one")
    plots, kept_plots = (_plots(folder, scales) for folder in (path, path / BASELINE))
    return Folder(path, tuple(found), tuple(kept), plots, kept_plots)


# ------------------------------------------------------------------------------------------------------ verdicts


def _at_scales(folder: Path, scales: Sequence[str]) -> list[Evidence]:
    files = [folder / scale / FILE for scale in scales if (folder / scale / FILE).exists()]
    found = [evidence for file in files for evidence in read_verdicts(file)]
    for verdict, scale, file in ((each.verdict, each.file.parent.name, each.file) for each in found if each.file):
        if verdict.scale != scale:
            raise ReportError(f"{file}: the record of {verdict.id} is of scale {verdict.scale!r}, not {scale!r}")
    return found


def read_verdicts(path: Path) -> list[Evidence]:
    """Read a file of verdicts; a `ReportError` if it is damaged or of another schema."""
    try:
        document = kept.read(path)
    except kept.KeptError as error:
        raise ReportError(str(error)) from None
    return [_evidence(path, row, document["sessions"]) for row in document["claims"]]


def _evidence(path: Path, stored: Mapping[str, Any], sessions: Mapping[str, Any]) -> Evidence:
    row = dict(stored)
    session = sessions[row.pop("session")]
    interval = None if row["interval"] is None else tuple(row["interval"])
    verdict = Verdict(**row | {"interval": interval})
    return Evidence(verdict, session if session["commit"] == verdict.commit else {}, path)


# --------------------------------------------------------------------------------------------------------- plots


def _plots(root: Path, scales: Sequence[str]) -> tuple[Plot, ...]:
    return tuple(_plot(root, svg.with_suffix("")) for scale in scales for svg in sorted((root / scale).glob("*/*.svg")))


def _plot(root: Path, stem: Path) -> Plot:
    files = {suffix: stem.with_name(stem.name + suffix) for suffix in (".svg", ".csv")}
    present = {suffix: path for suffix, path in files.items() if path.exists()}
    if lost := [path for path in files.values() if path.is_symlink() and path not in present.values()]:
        raise ReportError(f"{lost[0]} is a link that leads nowhere: put the file in its place or remove it")
    for path in present.values():
        if not path.resolve().is_relative_to(root.resolve()):
            raise ReportError(f"{path} is a link out of the results folder: put the file in its place or remove it")
        check_whole(path)
    test = _test_of(stem.with_name(f"{stem.name}.json"))
    return Plot(stem.parent.name, stem.parent.parent.name, stem.name, test, present)


def _test_of(origin: Path) -> str:
    """Return the test that drew a plot; nothing if it was drawn before this was recorded."""
    if not origin.exists():
        return ""
    try:
        document = json.loads(origin.read_text())
        if document["schema"] != figures.SCHEMA:
            raise ValueError(f"it is of schema {document['schema']!r}, but this version reads {figures.SCHEMA}")
        return str(document["test"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReportError(f"{origin} is damaged: {error}; make it again or remove it") from None
