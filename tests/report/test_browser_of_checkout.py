"""The site of the results of this checkout in a real browser."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
WIDTHS = (390, DESKTOP[0])
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


FOUND = f"""
const of = (selector) => [...document.querySelectorAll(selector)];
return {{
  height: document.documentElement.scrollHeight,
  width: document.documentElement.scrollWidth,
  wider: (() => {{{WIDER}}})(),
  total: document.querySelector('.total')?.getBoundingClientRect().bottom,
  empty: [...document.images].filter((e) => !(e.naturalWidth > 0)).map((e) => e.alt),
  cards: of('.card').map((e) => e.id),
  bare: of('section.part').filter((e) => !e.querySelector('img')).map((e) => e.id.replace('section-', ''))
    .filter((id) => /^(figure|table)/.test(id)),
  small: of('[data-plot] img').filter((e) => e.checkVisibility())
    .filter((e) => e.getBoundingClientRect().width < e.naturalWidth / 2).map((e) => e.alt),
  forest: of('.forest img').map((e) => [e.getBoundingClientRect().right, e.clientWidth / e.naturalWidth]),
}};
"""
Look = Callable[[str, int], Any]


@pytest.fixture(scope="module")
def seen() -> dict[tuple[str, int], Any]:
    return {}


@pytest.fixture
def look(browser: Browser, kept: Path, seen: dict[tuple[str, int], Any]) -> Look:
    """Return what tells what is found on a page in a window of some width: each is opened once."""

    def found(page: str, width: int) -> Any:
        if (page, width) not in seen:
            browser.look(width)
            browser.open(kept / f"{page}.html")
            if page in PAPERS:  # the overview keeps some of its pictures hidden
                browser.run("return Promise.all([...document.images].map((e) => e.decode()))")
            seen[page, width] = browser.run(FOUND)
        return seen[page, width]

    return found


@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_is_read_in_twelve_screens(look: Look, paper: str) -> None:
    assert look(paper, DESKTOP[0])["height"] <= SCREENS * DESKTOP[1]


@pytest.mark.parametrize("page", ["index", *PAPERS])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_of_this_checkout_overflows(look: Look, page: str, width: int) -> None:
    found = look(page, width)
    assert (found["width"], found["wider"]) == (width, [])


def test_the_summary_with_its_totals_is_on_the_first_screen(look: Look) -> None:
    assert look("index", DESKTOP[0])["total"] < DESKTOP[1]


@pytest.mark.parametrize("paper", PAPERS)
def test_pictures_are_there_and_their_forest_has_every_verdict(look: Look, kept: Path, paper: str) -> None:
    found = look(paper, DESKTOP[0])
    assert found["empty"] == []
    marks = re.findall(r"<g><title>([\w.-]+): [^<]+</title><rect", (kept / "figures" / f"{paper}.svg").read_text())
    assert sorted(marks) == sorted(set(found["cards"]))


TABULATED = {"coopsgd": {"table-1"}}  # names of algorithms and their parameters, without a number


@pytest.mark.parametrize("paper", PAPERS)
def test_every_figure_has_a_picture(look: Look, paper: str) -> None:
    if not list((ROOT / "results" / "baseline" / "smoke" / paper).glob("*.svg")):
        pytest.skip("the figures of a whole smoke session are not kept yet: reproductions keep RESULTS")
    assert set(look(paper, DESKTOP[0])["bare"]) == TABULATED.get(paper, set())


@pytest.mark.parametrize("paper", PAPERS)
def test_no_picture_is_a_thumbnail(look: Look, paper: str) -> None:
    assert [look(paper, width)["small"] for width in WIDTHS] == [[], []]


@pytest.mark.parametrize("paper", PAPERS)
def test_the_axis_of_the_forest_is_inside_of_a_phone(look: Look, paper: str) -> None:
    right, shown = look(paper, WIDTHS[0])["forest"][0]
    assert right <= WIDTHS[0]
    assert shown > 0.9
