"""The site of the results of this checkout in a real browser."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from reproductions.__main__ import main
from reproductions.harness.runs.settings import SCALES
from reproductions.report.papers import load_papers
from tests.harness.toy_session import ROOT
from tests.report.browsing import WIDER, Browser, needed
from tests.report.generated import write_papers, write_results

pytestmark = needed

PAPERS = [paper.name for paper in load_papers() if paper.claims]
DESKTOP, SCREENS = (1366, 768), 12
TREND = {"trend", "trend-excluded", "consistent"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "site"
    assert main(["site", str(ROOT / "results"), "--to", str(folder)]) == 0
    return folder


SUMMARY = """
return Object.fromEntries([...document.querySelectorAll('[data-summary]')].map((row) => [row.dataset.summary,
  [...row.querySelectorAll('td')].map((e) => Number(e.textContent))]))
"""
TOTAL = "return [...document.querySelectorAll('.total td')].map((e) => Number(e.textContent))"
ANYWHERE = ("reproduced", "misprint", "erratum")
UNDECIDED = ("not run", "crashed", "inconclusive")


def test_the_numbers_of_the_summary_are_those_of_the_verdicts_file(browser: Browser, tmp_path: Path) -> None:
    papers = write_papers(tmp_path / "papers", claims=24)  # all of them about the paper's own setting
    results = write_results(tmp_path / "results", papers)
    assert main(["site", str(results), "--papers", str(papers), "--to", str(tmp_path / "site")]) == 0
    rows = json.loads((results / "smoke" / "verdicts.json").read_text())["claims"]
    browser.open(tmp_path / "site" / "index.html")
    shown = browser.run(SUMMARY)
    for paper, numbers in shown.items():
        found = Counter(row["verdict"] for row in rows if row["paper"] == paper)
        trend, none = sum(found[name] for name in TREND), found["not run"]
        other = found.total() - trend - none - found["illustration"]
        assert numbers == [0, 0, 0, 0, 0, trend, other, none]
    assert browser.run(TOTAL) == [sum(column) for column in zip(*shown.values(), strict=True)]


def test_the_numbers_of_the_summary_are_those_of_this_checkout(browser: Browser, kept: Path) -> None:
    rows: dict[str, dict[str, str]] = {}  # verdicts by claim and scale, those of your own sessions over the baseline's
    for scale in SCALES:
        for folder in (ROOT / "results" / "baseline", ROOT / "results"):
            path = folder / scale / "verdicts.json"
            for row in json.loads(path.read_text())["claims"] if path.exists() else []:
                known = rows.setdefault(row["id"], {})
                if scale not in known or row["verdict"] != "not run":  # which replaces nothing
                    known[scale] = row["verdict"]
    wanted = {}
    for paper in (paper for paper in load_papers() if paper.claims):
        counts = [0] * 8
        for claim in paper.claims.values():
            found = rows.get(claim.id, {})
            decided = [scale for scale in SCALES if found.get(scale, "not run") not in UNDECIDED]
            tried = [each for scale in SCALES if (each := found.get(scale, "not run")) != "not run"]
            verdict = found[decided[-1]] if decided else tried[-1] if tried else "not run"
            if claim.illustration:
                continue
            if claim.scale == "any":
                counts[ANYWHERE.index(verdict) if verdict in ANYWHERE else 3] += 1
            elif decided[-1:] == ["paper"]:
                counts[4] += 1
            else:
                counts[5 if verdict in TREND else 7 if verdict == "not run" else 6] += 1
        wanted[paper.name] = counts
    browser.open(kept / "index.html")
    shown = browser.run(SUMMARY)
    assert shown == wanted
    assert any(sum(numbers[:4]) for numbers in shown.values())
    assert browser.run(TOTAL) == [sum(column) for column in zip(*shown.values(), strict=True)]


@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_is_read_in_twelve_screens(browser: Browser, kept: Path, paper: str) -> None:
    browser.look(DESKTOP[0])
    browser.open(kept / f"{paper}.html")
    assert browser.run("return document.documentElement.scrollHeight") <= SCREENS * DESKTOP[1]


@pytest.mark.parametrize("page", ["index", *PAPERS])
@pytest.mark.parametrize("width", [390, DESKTOP[0]])
def test_nothing_of_this_checkout_overflows(browser: Browser, kept: Path, page: str, width: int) -> None:
    browser.look(width)
    browser.open(kept / f"{page}.html")
    assert browser.run("return document.documentElement.scrollWidth") == width
    assert browser.run(WIDER) == []


def test_the_summary_with_its_totals_is_on_the_first_screen(browser: Browser, kept: Path) -> None:
    browser.look(DESKTOP[0])
    browser.open(kept / "index.html")
    assert browser.run("return document.querySelector('.total').getBoundingClientRect().bottom") < DESKTOP[1]


@pytest.mark.parametrize("paper", PAPERS)
def test_pictures_are_there_and_their_forest_has_every_verdict(browser: Browser, kept: Path, paper: str) -> None:
    browser.open(kept / f"{paper}.html")
    browser.run("return Promise.all([...document.images].map((e) => e.decode()))")
    assert browser.run("return [...document.images].every((e) => e.naturalWidth > 0)")
    cards = {
        card["id"] for card in browser.run("return [...document.querySelectorAll('.card')].map((e) => ({id: e.id}))")
    }
    marks = re.findall(r"<g><title>([\w.-]+): [^<]+</title><rect", (kept / "figures" / f"{paper}.svg").read_text())
    assert sorted(marks) == sorted(cards)


TABULATED = {"coopsgd": {"table-1"}}  # names of algorithms and their parameters, without a number


@pytest.mark.parametrize("paper", PAPERS)
def test_every_figure_has_a_picture(browser: Browser, kept: Path, paper: str) -> None:
    if not list((ROOT / "results" / "baseline" / "smoke" / paper).glob("*.svg")):
        pytest.skip("the figures of a whole smoke session are not kept yet: reproductions keep RESULTS")
    browser.open(kept / f"{paper}.html")
    bare = browser.run(
        "return [...document.querySelectorAll('section.part')].filter((e) => !e.querySelector('img'))"
        ".map((e) => e.id.replace('section-', '')).filter((id) => /^(figure|table)/.test(id))"
    )
    assert set(bare) == TABULATED.get(paper, set())


@pytest.mark.parametrize("paper", PAPERS)
def test_no_picture_is_a_thumbnail(browser: Browser, kept: Path, paper: str) -> None:
    for width in (390, DESKTOP[0]):
        browser.look(width)
        browser.open(kept / f"{paper}.html")
        browser.run("return Promise.all([...document.images].map((e) => e.decode()))")
        small = browser.run(
            "return [...document.querySelectorAll('[data-plot] img')].filter((e) => e.checkVisibility())"
            ".filter((e) => e.getBoundingClientRect().width < e.naturalWidth / 2).map((e) => e.alt)"
        )
        assert small == []


@pytest.mark.parametrize("paper", PAPERS)
def test_the_axis_of_the_forest_is_inside_of_a_phone(browser: Browser, kept: Path, paper: str) -> None:
    browser.look(390)
    browser.open(kept / f"{paper}.html")
    browser.run("return document.querySelector('.forest img').decode()")
    shown = browser.run(
        "const e = document.querySelector('.forest img');"
        "return [e.getBoundingClientRect().right, e.clientWidth / e.naturalWidth]"
    )
    assert shown[0] <= 390
    assert shown[1] > 0.9
