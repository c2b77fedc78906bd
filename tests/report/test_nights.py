"""The history on the site: which verdicts changed, at which commit first, and since when each one stands."""

from dataclasses import replace
from pathlib import Path

import pytest

from reproductions.__main__ import main
from reproductions.report.nights import history_of
from reproductions.report.records import Record, add
from tests.report.lab import measured, night
from tests.report.test_site import Page


def week() -> list[Record]:
    """Return six nights in which a verdict of a claim on the site, a number and the coverage change."""
    found = []
    for n in range(6):
        verdict = "misprint" if n >= 3 else "trend"  # that of claim 1 of the made papers
        found += [
            replace(night(n, claim="paper0-claim1", paper="paper0", verdict=verdict)),
            measured(n, [5.0 * (n >= 4) + x for x in (0.0, 0.1, 0.2)], claim="gone", paper="paper0"),
            night(n, claim="left", paper="paper0", verdict="not run" if n >= 5 else "trend"),
        ]
    return found


@pytest.fixture
def site(results: Path, papers: Path, tmp_path: Path) -> Path:
    add(week(), tmp_path / "history")
    command = ["site", str(results), "--papers", str(papers), "--history", str(tmp_path / "history")]
    assert main([*command, "--to", str(tmp_path / "site")]) == 0
    return tmp_path / "site"


def test_nights_come_newest_first_with_what_changed_in_them() -> None:
    found = history_of(week()).nights
    assert [night.time[11:13] for night in found] == ["05", "04", "03", "02", "01", "00"]
    assert [[change.kind for change in night.changes] for night in found] == [
        ["coverage"], ["number"], ["verdict"], [], [], []
    ]  # fmt: skip
    assert found[0].commits == ["5555555555"]


def test_counts_go_on_with_the_last_decision_of_what_a_round_did_not_decide() -> None:
    found = history_of(week()).nights
    assert found[-1].counts == {"reproduced": 1, "trend": 2}
    assert found[0].counts == {"reproduced": 1, "misprint": 1, "trend": 1}
    assert history_of([night(0, verdict="not run")]).nights[0].counts == {"not run": 1}


def test_a_verdict_stands_since_the_first_commit_that_had_it() -> None:
    since = history_of(week()).since
    assert since["paper0-claim1", "smoke"].where == "3333333333"
    assert since["left", "smoke"].where == "0000000000"  # not run is no other verdict
    back = [night(0), night(1, verdict="deviates"), night(2), night(3)]
    assert history_of(back).since["toy-number", "smoke"].where == "2222222222"


def test_the_page_names_the_last_commit_before_a_change_and_the_first_after_it(site: Path) -> None:
    text = " ".join((site / "history.html").read_text().split())
    change = text[text.index('data-change="verdict"') :].split("</li>")[0]
    assert 'href="paper0.html#paper0-claim1"' in change
    assert change.index("trend") < change.index("→") < change.index("reproduced, with a misprint")
    assert "last seen at <code>2222222222</code>, first changed at <code>3333333333</code>" in change
    assert "0.1 [-0.148414, 0.348414] → 5.1 [4.85159, 5.34841] (p = " in text
    assert 'href="paper0.html#gone"' not in text  # no claim of today
    assert text.count('data-count="misprint"') == 3


def test_links_lead_somewhere_and_a_claim_says_since_when(site: Path) -> None:
    pages = {path.name: Page(path) for path in site.glob("*.html")}
    for link in pages["history.html"].links:
        target, _, anchor = link.partition("#")
        assert link == "data:," or (site / target).exists(), link
        assert not anchor or anchor in pages[target].ids, link
    assert "history.html" in pages["index.html"].links
    text = " ".join((site / "paper0.html").read_text().split())
    card = text[text.index('id="paper0-claim1"') :].split("</article>")[0]
    assert "this verdict since commit 3333333333 of 2026-01-01" in card
    assert text.count("this verdict since") == 1


def test_without_a_history_there_is_no_page_of_it(results: Path, papers: Path, tmp_path: Path) -> None:
    command = ["site", str(results), "--papers", str(papers), "--to", str(tmp_path / "site")]
    assert main(command) == 0
    assert not (tmp_path / "site" / "history.html").exists()
    assert "history" not in (tmp_path / "site" / "index.html").read_text().lower()


def test_an_empty_history_is_one_sentence(
    results: Path, papers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["site", str(results), "--papers", str(papers), "--history", str(tmp_path / "nothing")]
    assert main([*command, "--to", str(tmp_path / "site")]) == 2
    assert f"{tmp_path / 'nothing'} holds no history" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()
