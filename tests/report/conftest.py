from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.browsing import Browser, start
from tests.report.generated import write_papers, write_results


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    return write_papers(tmp_path / "papers")


@pytest.fixture
def results(tmp_path: Path, papers: Path) -> Path:
    return write_results(tmp_path / "results", papers)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: Any) -> Iterator[Browser]:
    yield Browser(chromium)
    assert chromium.get_log("browser") == []
