import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reproductions.harness.verdicts.record import Verdict
from reproductions.report.errors import ReportError
from reproductions.report.merge import Results, merge
from reproductions.report.papers import load_papers
from reproductions.report.results import read_folder
from tests.report.generated import verdicts, write_plot, write_verdicts

OLD, NEW = "2030-01-01T00:00:00+00:00", "2030-02-01T00:00:00+00:00"


@pytest.fixture
def record(papers: Path) -> Verdict:
    return verdicts(papers, "small")[0]


def merged(tmp_path: Path, papers: Path, *rows: Verdict, newest: bool = False) -> Results:
    """Merge folders with one record each."""
    for i, row in enumerate(rows):
        write_verdicts(tmp_path / f"folder{i}", row.scale, [row], commit=row.commit, time=row.time)
    folders = [read_folder(tmp_path / f"folder{i}") for i in range(len(rows))]
    return merge(folders, load_papers(papers), newest)


def found(results: Results) -> list[tuple[str, str]]:
    """Return verdict and time of all evidence on the first claim, the headline first."""
    first = results.findings[0]
    return [(each.verdict.verdict, each.verdict.time) for each in (first.headline, *first.others)]


def verdict_of(results: Results) -> tuple[str, list[str]]:
    """Return the scale of the first claim's headline and its other verdicts."""
    first = results.findings[0]
    return first.headline.verdict.scale, [each.verdict.verdict for each in first.others]


def test_a_claim_without_evidence_is_not_run(tmp_path: Path, papers: Path, record: Verdict) -> None:
    results = merged(tmp_path, papers, record, replace(record, scale="smoke"))
    assert results.scales == ("smoke", "small")
    assert len(results.findings) == 22
    assert [finding.verdict for finding in results.findings].count("not run") == 21
    assert results.findings[-1].headline.verdict.reason == "no session has tried it yet"
    assert results.findings[-1].headline.verdict.commit is None


@pytest.mark.parametrize(
    ("verdicts_by_scale", "scale", "others"),
    [
        ({"smoke": "trend", "small": "deviates", "paper": "reproduced"}, "paper", ["deviates", "trend"]),
        ({"smoke": "trend", "small": "deviates"}, "small", ["trend"]),
        ({"smoke": "trend", "small": "inconclusive", "paper": "crashed"}, "smoke", ["inconclusive", "crashed"]),
        ({"smoke": "not run", "small": "inconclusive", "paper": "not run"}, "small", []),
        ({"smoke": "illustration", "small": "not run"}, "smoke", []),
        ({"smoke": "not run", "small": "not run"}, "small", []),
    ],
)
def test_the_headline_is_that_of_the_largest_scale_that_decided(
    tmp_path: Path, papers: Path, record: Verdict, verdicts_by_scale: dict[str, str], scale: str, others: list[str]
) -> None:
    rows = [replace(record, scale=at, verdict=verdict) for at, verdict in verdicts_by_scale.items()]
    assert verdict_of(merged(tmp_path, papers, *rows)) == (scale, others)


def test_a_baseline_counts_where_there_is_no_other_verdict_of_its_scale(
    tmp_path: Path, papers: Path, record: Verdict
) -> None:
    kept = replace(record, scale="smoke", verdict="trend")
    write_verdicts(tmp_path / "results" / "baseline", "smoke", [kept, replace(kept, id="paper0-claim1")])
    own = replace(kept, verdict="deviates", commit="b" * 40)  # contradicts it, and is that of this folder
    write_verdicts(tmp_path / "results", "smoke", [own, replace(own, id="paper0-claim1", verdict="not run")])
    results = merge([read_folder(tmp_path / "results")], load_papers(papers))
    assert [finding.verdict for finding in results.findings[:2]] == ["deviates", "trend"]
    shutil.rmtree(tmp_path / "results" / "smoke")
    results = merge([read_folder(tmp_path / "results")], load_papers(papers))
    assert [finding.verdict for finding in results.findings[:2]] == ["trend", "trend"]


def test_claims_come_in_the_order_of_their_files(papers: Path, results: Path) -> None:
    ids = [finding.claim.id for finding in merge([read_folder(results)], load_papers(papers)).findings]
    assert ids == [f"paper{p}-claim{c}" for p in range(2) for c in range(11)]


@pytest.mark.parametrize("order", [1, -1])
def test_the_newer_of_two_that_agree_wins(tmp_path: Path, papers: Path, record: Verdict, order: int) -> None:
    rows = [replace(record, time=OLD), replace(record, time=NEW, commit="b" * 40)][::order]
    assert found(merged(tmp_path, papers, *rows)) == [("reproduced", NEW)]


def test_the_newer_of_two_from_one_commit_wins(tmp_path: Path, papers: Path, record: Verdict) -> None:
    rows = [replace(record, time=NEW, verdict="deviates"), replace(record, time=OLD)]
    assert found(merged(tmp_path, papers, *rows)) == [("deviates", NEW)]


@pytest.mark.parametrize("commit", ["b" * 40, None])
def test_two_that_contradict_each_other_stop_the_report(
    tmp_path: Path, papers: Path, record: Verdict, commit: str | None
) -> None:
    first = record if commit else replace(record, commit=None)  # an unknown commit is not the same as another one
    rows = [replace(first, time=OLD), replace(record, time=NEW, verdict="deviates", commit=commit)]
    with pytest.raises(
        ReportError, match=r"paper0-claim0 at scale small on digits is reproduced in .* but deviates in"
    ):
        merged(tmp_path, papers, *rows)
    results = merged(tmp_path, papers, *rows, newest=True)
    assert found(results) == [("deviates", NEW)]
    assert results.findings[0].headline.replaced.startswith("reproduced at commit")


def test_other_data_are_another_record(tmp_path: Path, papers: Path, record: Verdict) -> None:
    rows = [record, replace(record, workload="cifar10", verdict="deviates", commit="b" * 40)]
    assert {verdict for verdict, _ in found(merged(tmp_path, papers, *rows))} == {"reproduced", "deviates"}


@pytest.mark.parametrize("order", [1, -1])
def test_a_verdict_wins_over_a_newer_one_that_was_not_run(
    tmp_path: Path, papers: Path, record: Verdict, order: int
) -> None:
    idle = replace(record, verdict="not run", workload="exact", time=NEW, commit="b" * 40)
    assert found(merged(tmp_path, papers, *[record, idle][::order])) == [("reproduced", OLD)]


def test_a_crash_contradicts_a_verdict(tmp_path: Path, papers: Path, record: Verdict) -> None:
    crash = replace(record, verdict="crashed", workload="exact", time=NEW, commit="b" * 40)
    with pytest.raises(ReportError, match=r"is reproduced in .* but crashed in"):
        merged(tmp_path, papers, record, crash)


def test_a_claim_that_left_its_file_leaves_the_report(tmp_path: Path, papers: Path, record: Verdict) -> None:
    rows = [replace(record, id="gone"), replace(record, id="elsewhere", paper="unknown")]
    results = merged(tmp_path, papers, *rows)
    assert not {"gone", "elsewhere"} & {finding.headline.verdict.id for finding in results.findings}
    assert results.unknown == ("elsewhere", "gone")
    assert [paper.name for paper in results.papers] == ["paper0", "paper1", "unbuilt"]


def test_versions_are_those_of_the_session_that_decided(tmp_path: Path, papers: Path, record: Verdict) -> None:
    write_verdicts(tmp_path / "folder", "small", [record], versions={"torch": "9"})
    assert read_folder(tmp_path / "folder").evidence[0].session["versions"] == {"torch": "9"}
    write_verdicts(tmp_path / "folder", "small", [record], commit="c" * 40)  # its session was overwritten
    assert read_folder(tmp_path / "folder").evidence[0].session == {}


def test_a_plot_comes_from_the_folder_that_was_decided_last(tmp_path: Path, papers: Path, record: Verdict) -> None:
    for i in range(2):
        write_plot(tmp_path / f"folder{i}", "small", "paper0", "figure1")
    results = merged(tmp_path, papers, replace(record, time=NEW), replace(record, time=OLD))
    assert [plot.files[".svg"].parents[2].name for plot in results.plots] == ["folder0"]
