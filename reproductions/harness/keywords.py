"""Keywords: ``-k`` selects the tests of a figure, table, theorem or section by its number in the paper.

Every number ends with a dot, so that ``figure1.`` does not select figure 10, while ``figure1`` selects both.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reproductions.harness.session import claim_of
from reproductions.harness.verdicts.claims import Claim
from reproductions.harness.verdicts.places import BEFORE, IN_ROMAN, NUMBER, NUMBERS, OTHER, between, listed, places

DRAWN = ("figure", "table")
PANELS = r"\([a-z](?:(?:, ?| or )[a-z])*\)"
PANELLED = re.compile(rf"(?:{BEFORE['Figure']}|called )({NUMBERS})([a-z]\b|(?:(?:,| and )?{PANELS})*)")
EQUATION = rf"\(((?:[A-Z]\.)?{NUMBER})\)"
EQUATIONS = re.compile(rf"{EQUATION}(?:-{EQUATION})?")
OF_A_PANEL = re.compile(r"test_(figure\d+)([a-z])")  # the whole name of a test file


def keywords(claim: Claim) -> set[str]:
    """Return what names the places of a claim in its paper, such as ``{"figure4.", "figure4c.", "section6."}``.

    Table II is also ``table2.``, and table 1 also ``tablei.``; section V-B is also ``section5-b.``.
    """
    found = {"abstract"} if "Abstract" in claim.source else set()
    for kind, numbers in places(claim.source):
        found |= {f"{kind}{alias}." for number in numbers for alias in _aliases(kind, number)}
    for numbers, panels in PANELLED.findall(claim.source):
        number = listed(numbers)[-1]
        found |= {f"figure{number}{letter}." for letter in ("", *re.findall(r"\b[a-z]\b", panels))}
    for first, last in EQUATIONS.findall(claim.source):
        found |= {f"equation{number}." for number in between(first, last)}
    return {word.lower() for word in found}


def _aliases(kind: str, number: str) -> Iterator[str]:
    """Return a number and those of the parts that it lies in, as ``V``, ``V-B`` and ``V-B4``, in both numerals."""
    if kind == "Equation":
        yield number
        return
    whole, *parts = re.findall(r"[.-]?(?:[A-Z]+|\d+)", number)
    for numeral in {whole, OTHER.get(whole.lower(), whole)} if kind in IN_ROMAN else {whole}:
        yield from itertools.accumulate((numeral, *parts))


def _of_file(stem: str, words: set[str]) -> set[str]:
    """Return the keywords without the other panels of the figure whose panel a test file is named after."""
    named = OF_A_PANEL.fullmatch(stem)
    if named is None:
        return words
    figure, panel = named.groups()
    return {word for word in words if word == f"{figure}{panel}." or not re.fullmatch(rf"{figure}[a-z]\.", word)}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the keywords of claims to the tests that decide them, before ``-k`` selects.

    A test that draws and decides nothing has the figures and tables of all claims of its module. The tests of
    ``test_figure4b.py`` have no other panel of figure 4, as a claim may stand in several: one panel is one file.
    """
    drawn: dict[Path, set[str]] = {}
    for item in items:
        claim = claim_of(item)
        found = _of_file(item.path.stem, keywords(claim)) if claim else set()
        item.extra_keyword_matches |= found
        drawn.setdefault(item.path, set()).update(word for word in found if word.startswith(DRAWN))
    for item in items:
        if "figures" in getattr(item, "fixturenames", ()) and item.get_closest_marker("claim") is None:
            item.extra_keyword_matches |= drawn[item.path]
