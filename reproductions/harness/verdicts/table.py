"""The table of reproduced against reported, for a terminal."""

from __future__ import annotations

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Sequence

from reproductions.harness.verdicts.claims import Claim
from reproductions.harness.verdicts.record import VERDICTS, Verdict

COLUMNS = ("claim", "verdict", "found", "reported", "source", "scale", "data", "tolerance", "hardware")
HIDDEN = ("Cc", "Cf", "Cs")  # control, format, such as a change of direction, and half a character
LEAST = {"found": 14, "reported": 9, "source": 12, "data": 8, "tolerance": 12}  # below this a column is left out


def table(found: Sequence[tuple[Claim, Verdict]], width: int) -> list[str]:
    """Return the lines of the table of reproduced against reported, with the counts by verdict.

    No line is longer than `width`, as long as name and verdict of every claim fit into it: the columns at the right
    are left out where there is no room for them, and long cells are cut.
    """
    rows = [COLUMNS, *(_cells(claim, verdict) for claim, verdict in found)]
    widths = _widths({column[0]: max(map(len, column)) for column in zip(*rows, strict=True)}, width)
    lines = ["  ".join(map(_fit, row, widths)).rstrip() for row in rows]
    counts = Counter(verdict.verdict for _, verdict in found)
    sums = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
    return [*lines, "", *textwrap.wrap(sums, width)]


def _cells(claim: Claim, v: Verdict) -> tuple[str, ...]:
    data, hardware = (v.workload, v.hardware) if v.decided else ("", "")
    cells = (v.id, v.verdict, v.found_with_interval, claim.reported, claim.source, v.scale, data)
    return tuple(plain(cell) for cell in (*cells, claim.tolerance, hardware))


def plain(text: str) -> str:
    """Return a text in one line without control characters, which a terminal or LaTeX would obey."""
    return "".join(letter for letter in " ".join(text.split()) if unicodedata.category(letter) not in HIDDEN)


def _widths(natural: dict[str, int], width: int) -> list[int]:
    """Return the widths of the columns that are shown; what is left over goes to the narrowest that need more."""
    widths: dict[str, int] = {}
    for name, wanted in natural.items():
        least = min(wanted, LEAST.get(name, wanted))
        if sum(widths.values()) + 2 * len(widths) + least > width and len(widths) >= 2:
            break
        widths[name] = least
    for _ in range(width - sum(widths.values()) - 2 * (len(widths) - 1)):
        narrow = [name for name in widths if widths[name] < natural[name]]
        if narrow:
            widths[min(narrow, key=widths.__getitem__)] += 1
    return list(widths.values())


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"
