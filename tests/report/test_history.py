"""Frames are appended once and whole; the report says what changed and since which commit."""

from dataclasses import replace

import pytest

from reproductions.__main__ import main
from reproductions.report.records import add, from_results, read
from tests.report.lab import measured, night, write_results


@pytest.fixture
def history(tmp_path):
    return tmp_path / "history"


def run(capsys, *arguments):
    code = main(["history", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_adding_a_results_folder_twice_changes_nothing(tmp_path, history, capsys):
    unknown = replace(night(1, claim="other", estimate=0.1 + 0.2), commit=None, clean=None)
    results = write_results(tmp_path / "results", [measured(0, [1 / 3, 0.1, 0.7]), unknown])
    assert run(capsys, "add", results, "--history", history)[:2] == (0, f"2 new records in {history}\n")
    before = (history / "smoke" / "toy.csv").read_bytes()
    assert run(capsys, "add", results, "--history", history)[1] == f"0 new records in {history}\n"
    assert (history / "smoke" / "toy.csv").read_bytes() == before
    assert read(history) == from_results(results)  # every digit


def test_a_kept_verdict_of_an_earlier_session_knows_nothing_of_the_later_working_tree(tmp_path):
    results = write_results(tmp_path, [night(0), night(1, claim="other")])
    assert [record.clean for record in from_results(results)] == [None, True]


def test_what_diverged_has_no_number(tmp_path, history):
    nan = float("nan")
    results = write_results(tmp_path, [night(0, low=nan, high=nan)])
    assert add(from_results(results), history) == 1
    assert add(from_results(results), history) == 0


# ------------------------------------------------------------------------------------------------------------- report


@pytest.fixture
def week(history):
    """Return the history of some nights in which a verdict, a number and the coverage change."""
    for n in range(6):
        add(
            [
                night(n, claim="toy-verdict", verdict="deviates" if n >= 3 else "trend", hardware=f"GPU {n // 5}"),
                measured(n, [5.0 * (n >= 4), 5.0 * (n >= 4) + 0.1, 5.0 * (n >= 4) + 0.2], claim="toy-moved"),
                night(n, claim="toy-left", verdict="not run" if n >= 5 else "trend"),
                night(n, claim="toy-same", estimate=1.0),
            ],
            history,
        )
    return history


def test_nothing_changed(history, capsys):
    add([night(0), night(1)], history)
    code, report, _ = run(capsys, "diff", "--history", history)
    assert code == 0
    assert "1 verdicts of commits `1111111111`" in report
    assert "Verdicts that changed: 0. Numbers that moved: 0. Coverage: 0." in report
    assert "##" not in report


def test_the_last_round_is_looked_at_unless_a_commit_is_named(week, capsys):
    code, report, _ = run(capsys, "diff", "--history", week)
    assert code == 0  # coverage is no verdict
    assert "| toy-left | smoke, digits, 2 CPU cores | trend | not run | `4444444444`" in report
    assert "toy-moved" not in report


def test_changes_name_the_last_commit_with_the_old_value_and_the_first_with_the_new(week, capsys):
    code, report, _ = run(capsys, "diff", "--history", week, "--since", "1111")
    assert code == 1
    verdict = next(line for line in report.splitlines() if line.startswith("| toy-verdict"))
    assert "| trend | deviates | `2222222222`" in verdict
    assert "| `3333333333`" in verdict
    moved = next(line for line in report.splitlines() if line.startswith("| toy-moved"))
    assert "| 0.1 [-0.148414, 0.348414] | 5.1 [4.85159, 5.34841] (p = " in moved
    assert "toy-same" not in report
    assert run(capsys, "diff", "--history", week, "--since", "3333")[0] == 0


def test_nothing_comes_after_the_last_commit(week, capsys):
    code, report, _ = run(capsys, "diff", "--history", week, "--since", "5555")
    assert (code, "There is no later record." in report) == (0, True)


# ---------------------------------------------------------------------------------------------------------- bad input


def test_a_commit_that_is_not_there(week, capsys):
    for commit in ("abc", ""):
        code, _, error = run(capsys, "diff", "--history", week, "--since", commit)
        assert code == 2
        assert f"no record of commit {commit!r}; its latest are 5555555555, 4444444444" in error


def test_an_empty_history_and_an_empty_results_folder(tmp_path, capsys):
    assert run(capsys, "diff", "--history", tmp_path)[0] == 2
    code, _, error = run(capsys, "add", tmp_path, "--history", tmp_path / "history")
    assert (code, "holds no verdicts.json" in error) == (2, True)


def test_another_schema_and_damaged_verdicts(tmp_path, history, capsys):
    results = write_results(tmp_path, [night(0)], schema=99)
    code, _, error = run(capsys, "add", results, "--history", history)
    assert (code, "has schema 99, but this version" in error) == (2, True)
    for text in ("{", "[]", '{"schema": 2, "provenance": {}, "claims": [{}]}'):
        (results / "smoke" / "verdicts.json").write_text(text)
        code, _, error = run(capsys, "add", results, "--history", history)
        assert (code, "is no file of verdicts" in error, error.count("\n")) == (2, True, 1)
    assert not history.exists()


@pytest.mark.parametrize(("old", "new"), [("reproduced", "splendid"), ("claim", "claims"), ("0.25", "quarter")])
def test_a_damaged_frame_is_named_and_nothing_is_written(history, capsys, tmp_path, old, new):
    add([night(0, estimate=0.25)], history)
    add([night(0, paper="also")], history)
    frame = history / "smoke" / "toy.csv"
    frame.write_text(frame.read_text().replace(old, new, 1))
    code, _, error = run(capsys, "diff", "--history", history)
    assert (code, f"{frame} is a damaged frame" in error) == (2, True)
    also = (history / "smoke" / "also.csv").read_bytes()
    results = write_results(tmp_path / "results", [night(1, paper="also"), night(1, claim="other")])
    assert run(capsys, "add", results, "--history", history)[0] == 2
    assert (history / "smoke" / "also.csv").read_bytes() == also


def test_runs_that_contradict_each_other(tmp_path, history, capsys):
    add([night(0)], history)
    results = write_results(tmp_path / "results", [night(0, verdict="deviates")])
    code, _, error = run(capsys, "add", results, "--history", history)
    assert (code, "another verdict of toy-number at 2026-01-01" in error) == (2, True)
    assert [record.verdict for record in read(history)] == ["reproduced"]


def test_a_name_that_leaves_the_history_is_refused(tmp_path, history, capsys):
    results = write_results(tmp_path / "results", [night(0, paper="../toy")])
    assert run(capsys, "add", results, "--history", history)[0] == 2
