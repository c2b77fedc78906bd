"""History of the verdicts: ``reproductions history add RESULTS --history DIR``, and ``history diff``.

``add`` appends the verdicts of a results folder to the frames in DIR; adding them again changes nothing. ``diff`` says
as Markdown what changed in the last round of sessions, or since a commit: see `reproductions.report.drift`. It ends
with 1 if a verdict changed and with 0 otherwise. ``reproductions drift OLD NEW`` says the same of two results folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reproductions.report.drift import ALPHA, Change, replay, replay_rounds
from reproductions.report.errors import ReportError
from reproductions.report.records import Record, add, from_results, read
from reproductions.report.render import cell, templates

TITLES = {
    "verdict": "Verdicts that changed",
    "number": f"Numbers that moved by more than their noise (Holm, level {ALPHA:.0%} a round)",
    "coverage": "Coverage: run or not run",
}


def changes_since(records: Sequence[Record], commit: str | None = None) -> tuple[list[Record], list[Change]]:
    """Return the records that are looked at and what changed in them.

    Parameters
    ----------
    records
        A history.
    commit
        Look at what came after the last record of this commit, given by its first letters; by default at the last
        round.

    Raises
    ------
    ReportError
        If there is no record of the commit.
    """
    rounds = list(replay(records))
    if commit is None:
        return rounds[-1]
    at = [record.time for record in records if commit and (record.commit or "").startswith(commit)]
    if not at:
        known = list(dict.fromkeys(record.where for record in reversed(records)))
        raise ReportError(f"the history has no record of commit {commit!r}; its latest are {', '.join(known[:5])}")
    later = [record for new, _ in rounds for record in new if record.time > max(at)]
    return later, [change for _, found in rounds for change in found if change.after.time > max(at)]


def markdown(looked_at: Sequence[Record], changes: Sequence[Change]) -> str:
    """Return the report of what changed, and since which commit."""
    by_kind = {kind: [change for change in changes if change.kind == kind] for kind in TITLES}
    text = templates({"cell": cell, "value": number}).get_template("changes.md")
    return text.render(titles=TITLES, by_kind=by_kind, looked_at=looked_at)


def number(record: Record) -> str:
    """Return the number behind a verdict, with its interval unless it is exact."""
    if record.exact:
        return repr(record.estimate)  # an exact number may move in its last digit
    return f"{record.estimate:.6g} [{record.low:.6g}, {record.high:.6g}]"


# ----------------------------------------------------------------------------------------------------------- commands


def extend(results: Sequence[Path], history: Path) -> int:
    """Append the verdicts of results folders to a history; return 0."""
    new = add([record for folder in results for record in from_results(folder)], history)
    print(f"{new} new records in {history}")
    return 0


def diff(history: Path, since: str | None) -> int:
    """Print what changed in the last round, or since a commit; return 1 if a verdict did."""
    return _print(*changes_since(read(history), since))


def compare(old: Path, new: Path) -> int:
    """Print what changed from one results folder to another; return 1 if a verdict did."""
    return _print(*list(replay_rounds([from_results(old), from_results(new)]))[-1])


def _print(looked_at: Sequence[Record], changes: Sequence[Change]) -> int:
    print(markdown(looked_at, changes), end="")
    return int(any(change.kind == "verdict" for change in changes))
