"""The site of made results in a real browser."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from reproductions.__main__ import main
from reproductions.report.records import add
from tests.report.browsing import WIDER, Browser, needed
from tests.report.generated import verdicts, write_papers, write_plot, write_results, write_verdicts
from tests.report.test_nights import week
from tests.report.test_standings import write_map

pytestmark = needed

CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgb = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const light = (colour) => rgb(colour).slice(0, 3).map((c) => c / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (e) => !e ? "white" : rgb(getComputedStyle(e).backgroundColor)[3] === 255
  ? getComputedStyle(e).backgroundColor : ground(e.parentElement);
const ratio = (e) => {
  const [low, high] = [light(getComputedStyle(e).color), light(ground(e))].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
return [...document.body.querySelectorAll("*")]
  .filter((e) => [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && e.checkVisibility())
  .filter((e) => ratio(e) < 4.5).map((e) => `${e.tagName}.${e.className} ${e.textContent.slice(0, 40)}: ${ratio(e)}`);
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    papers = write_papers(folder / "papers", claims=24)
    results = write_results(folder / "results", papers)
    write_verdicts(results, "small", verdicts(papers, "small")[::2])
    write_plot(results, "small", "paper0", "figure2")
    write_map(results)
    add(week(), folder / "history")
    command = ["site", str(results), "--papers", str(papers), "--history", str(folder / "history")]
    assert main([*command, "--to", str(folder / "site")]) == 0
    return folder / "site"


@pytest.mark.parametrize("page", ["index.html", "paper0.html", "history.html", "compare.html"])
def test_nothing_overflows_and_everything_can_be_read(browser: Browser, site: Path, page: str) -> None:
    browser.open(site / page)
    for width, scheme in product((390, 1280), ("light", "dark")):
        browser.look(width, scheme)
        browser.settle()
        assert browser.run("return document.documentElement.scrollWidth") == width
        assert browser.run(WIDER) == []
        assert browser.run(CONTRAST) == []
        brightness = browser.run("return getComputedStyle(document.body).backgroundColor")
        assert ("255" in brightness) == (scheme == "light")
        grounds = (
            "return [...document.querySelectorAll('.paper-white')].map((e) => getComputedStyle(e).backgroundColor)"
        )
        assert set(browser.run(grounds)) <= {"rgb(255, 255, 255)"}


def test_one_condition_is_shown_in_the_order_of_one_measure(browser: Browser, site: Path) -> None:
    browser.open(site / "compare.html", "?task=squares&condition=ideal&measure=gradients")
    assert [shown["task"] for shown in browser.visible(".heat")] == ["squares"]
    browser.open(site / "compare.html", "?task=digits&condition=ideal&measure=time")
    rows = "return [...document.querySelectorAll('.heat:not([hidden]) tbody th')].map((e) => e.firstChild.data.trim())"
    assert browser.run(rows) == ["fast", "slow"]
    choice = "const box = document.querySelector('select[name=condition]'); box.value = 'rain';"
    browser.run(f"{choice} box.dispatchEvent(new Event('change', {{bubbles: true}}))")
    assert [shown["condition"] for shown in browser.visible(".heat")] == ["rain"]
    assert "condition=rain" in browser.run("return location.search")
    browser.open(site / "compare.html", "?task=squares&condition=rain")
    assert browser.visible("#missing")


def test_filters_on_the_overview_add_up(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html")
    assert len(browser.visible(".matrix .square[data-verdict]")) == 48
    browser.click("input[value=deviates]")
    browser.click("input[value=erratum]")
    browser.click("input[value=small]")
    browser.click("input[value=paper1]")
    shown = browser.visible(".matrix .square[data-verdict]")
    assert shown
    assert {(s["verdict"], s["scale"], s["paper"]) for s in shown} == {
        ("deviates", "small", "paper1"), ("erratum", "small", "paper1")
    }  # fmt: skip
    assert browser.run("return document.getElementById('shown').value") == f"{len(shown)} of 48 claims"
    assert len(browser.visible(".matrix tbody")) == 1
    browser.click("button[type=reset]")
    browser.settle()
    assert len(browser.visible(".matrix .square[data-verdict]")) == 48


def test_a_filter_follows_to_the_page_of_a_paper_and_stays_after_a_reload(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html")
    browser.click("input[value=trend]")
    browser.click("input[value=smoke]")
    browser.click(".matrix .paper a")
    assert browser.driver.current_url.endswith("paper0.html?verdict=trend&scale=smoke")
    for _ in range(2):
        assert {(s["verdict"], s["scale"]) for s in browser.visible(".card")} == {("trend", "smoke")}
        assert {plot["scale"] for plot in browser.visible("figure[data-plot]")} <= {"smoke"}
        assert all(browser.run("return [...document.querySelectorAll('aside a')].filter((e) => e.checkVisibility())"
                               ".map((e) => document.querySelector(e.hash).checkVisibility())"))  # fmt: skip
        browser.driver.refresh()


def test_a_link_to_a_claim_shows_it_whatever_the_filter_says(browser: Browser, site: Path) -> None:
    browser.open(site / "paper0.html", "?verdict=trend#paper0-claim22")  # it is reproduced
    assert "paper0-claim22" in {card["id"] for card in browser.visible(".card")}
    top = browser.run("return document.getElementById('paper0-claim22').getBoundingClientRect().top")
    assert 0 <= top < 800
    assert browser.run("return document.querySelector('.outside').id") == "paper0-claim22"
    browser.run("location.hash = 'paper0-claim2'")  # a trend
    browser.run("return new Promise((done) => setTimeout(done, 100))")
    assert browser.run("return document.querySelector('.outside')") is None
    assert "paper0-claim22" not in {card["id"] for card in browser.visible(".card")}


def test_a_square_leads_to_its_claim(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html")
    browser.click("a[href$='paper1.html#paper1-claim9']")
    browser.until("return document.querySelector(':target') !== null")  # a click does not wait for the page
    assert browser.run("return document.querySelector(':target').id") == "paper1-claim9"


def test_an_empty_choice_is_said(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html", "?verdict=crashed&paper=elsewhere")  # a paper that is not there is no choice
    assert {square["verdict"] for square in browser.visible(".square[data-verdict]")} == {"crashed"}
    browser.run("for (const e of document.querySelectorAll('[data-verdict=crashed]')) e.remove()")
    browser.click("input[value=small]")
    assert browser.visible("#nothing")


def test_the_theme_is_chosen_and_remembered(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html")
    colour = "return getComputedStyle(document.body).backgroundColor"
    automatic = browser.run(colour)
    browser.click("#theme")
    assert browser.run(colour) == automatic
    browser.click("#theme")
    assert browser.run("return document.getElementById('theme').textContent") == "theme: dark"
    assert browser.run(colour) != automatic
    browser.open(site / "paper0.html")
    assert browser.run(colour) != automatic
    browser.click("#theme")
    assert browser.run(colour) == automatic


def test_the_summary_is_that_of_the_squares(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html")
    cells = browser.run("return [...document.querySelectorAll('[data-summary] td')].map((e) => Number(e.textContent))")
    drawn = browser.visible(".square[data-verdict=illustration]")
    assert len(cells) == 2 * 8
    assert sum(cells) == 48 - len(drawn)
    assert drawn


def test_the_evidence_of_other_scales_stands_under_the_headline(browser: Browser, site: Path) -> None:
    browser.open(site / "paper0.html", "#paper0-claim2")
    card = "document.getElementById('paper0-claim2')"
    assert browser.run(f"return {card}.querySelector('details').open")
    assert browser.run(f"return {card}.querySelector('.head .where').textContent").startswith("scale small")
    others = browser.run(f"return [...{card}.querySelectorAll('.other')].map((e) => e.textContent.trim())")
    assert len(others) == 1
    assert "scale smoke" in others[0]


def test_the_details_of_a_claim_are_folded_until_its_address_is_opened(browser: Browser, site: Path) -> None:
    browser.open(site / "paper0.html", "#section-figure-1")
    unfolded = "return [...document.querySelectorAll('details[open]')].map((e) => e.parentElement.id)"
    assert browser.run(unfolded) == []
    browser.open(site / "paper0.html", "#paper0-claim2")
    assert browser.run(unfolded) == ["paper0-claim2"]


HOSTILE = (
    "<script>window.ran = 'inline'</script>"
    "<script src='data:text/javascript,window.ran=1'></script>"
    "<img src='missing.png' onerror='window.ran = 2'>"
    "<iframe srcdoc='<script>parent.ran = 3</script>'></iframe>"
    "<object data='data:text/html,<script>parent.ran = 4</script>'></object>"
    "<a id='hostile' href='javascript:window.ran = 5'>x</a>"
)


def test_what_gets_into_a_page_does_not_run(chromium: Any, site: Path, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    text = (site / "index.html").read_text().replace("</main>", f"{HOSTILE}</main>")
    for policy in (True, False):
        page.write_text(text if policy else text.replace("Content-Security-Policy", "Nothing"))
        browser = Browser(chromium)
        browser.open(page)
        browser.run("document.getElementById('hostile').click()")
        browser.settle()
        refused = [entry for entry in chromium.get_log("browser") if "Content Security Policy" in entry["message"]]
        assert (browser.run("return window.ran === undefined"), len(refused) >= 6) == (policy, policy)
