"""A headless Chromium of the machine, which is neither downloaded nor on the network, and what tests do with it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars"
)
needed = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver on the PATH")

WIDER = """
return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility())
  .filter((e) => !e.closest("pre, blockquote, dd, .forest div, .paper-white img"))
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => `${e.tagName}.${e.className}`);
"""


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
        self.settle()

    def settle(self) -> None:
        """Wait until the page is drawn, with what its script does after a click."""
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def until(self, script: str) -> None:
        """Wait until a script finds something, such as an element of the page that a click leads to."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 20).until(lambda _: self.run(script))

    def click(self, selector: str) -> None:
        self.driver.find_element("css selector", selector).click()

    def visible(self, selector: str) -> list[dict[str, str]]:
        """Return the data attributes of the elements that are shown."""
        return self.run(  # type: ignore[no-any-return]
            f"return [...document.querySelectorAll({selector!r})].filter((e) => e.checkVisibility())"
            ".map((e) => ({...e.dataset, id: e.id}))"
        )


def start(profile: Path) -> Any:
    """Start a Chromium with an empty profile; the test skips if selenium is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
