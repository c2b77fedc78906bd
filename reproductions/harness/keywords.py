"""Keywords: ``-k`` selects the tests of a figure, table, theorem or section by its number in the paper.

Every number ends with a dot, so that ``figure1.`` does not select figure 10, while ``figure1`` selects both.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reproductions.harness.verdicts.claims import Claim, ClaimsError, find_claims, load_claims

ROMAN = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
IN_ROMAN = {"table", "section"}  # what papers count in Roman numerals
DRAWN = ("figure", "table")

PANELS = r"\([a-z](?:(?:,| or )[a-z])*\)"
FIGURES = re.compile(rf"(?:Fig(?:ure)?|called) (\d+)((?:(?:,| and )?{PANELS})*)")
EQUATIONS = re.compile(r"\(((?:[A-Z]\.)?[\d.]+)\)(?:-\(((?:[A-Z]\.)?[\d.]+)\))?")
NUMBERED = re.compile(
    r"(Table|Theorem|Lemma|Proposition|Corollary|Algorithm|Appendix|Sec|Remark|Definition|Assumption|Fact)(?:tion)?s? "
    r"([A-Z]+(?:[.-][A-Z]?\d*)*\b|\d[\d.]*(?:(?:, | and |/|-)\d[\d.]*)*)"
)


def keywords(claim: Claim) -> set[str]:
    """Return what names the places of a claim in its paper, such as ``{"figure4.", "figure4c.", "section6."}``.

    Table II is also ``table2.``, and table 1 also ``tablei.``; section V-B is also ``section5-b.``.
    """
    found = {"abstract"} if "Abstract" in claim.source else set()
    for number, panels in FIGURES.findall(claim.source):
        letters = [letter for group in re.findall(PANELS, panels) for letter in re.findall(r"\b[a-z]\b", group)]
        found |= {f"figure{number}{letter}." for letter in ("", *letters)}
    for first, last in EQUATIONS.findall(claim.source):
        found |= {f"equation{number}." for number in _range(first, last or first)}
    for kind, numbers in NUMBERED.findall(claim.source):
        name = "section" if kind == "Sec" else kind.lower()
        found |= {f"{name}{alias}." for number in _listed(numbers) for alias in _aliases(name, number)}
    return {word.lower() for word in found}


def _listed(numbers: str) -> Iterator[str]:
    """Split a list such as ``"2/3"``, ``"8, 9"`` or ``"1-4"``; ``"IV-A"`` is one number."""
    for part in re.split(r", | and |/", numbers):
        first, dash, last = part.partition("-")
        yield from _range(first, last) if dash and first.isdecimal() else [part]


def _range(first: str, last: str) -> list[str]:
    """Return the numbers from `first` to `last`, which differ in what follows their last dot."""
    prefix, dot, start = first.rpartition(".")
    return [f"{prefix}{dot}{number}" for number in range(int(start), int(last.rpartition(".")[2]) + 1)]


def _aliases(kind: str, number: str) -> Iterator[str]:
    """Return a number and those of the parts that it lies in, as ``V``, ``V-B`` and ``V-B4``, in both numerals."""
    whole, *parts = re.findall(r"[.-]?(?:[A-Z]+|\d+)", number)
    numerals = {whole}
    if kind in IN_ROMAN:
        numerals.add(ROMAN[int(whole)] if whole.isdecimal() else str(ROMAN.index(whole.lower())))
    for numeral in numerals:
        yield from itertools.accumulate((numeral, *parts))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the keywords of claims to the tests that decide them, before ``-k`` selects.

    A test that draws and decides nothing has the figures and tables of all claims of its module.
    """
    drawn: dict[Path, set[str]] = {}
    for item in items:
        found = _keywords(item)
        item.extra_keyword_matches |= found
        drawn.setdefault(item.path, set()).update(word for word in found if word.startswith(DRAWN))
    for item in items:
        if "figures" in getattr(item, "fixturenames", ()) and item.get_closest_marker("claim") is None:
            item.extra_keyword_matches |= drawn[item.path]


def _keywords(item: pytest.Item) -> set[str]:
    """Return the keywords of the claim of a test; none if it has no claim, or one that its claims file lacks."""
    marker = item.get_closest_marker("claim")
    try:
        claim = marker and load_claims(find_claims(item.path)).get(marker.args[0])
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None
    return keywords(claim) if claim else set()
