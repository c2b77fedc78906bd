"""Issues: ``reproductions history issues --history DIR`` opens one for each verdict that changed.

It needs the GitHub command line ``gh``. The name of a change stands in its issue, so that asking again, or finding the
same change once more, opens nothing; closed issues count too.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from reproductions.report.drift import Change
from reproductions.report.errors import ReportError
from reproductions.report.history import changes_since, markdown
from reproductions.report.records import read

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


def run(history: Path, since: str | None) -> int:
    """Open the issues of the last round, or since a commit; return 0."""
    _, changes = changes_since(read(history), since)
    try:
        opened = open_issues([change for change in changes if change.kind == "verdict"])
    except (OSError, subprocess.CalledProcessError) as error:
        raise ReportError(f"no issue can be opened: {error}") from None
    print("\n".join(f"opened: {title}" for title in opened) or "no issue to open")
    return 0
