"""Views: what the pages of the site show, in the order in which they show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reproductions.harness.figures import DPI
from reproductions.harness.verdicts import Verdict
from reproductions.report.commands import redraw, rerun
from reproductions.report.files import png_size
from reproductions.report.merge import Results, blank
from reproductions.report.papers import Paper
from reproductions.report.results import Plot, Record, data_of
from reproductions.report.sections import Section, module, place, section_of
from reproductions.report.tables import counts

STATEMENT = ("quote", "reported", "tolerance", "erratum")  # what a record is decided against


@dataclass(frozen=True)
class Row:
    """One verdict on a claim.

    Parameters
    ----------
    record, command
        The verdict and how to get it again.
    session
        Number of the session in the list at the end of the page; 0 if it is not known.
    changed
        Parts of the claim that were changed in the claims file since.
    reduced
        Whether this scale cannot decide the paper's own number.
    """

    record: Record
    command: str
    session: int
    changed: tuple[str, ...]
    reduced: bool

    @property
    def verdict(self) -> Verdict:
        """The stored verdict."""
        return self.record.verdict


@dataclass(frozen=True)
class Card:
    """A claim: its statement as the claims file has it today, how to read it, and all verdicts on it."""

    statement: Verdict
    note: str
    trend: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Picture:
    """A plot as the site shows it.

    Parameters
    ----------
    plot, folder
        The plot and the folder of its copies in the site.
    data, command
        Data behind it, and how to make it again.
    size
        Width and height on the page in pixels, so that nothing moves when it is loaded; None without a PNG.
    """

    plot: Plot
    folder: str
    data: str
    command: str
    size: tuple[int, int] | None


@dataclass(frozen=True)
class Part:
    """A section of a paper with its plots and claims."""

    section: Section
    pictures: tuple[Picture, ...]
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Page:
    """A paper."""

    paper: Paper
    parts: tuple[Part, ...]
    elsewhere: tuple[Picture, ...]
    sessions: tuple[Mapping[str, Any], ...]
    counts: Mapping[str, int]

    def squares(self, scale: str, group: str) -> list[tuple[Section, list[Verdict]]]:
        """Return the verdicts of one cell of the overview, by section."""
        parts = [part for part in self.parts if part.section.group == group]
        found = [(part.section, [row.verdict for row in rows_of(part) if row.verdict.scale == scale]) for part in parts]
        return [(section, verdicts) for section, verdicts in found if verdicts]


def rows_of(part: Part) -> list[Row]:
    """Return all verdicts of a section."""
    return [row for card in part.cards for row in card.rows]


def page_of(results: Results, paper: Paper) -> Page:
    """Return the view of a paper."""
    records = results.of(paper.name)
    sessions = _sessions(records)
    by_claim: dict[str, list[Record]] = {}
    for record in records:
        by_claim.setdefault(record.verdict.id, []).append(record)
    cards = [_card(paper, group, sessions) for group in by_claim.values()]
    plots = [(_place(plot, records), plot) for plot in results.plots if plot.paper == paper.name]
    sections = sorted({section_of(card.statement.source) for card in cards} | {place for place, _ in plots if place})
    return Page(
        paper,
        tuple(_part(section, cards, plots) for section in sections),
        tuple(_picture(plot, []) for place, plot in plots if place is None),
        tuple(sessions),
        counts(records),
    )


def _sessions(records: Iterable[Record]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for record in records:
        if record.session and record.session not in found:
            found.append(record.session)
    return found


def _card(paper: Paper, records: Sequence[Record], sessions: list[Mapping[str, Any]]) -> Card:
    first = records[0].verdict
    claim = paper.claims.get(first.id)
    statement = blank(claim, first.scale) if claim else first
    exact = claim is None or claim.scale == "any"
    rows = [_row(record, statement, sessions, not exact and record.verdict.scale != "paper") for record in records]
    return Card(statement, claim.note if claim else "", claim.trend if claim else "", tuple(rows))


def _row(record: Record, statement: Verdict, sessions: list[Mapping[str, Any]], reduced: bool) -> Row:
    verdict = record.verdict
    changed = tuple(name for name in STATEMENT if getattr(verdict, name) != getattr(statement, name))
    session = sessions.index(record.session) + 1 if record.session else 0
    return Row(record, rerun(verdict), session, changed, reduced)


def _place(plot: Plot, records: Iterable[Record]) -> Section | None:
    return place(plot, [record.verdict for record in records])


def _part(section: Section, cards: Iterable[Card], plots: Iterable[tuple[Section | None, Plot]]) -> Part:
    mine = [card for card in cards if section_of(card.statement.source) == section]
    verdicts = [row.verdict for card in mine for row in card.rows]
    pictures = tuple(_picture(plot, verdicts) for place, plot in plots if place == section)
    return Part(section, pictures, tuple(mine))


def _picture(plot: Plot, verdicts: Iterable[Verdict]) -> Picture:
    home = module(plot.test) or f"/test_{plot.name}.py"  # an older plot does not say who drew it
    found = {data_of(v) for v in verdicts if v.scale == plot.scale and module(v.test).endswith(home)}
    data = ", ".join(sorted(found - {""}))
    png = plot.files.get(".png")
    width, height = (round(pixels * 96 / DPI) for pixels in png_size(png)) if png else (0, 0)
    return Picture(plot, f"figures/{plot.scale}/{plot.paper}", data, redraw(plot), (width, height) if png else None)
