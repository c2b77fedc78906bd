"""The summary: one row of numbers a paper, the same in the README, on the site and on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reproductions.harness.verdicts.claims import Claim
from reproductions.report.errors import ReportError
from reproductions.report.merge import UNDECIDED, Finding, Results, merge
from reproductions.report.papers import Paper, load_papers
from reproductions.report.results import read_folder

ANYWHERE = ("reproduced", "misprint", "erratum", "other")
OWN = ("decided", "trend", "other", "none")
TRENDS = frozenset({"trend", "trend-excluded", "consistent"})
HALVES = {"decidable anywhere": ANYWHERE, "the paper's own setting": OWN}  # columns of the summary
LEGEND = (
    "Of a paper's own setting, decided means in that setting, whatever the verdict; trend (and what is consistent by a "
    "model), other and none say what the best evidence elsewhere is. Illustrations are not counted."
)


@dataclass(frozen=True)
class Summary:
    """The row of a paper.

    Attributes
    ----------
    anywhere
        Claims that any computer decides, by `ANYWHERE`.
    own
        Claims about the paper's own setting, by `OWN`: decided in it, or the best evidence from elsewhere.
    """

    paper: Paper
    anywhere: tuple[int, ...]
    own: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """All numbers of the row."""
        return self.anywhere + self.own


def summarize(results: Results) -> list[Summary]:
    """Return the rows of all papers with claims; what only illustrates is not counted."""
    return [_row(paper, results.of(paper.name)) for paper in results.papers if paper.claims]


def _row(paper: Paper, findings: Iterable[Finding]) -> Summary:
    counted = [finding for finding in findings if not _illustrates(finding)]
    anywhere = Counter(_anywhere(finding.verdict) for finding in counted if finding.claim.scale == "any")
    own = Counter(_own(finding) for finding in counted if finding.claim.scale == "paper")
    return Summary(paper, tuple(anywhere[name] for name in ANYWHERE), tuple(own[name] for name in OWN))


def total(rows: Sequence[Summary]) -> Summary:
    """Return the sums of all papers as a row of the same form."""
    halves = [row.anywhere for row in rows], [row.own for row in rows]
    anywhere, own = (tuple(map(sum, zip(*half, strict=True))) for half in halves)
    return Summary(Paper("in all", "in all"), anywhere, own)


def _illustrates(finding: Finding) -> bool:
    return finding.claim.illustration or finding.verdict == "illustration"


def _anywhere(verdict: str) -> str:
    return verdict if verdict in ANYWHERE else "other"


def _own(finding: Finding) -> str:
    if not finding.reduced and finding.verdict not in UNDECIDED:
        return "decided"
    return "trend" if finding.verdict in TRENDS else "none" if finding.verdict == "not run" else "other"


def sentence(rows: Sequence[Summary]) -> str:
    """Return the sums of all papers as one sentence, or two if there are claims about a paper's own setting."""
    anywhere, own = total(rows).anywhere, total(rows).own
    said = (
        f"Of {sum(anywhere)} claims that any computer can decide, {anywhere[0]} are reproduced, {anywhere[1]} with a "
        f"misprint, {anywhere[2]} are errata and {anywhere[3]} are something else or not run."
    )
    if not any(own):
        return said
    return (
        f"{said} Of {sum(own)} about the paper's own setting, {own[0]} were decided in it; of the others, {own[1]} "
        f"show a trend elsewhere or are consistent by a model, {own[2]} are something else, and {own[3]} nothing, as "
        "they were not run."
    )


def lines(rows: Sequence[Summary]) -> list[str]:
    """Return the table for a terminal of 80 columns, with the sums of several papers, without the sentence."""
    if not rows:
        return []
    rows = [*rows, total(rows)] if len(rows) > 1 else rows
    width = max(len("paper"), *(len(row.paper.name) for row in rows))
    heads = [name.rjust(5) for name in (*ANYWHERE, *OWN)]
    over = "  ".join(title.center(len("  ".join(n.rjust(5) for n in names))) for title, names in HALVES.items())
    body = [(row.paper.name, *(str(n).rjust(len(h)) for n, h in zip(row.numbers, heads, strict=True))) for row in rows]
    table = ["  ".join([name.ljust(width), *cells]) for name, *cells in [("paper", *heads), *body]]
    return [f"{'':{width}}  {over}".rstrip(), *table]


def of_session(folder: Path, claims: Iterable[Claim]) -> list[str]:
    """Return the summary of a results folder after a session, as lines for the terminal.

    Parameters
    ----------
    folder
        The results folder; what it lacks of the claims in this suite is not run.
    claims
        Claims of the session, whose paper need not be one of this suite.
    """
    papers = {paper.name: paper for paper in load_papers()}
    guests: dict[str, dict[str, Claim]] = {}
    for claim in claims:
        if claim.paper not in papers:
            guests.setdefault(claim.paper, {})[claim.id] = claim
    papers |= {name: Paper(name, name, own) for name, own in guests.items()}
    try:
        results = merge([read_folder(folder)], tuple(papers.values()))
    except ReportError as error:
        return [f"no summary of {folder}: {error}"]
    tried = {finding.claim.paper for finding in results.findings if finding.headline.file}
    return lines([row for row in summarize(results) if row.paper.name in tried])
