"""Sections: the figure, table or theorem of a paper that a claim or a plot belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reproductions.harness.verdicts.places import arabic, places
from reproductions.report.merge import Finding
from reproductions.report.results import Plot

GROUP = {
    "Figure": "Figures and tables", "Table": "Figures and tables",
    "Theorem": "Theorems and lemmas", "Proposition": "Theorems and lemmas", "Lemma": "Theorems and lemmas",
    "Corollary": "Theorems and lemmas",
    "Algorithm": "Algorithms and equations", "Equation": "Algorithms and equations",
    "Section": "Text", "Appendix": "Text",
}  # fmt: skip
KINDS = tuple(GROUP)
GROUPS = tuple(dict.fromkeys(GROUP.values()))


@dataclass(frozen=True, order=True)
class Section:
    """A place in a paper; sections sort as a reader looks for them: by kind, then by number.

    Parameters
    ----------
    rank
        Position of its kind and its number.
    title
        Such as ``"Figure 4"``.
    """

    rank: tuple[int, tuple[tuple[int, str], ...]]
    title: str

    @property
    def slug(self) -> str:
        """Anchor of the section in a page."""
        return "section-" + re.sub(r"\W+", "-", self.title.lower()).strip("-")

    @property
    def group(self) -> str:
        """Column of the overview."""
        return GROUP[KINDS[self.rank[0]]] if self.rank[0] < len(KINDS) else GROUPS[-1]


def section_of(source: str) -> Section:
    """Return the section that the source of a claim names, figures and theorems before sections of text.

    Examples
    --------
    >>> section_of("Sec 4.2, Eq (4)").title
    'Equation 4'
    """
    for kind, (number, *_) in places(source):
        if kind in GROUP:
            return Section((KINDS.index(kind), _natural(arabic(kind, number))), f"{kind} {number}")
    title = re.split(r"[;,]", source)[0].strip() or "Elsewhere"
    return Section((0 if title.startswith("Map ") else len(KINDS), ()), title)  # a map is a figure without a number


def place(plot: Plot, findings: Iterable[Finding]) -> Section | None:
    """Return the section of a plot: that of the claim its test decides, else of its name, else of its test file.

    Parameters
    ----------
    plot
        A plot.
    findings
        Those of its paper.
    """
    sources = [(finding.headline.verdict.test, section_of(finding.claim.source)) for finding in findings]
    exact = [section for test, section in sources if plot.test and function(test) == function(plot.test)]
    if exact:
        return exact[0]
    named = section_of(re.sub(r"(?<=[a-z])(?=\d)", " ", plot.name).replace("_", " "))
    known = {section.rank: section for _, section in sources}
    if named.rank in known and named.rank[1]:
        return known[named.rank]
    near = [section for test, section in sources if plot.test and module(test) == module(plot.test)]
    return near[0] if near else None


def function(test: str) -> str:
    """Return the node id of a test without its parameters."""
    return test.split("[", maxsplit=1)[0]


def module(test: str) -> str:
    """Return the file of a test."""
    return test.split("::", maxsplit=1)[0]


def natural(name: str) -> list[tuple[int, str]]:
    """Return by what a name sorts: figure 10 after figure 4."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _natural(number: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdecimal() else (0, part) for part in number.split("."))
