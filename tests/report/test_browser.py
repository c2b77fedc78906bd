"""The site in a real browser: a headless Chromium of the machine, which is neither downloaded nor on the network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reproductions.report.cli import main
from tests.report.generated import write_papers, write_results

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars"
)
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver on the PATH")

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
WIDER = """
return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !e.closest("pre, blockquote, dd"))
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => `${e.tagName}.${e.className}`);
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    papers = write_papers(folder / "papers", claims=24)
    results = write_results(folder / "results", papers, ("smoke", "small"))
    assert main([str(results), "--papers", str(papers), "--site", str(folder / "site")]) == 0
    return folder / "site"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: Any) -> Iterator[Browser]:
    yield Browser(chromium)
    assert chromium.get_log("browser") == []


class Browser:
    """What a test does with a page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.look()

    def look(self, width: int = 1280, scheme: str = "light") -> None:
        """Set the width of the window and the colours that the system asks for."""
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def open(self, page: Path, address: str = "") -> None:
        self.driver.get("about:blank")  # another fragment alone would not load the page anew
        self.driver.get(page.as_uri() + address)
        self.run(
            "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )  # it is drawn

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def click(self, selector: str) -> None:
        self.driver.find_element("css selector", selector).click()

    def visible(self, selector: str) -> list[dict[str, str]]:
        """Return the data attributes of the elements that are shown."""
        return self.run(  # type: ignore[no-any-return]
            f"return [...document.querySelectorAll({selector!r})].filter((e) => e.checkVisibility())"
            ".map((e) => ({...e.dataset, id: e.id}))"
        )


@pytest.mark.parametrize("page", ["index.html", "paper0.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_and_everything_can_be_read(
    browser: Browser, site: Path, page: str, scheme: str, width: int
) -> None:
    browser.look(width, scheme)
    browser.open(site / page)
    assert browser.run("return document.documentElement.scrollWidth") == width
    assert browser.run(WIDER) == []
    assert browser.run(CONTRAST) == []
    brightness = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert ("255" in brightness) == (scheme == "light")
    assert all(browser.run("return [...document.images].map((e) => getComputedStyle(e.parentElement).backgroundColor"
                           " === 'rgb(255, 255, 255)')"))  # fmt: skip


def test_filters_on_the_overview_add_up(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html")
    assert len(browser.visible(".matrix .square[data-verdict]")) == 96
    browser.click("input[value=deviates]")
    browser.click("input[value=erratum]")
    browser.click("input[value=small]")
    browser.click("input[value=paper1]")
    shown = browser.visible(".matrix .square[data-verdict]")
    assert shown
    assert {(s["verdict"], s["scale"], s["paper"]) for s in shown} == {
        ("deviates", "small", "paper1"), ("erratum", "small", "paper1")
    }  # fmt: skip
    assert browser.run("return document.getElementById('shown').value") == f"{len(shown)} of 96 verdicts"
    assert len(browser.visible(".matrix tbody")) == 1
    browser.click("button[type=reset]")
    assert len(browser.visible(".matrix .square[data-verdict]")) == 96


def test_a_filter_follows_to_the_page_of_a_paper_and_stays_after_a_reload(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html")
    browser.click("input[value=trend]")
    browser.click("input[value=smoke]")
    browser.click(".matrix .paper a")
    assert browser.driver.current_url.endswith("paper0.html?verdict=trend&scale=smoke")
    for _ in range(2):
        assert {(s["verdict"], s["scale"]) for s in browser.visible(".found")} == {("trend", "smoke")}
        assert {plot["scale"] for plot in browser.visible("figure")} <= {"smoke"}
        assert all(browser.run("return [...document.querySelectorAll('aside a')].filter((e) => e.checkVisibility())"
                               ".map((e) => document.querySelector(e.hash).checkVisibility())"))  # fmt: skip
        browser.driver.refresh()


def test_a_link_to_a_claim_shows_it_whatever_the_filter_says(browser: Browser, site: Path) -> None:
    browser.open(site / "paper0.html", "?verdict=trend#paper0-claim21")  # it is reproduced
    assert "paper0-claim21" in {card["id"] for card in browser.visible(".card")}
    top = browser.run("return document.getElementById('paper0-claim21').getBoundingClientRect().top")
    assert 0 <= top < 800
    assert browser.run("return document.querySelector('.outside').id") == "paper0-claim21"
    browser.run("location.hash = 'paper0-claim1'")  # a trend
    browser.run("return new Promise((done) => setTimeout(done, 100))")
    assert browser.run("return document.querySelector('.outside')") is None
    assert "paper0-claim21" not in {card["id"] for card in browser.visible(".card")}


def test_a_square_leads_to_its_claim(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html")
    browser.click("a[href$='paper1.html#paper1-claim9']")
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
