"""Drift: what changed in a history of verdicts, apart from whether it agrees with the paper.

The history is replayed in rounds; a round ends where a claim comes again, so a night of all papers is one. In a round

- a **verdict** changes if a claim has another one than when it was last decided; every verdict but ``not run`` counts;
- **coverage** changes if a claim is decided that was not run before, or the other way round;
- a **number** moves if it differs from its reference by more than the noise of both.

A number is compared with a fixed reference: the first record after its last move, of the same claim, scale, workload
and verdict. As the reference stays, a slow drift adds up until it is seen. Intervals tell the standard errors; the test
is Welch's, two-sided (`intervals.p_moved`), with Holm's correction over all claims that are compared in the round: if
nothing moved, a round names any number with a probability of at most `ALPHA`. This takes the two records as
independent. Sessions usually share their seeds, and then the level is an upper bound: what the seeds have in common
cancels in the difference but not in its standard error. The price is power, see ``docs/statistics.md``. Intervals of a
worst case (`at_most_one`) or of the part that stood in the way (`all_of`) are those of a selected mean, for which the
test is an approximation.

Exact numbers have no noise: any difference is a move, and they are not part of the correction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from reproductions.harness.verdicts.intervals import p_moved
from reproductions.harness.verdicts.power import holm
from reproductions.report.records import Record

ALPHA = 0.05
Kind = Literal["verdict", "number", "coverage"]


@dataclass(frozen=True)
class Change:
    """Something that changed.

    Attributes
    ----------
    kind
        What changed.
    reference
        Record that stands for the old value.
    before, after
        The last record with the old value and the first with the new one.
    p
        Adjusted p-value of a number that has noise.
    """

    kind: Kind
    reference: Record
    before: Record
    after: Record
    p: float | None = None

    @property
    def name(self) -> str:
        """A name that stays the same however often the change is found."""
        old, new = self.reference, self.after
        return f"{self.kind} {new.claim} {new.scale} {old.verdict}->{new.verdict} at {new.commit or new.time}"


@dataclass
class _Series:
    """What the replay remembers of a claim at a scale."""

    last: Record
    decided: Record | None = None
    reference: Record | None = None
    measured: Record | None = None

    def compares(self, new: Record) -> bool:
        """Return whether the number of a new record can be compared with the reference."""
        old = self.reference
        if old is None or old.estimate is None or new.estimate is None:
            return False
        return (old.workload, old.verdict) == (new.workload, new.verdict)

    def remember(self, new: Record, moved: bool) -> None:
        """Go on from a new record."""
        self.last = new
        if new.decided:
            self.decided = new
        if new.estimate is not None:
            if moved or not self.compares(new):
                self.reference = new
            self.measured = new


def replay(records: Iterable[Record], alpha: float = ALPHA) -> Iterator[tuple[list[Record], list[Change]]]:
    """Give every round of a history, oldest first, with what changed in it; see above."""
    return replay_rounds(_rounds(sorted(records, key=lambda record: record.time)), alpha)


def replay_rounds(rounds: Iterable[list[Record]], alpha: float = ALPHA) -> Iterator[tuple[list[Record], list[Change]]]:
    """Give rounds in the order in which they come, with what changed in each."""
    known: dict[tuple[str, str], _Series] = {}
    for new in rounds:
        pairs = [(known[record.series], record) for record in new if record.series in known]
        changes = [change for series, record in pairs for change in _verdicts(series, record)]
        moves = _moves(pairs, alpha)
        yield new, [*changes, *moves]
        moved = {change.after.series for change in moves}
        for record in new:
            known.setdefault(record.series, _Series(record)).remember(record, record.series in moved)


def _rounds(records: Sequence[Record]) -> Iterator[list[Record]]:
    current: dict[tuple[str, str], Record] = {}
    for record in records:
        if record.series in current:
            yield list(current.values())
            current = {}
        current[record.series] = record
    if current:
        yield list(current.values())


def _verdicts(series: _Series, new: Record) -> Iterator[Change]:
    if new.decided != series.last.decided:
        yield Change("coverage", series.last, series.last, new)
    if new.decided and series.decided is not None and new.verdict != series.decided.verdict:
        yield Change("verdict", series.decided, series.decided, new)


def _moves(pairs: Sequence[tuple[_Series, Record]], alpha: float) -> list[Change]:
    compared = [(s.reference, s.measured, new) for s, new in pairs if s.reference and s.measured and s.compares(new)]
    exact = [triple for triple in compared if triple[0].exact and triple[2].exact]
    noisy = [triple for triple in compared if triple not in exact]
    moves = [Change("number", *triple) for triple in exact if triple[0].estimate != triple[2].estimate]
    adjusted = holm([p_moved(reference.interval, new.interval) for reference, _, new in noisy])
    moves += [Change("number", *triple, p=float(p)) for triple, p in zip(noisy, adjusted, strict=True) if p < alpha]
    return moves
