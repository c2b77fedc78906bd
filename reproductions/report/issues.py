"""Issues: ``python -m reproductions.report.issues --history DIR`` opens one for each verdict that changed.

It needs the GitHub command line ``gh``. The name of a change stands in its issue, so that asking again, or finding the
same change once more, opens nothing; closed issues count too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from reproductions.report.drift import Change
from reproductions.report.history import changes_since, markdown
from reproductions.report.records import HistoryError, read

LABEL = "verdict-change"


def open_issues(changes: Sequence[Change]) -> list[str]:
    """Open an issue for each change that has none; return their titles.

    Raises
    ------
    subprocess.CalledProcessError
        If ``gh`` fails.
    """
    if not changes:
        return []
    _gh("label", "create", LABEL, "--force", "--description", "A reproduction has another verdict than before")
    listed = _gh("issue", "list", "--label", LABEL, "--state", "all", "--limit", "10000", "--json", "body")
    bodies = [issue["body"] for issue in json.loads(listed)]
    new = [change for change in changes if not any(_marker(change) in body for body in bodies)]
    for change in new:
        _gh("issue", "create", "--label", LABEL, "--title", _title(change), "--body", _body(change))
    return [_title(change) for change in new]


def _marker(change: Change) -> str:
    return f"<!-- {change.name} -->"


def _title(change: Change) -> str:
    old, new = change.reference.verdict, change.after.verdict
    return f"{change.after.claim} at {change.after.scale} scale: {old}, now {new}"


def _body(change: Change) -> str:
    return f"{markdown([change.after], [change])}\n{_marker(change)}\n"


def _gh(*arguments: str) -> str:
    return subprocess.run(["gh", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the issues of the last round, or since a commit; 2 if that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m reproductions.report.issues", description=__doc__)
    parser.add_argument("--history", type=Path, required=True, metavar="DIR")
    parser.add_argument("--since", metavar="COMMIT", help="changes after this commit")
    given = parser.parse_args(arguments)
    try:
        _, changes = changes_since(read(given.history), given.since)
        opened = open_issues([change for change in changes if change.kind == "verdict"])
    except (HistoryError, OSError, subprocess.CalledProcessError) as error:
        print(f"no issue can be opened: {error}", file=sys.stderr)
        return 2
    print("\n".join(f"opened: {title}" for title in opened) or "no issue to open")
    return 0


if __name__ == "__main__":
    sys.exit(main())
