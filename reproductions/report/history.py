"""History of the verdicts: ``python -m reproductions.report.history add RESULTS --history DIR``, and ``diff``.

``add`` appends the verdicts of a results folder to the frames in DIR; adding them again changes nothing. ``diff`` says
as Markdown what changed in the last round of sessions, or since a commit: see `reproductions.report.drift`. It ends
with 1 if a verdict changed and with 0 otherwise; both end with 2 and one sentence if they cannot work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from reproductions.report.drift import ALPHA, Change, replay
from reproductions.report.records import HistoryError, Record, add, from_results, read


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
    HistoryError
        If there is no record of the commit.
    """
    rounds = list(replay(records))
    if commit is None:
        return rounds[-1]
    at = [record.time for record in records if commit and (record.commit or "").startswith(commit)]
    if not at:
        known = list(dict.fromkeys(record.where for record in reversed(records)))
        raise HistoryError(f"the history has no record of commit {commit!r}; its latest are {', '.join(known[:5])}")
    later = [record for new, _ in rounds for record in new if record.time > max(at)]
    return later, [change for _, found in rounds for change in found if change.after.time > max(at)]


# -------------------------------------------------------------------------------------------------------- as Markdown


def markdown(looked_at: Sequence[Record], changes: Sequence[Change]) -> str:
    """Return the report of what changed, and since which commit."""
    verdicts, numbers, coverage = ([c for c in changes if c.kind == kind] for kind in ("verdict", "number", "coverage"))
    parts = [
        "# What changed",
        _looked_at(looked_at),
        f"Verdicts that changed: {len(verdicts)}. Numbers that moved: {len(numbers)}. Coverage: {len(coverage)}.",
        _section("Verdicts that changed", verdicts, _verdict),
        _section(f"Numbers that moved by more than their noise (Holm, level {ALPHA:.0%} a round)", numbers, _number),
        _section("Coverage: run or not run", coverage, _verdict),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _looked_at(records: Sequence[Record]) -> str:
    if not records:
        return "There is no later record."
    commits = ", ".join(dict.fromkeys(f"`{record.where}`" for record in records))
    first, last = min(record.time for record in records), max(record.time for record in records)
    return f"{len(records)} verdicts of commits {commits}, from {first} to {last}, against those before them."


def _section(title: str, changes: Sequence[Change], cells: Callable[[Change], tuple[str, str]]) -> str:
    if not changes:
        return ""
    head = "| claim | scale, data, hardware | before | now | last seen at | changed at |"
    rows = [_line(change, *cells(change)) for change in changes]
    return "\n".join([f"## {title}", "", head, "|---|---|---|---|---|---|", *rows])


def _line(change: Change, old: str, new: str) -> str:
    before, after = change.before, change.after
    where = f"{after.scale}, {_both(before.workload, after.workload)}, {_both(before.hardware, after.hardware)}"
    cells = (after.claim, where, old, new, f"`{before.where}` {before.time}", f"`{after.where}` {after.time}")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _both(old: str, new: str) -> str:
    return new if old == new else f"{old} → {new}"


def _verdict(change: Change) -> tuple[str, str]:
    return change.reference.verdict, change.after.verdict


def _number(change: Change) -> tuple[str, str]:
    how = "exact" if change.p is None else f"p = {change.p:.2g}"
    return _value(change.reference), f"{_value(change.after)} ({how})"


def _value(record: Record) -> str:
    if record.exact:
        return repr(record.estimate)  # an exact number may move in its last digit
    return f"{record.estimate:.6g} [{record.low:.6g}, {record.high:.6g}]"


# ------------------------------------------------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m reproductions.report.history", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    adding = commands.add_parser("add", help="append the verdicts of a results folder")
    adding.add_argument("results", type=Path, nargs="+")
    difference = commands.add_parser("diff", help="say what changed")
    difference.add_argument("--since", metavar="COMMIT", help="look at what came after this commit")
    for command in (adding, difference):
        command.add_argument("--history", type=Path, required=True, metavar="DIR")
    given = parser.parse_args(arguments)
    try:
        return _add(given.results, given.history) if given.command == "add" else _diff(given.history, given.since)
    except HistoryError as error:
        print(error, file=sys.stderr)
        return 2


def _add(results: Sequence[Path], history: Path) -> int:
    new = add([record for folder in results for record in from_results(folder)], history)
    print(f"{new} new records in {history}")
    return 0


def _diff(history: Path, since: str | None) -> int:
    looked_at, changes = changes_since(read(history), since)
    print(markdown(looked_at, changes), end="")
    return int(any(change.kind == "verdict" for change in changes))


if __name__ == "__main__":
    sys.exit(main())
