from dataclasses import replace
from pathlib import Path

import pytest

from reproductions.harness.verdicts import Verdict
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
    return [(r.verdict.verdict, r.verdict.time) for r in results.records if r.verdict.id == "paper0-claim0"]


def test_claims_without_a_record_are_not_run(tmp_path: Path, papers: Path, record: Verdict) -> None:
    results = merged(tmp_path, papers, record, replace(record, scale="smoke"))
    assert results.scales == ("smoke", "small")
    assert len(results.records) == 2 * 16
    assert [r.verdict.verdict for r in results.records].count("not run") == 30
    assert results.records[-1].verdict.reason == "no record at this scale"
    assert results.records[-1].verdict.commit is None


def test_records_come_in_the_order_of_the_claims_file(papers: Path, results: Path) -> None:
    ids = [r.verdict.id for r in merge([read_folder(results)], load_papers(papers)).records]
    assert ids == [f"paper{p}-claim{c}" for p in range(2) for c in range(8)]


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
    assert results.records[0].replaced.startswith("reproduced at commit")


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


def test_a_claim_that_left_its_file_stays_in_the_report(tmp_path: Path, papers: Path, record: Verdict) -> None:
    rows = [replace(record, id="gone"), replace(record, id="elsewhere", paper="unknown")]
    results = merged(tmp_path, papers, *rows)
    assert {"gone", "elsewhere"} <= {r.verdict.id for r in results.records}
    assert [paper.name for paper in results.papers] == ["paper0", "paper1", "unbuilt", "unknown"]


def test_versions_are_those_of_the_session_that_decided(tmp_path: Path, papers: Path, record: Verdict) -> None:
    write_verdicts(tmp_path / "folder", "small", [record], versions={"torch": "9"})
    assert read_folder(tmp_path / "folder").records[0].session["versions"] == {"torch": "9"}
    write_verdicts(tmp_path / "folder", "small", [record], commit="c" * 40)  # its session was overwritten
    assert read_folder(tmp_path / "folder").records[0].session == {}


def test_a_plot_comes_from_the_folder_that_was_decided_last(tmp_path: Path, papers: Path, record: Verdict) -> None:
    for i in range(2):
        write_plot(tmp_path / f"folder{i}", "small", "paper0", "figure1")
    results = merged(tmp_path, papers, replace(record, time=NEW), replace(record, time=OLD))
    assert [plot.files[".svg"].parents[2].name for plot in results.plots] == ["folder0"]
