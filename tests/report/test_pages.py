"""The examples of the pages are true, their links lead somewhere, and what they name exists."""

import doctest
import re
from pathlib import Path

import pytest

from reproductions.harness import time_limit
from reproductions.harness.runs import context, deadline, launcher, progress, settings
from reproductions.harness.verdicts import convergence, decisions, statistics

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
STATISTICS = (ROOT / "docs" / "statistics.md").read_text()
CLUSTER = (ROOT / "docs" / "cluster.md").read_text()


def test_the_examples_on_statistics_are_what_the_code_gives():
    result = doctest.testfile(str(ROOT / "docs" / "statistics.md"), module_relative=False)
    assert result.attempted > 5
    assert result.failed == 0


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)#\s]+)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_files_that_are_named_exist(page):
    known = {path.name for folder in ("algorithms", "reproductions") for path in (ROOT / folder).rglob("*.py")}
    for name in re.findall(
        r"`((?:reproductions|tests|algorithms|\.github)/[\w./]+\.(?:py|yaml|yml))`", page.read_text()
    ):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`(\w+\.py)`", page.read_text()):
        assert name in known, name


@pytest.mark.parametrize("name", re.findall(r"^`(\w+)\(", STATISTICS, re.MULTILINE))
def test_decisions_that_are_explained_exist(name):
    assert any(hasattr(module, name) for module in (statistics, decisions, convergence))


def test_numbers_on_the_pages_are_those_of_the_code():
    assert (statistics.FEWEST_SEEDS, settings.SEEDS) == (3, {"smoke": 8, "small": 3, "paper": 3})
    assert "8 at smoke scale (5 in most modules of popsgd and the comparison) and 3 elsewhere" in " ".join(
        STATISTICS.split()
    )
    assert "rounding of 1e-9" in STATISTICS
    assert decisions.ROUNDING == 1e-9
    assert settings.TIMEOUT == {"smoke": 1800, "small": 24 * 3600, "paper": 48 * 3600}
    assert "1800 at smoke scale, 24 hours at\n  small, 48 hours at paper" in CLUSTER
    assert context.Context.checkpoint_every == 120
    nine = deadline.Deadline(540.0, began=0.0)
    assert [540 - nine.stop + progress.START, 540 - nine.stop, 540 - nine.kill] == [20, 10, 5]
    assert re.findall(r"^  \| (\d+) \|", CLUSTER, re.MULTILINE) == ["20", "10", "5"]
    assert deadline.RESERVE / deadline.SHARE == 100
    assert time_limit.GOES_ON == 75
    inherited = re.findall(r"`(\w+_)\*`", CLUSTER)
    assert inherited
    assert all(launcher.INHERITED.match(name) for name in inherited)
