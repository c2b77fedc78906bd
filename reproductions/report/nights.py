"""Nights: the history of the verdicts as the site shows it, newest first, and since which commit each one stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reproductions.harness.verdicts.record import VERDICTS
from reproductions.report.drift import Change, replay
from reproductions.report.records import Record

Series = tuple[str, str]
"""A claim at a scale."""


@dataclass(frozen=True)
class Night:
    """A round of sessions.

    Attributes
    ----------
    records
        What was decided or not run in it.
    counts
        How many claims, each at each of its scales, had which verdict at its end; of those that this round did not
        decide, the last one.
    changes
        What changed in it; the first commit of a change is that of its record `after`.
    """

    records: Sequence[Record]
    counts: Mapping[str, int]
    changes: Sequence[Change]

    @property
    def time(self) -> str:
        """When it ended."""
        return max(record.time for record in self.records)

    @property
    def commits(self) -> list[str]:
        """The commits that were run."""
        return list(dict.fromkeys(record.where for record in self.records))


@dataclass(frozen=True)
class Nights:
    """What the site shows of a history.

    Attributes
    ----------
    nights
        All rounds, the newest first.
    since
        The record with which the present verdict of a claim at a scale began.
    """

    nights: Sequence[Night]
    since: Mapping[Series, Record]


def history_of(records: Sequence[Record]) -> Nights:
    """Return the view of a history."""
    nights: list[Night] = []
    present: dict[Series, str] = {}
    for new, changes in replay(records):
        present |= {record.series: record.verdict for record in new if record.decided or record.series not in present}
        counts = Counter(present.values())
        nights.append(Night(new, {name: counts[name] for name in VERDICTS if counts[name]}, changes))
    return Nights(nights[::-1], _since(sorted(records, key=lambda record: record.time)))


def _since(records: Iterable[Record]) -> dict[Series, Record]:
    found: dict[Series, Record] = {}
    for record in records:
        if record.decided and (record.series not in found or found[record.series].verdict != record.verdict):
            found[record.series] = record
    return found
