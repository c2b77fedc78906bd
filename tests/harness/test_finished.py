"""A finished session over the whole toy paper: its verdicts, its files, what it printed, and what is made of it."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from reproductions.__main__ import main
from reproductions.report.records import add, from_results, read
from tests.harness.toy_session import Session


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, str]:
    """Return a finished session over the whole toy paper and what it printed."""
    session = Session(tmp_path_factory.mktemp("toy"))
    files = ["--verdicts", str(session.folder / "verdicts.json"), f"--junitxml={session.folder / 'junit.xml'}"]
    result = session.run(str(session.paper), *files)
    assert result.returncode == 1, result.stdout + result.stderr
    return session, result.stdout


# ------------------------------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("claim", "verdict", "reason"),
    [
        ("toy-number", "reproduced", "mean in [0.9, 1.1]"),
        ("toy-order", "trend", "mean in"),
        ("toy-deviates", "deviates", "mean in [1.9, 2.1]"),
        ("toy-known", "deviates", "known: the toy is lighter than the paper says"),
        ("toy-erratum", "erratum", "as printed"),
        ("toy-missing", "not run", "needs a bigger toy"),
        ("toy-few", "inconclusive", "at least 3 are needed"),
        ("toy-broken", "crashed", "RuntimeError: the toy broke"),
        ("toy-vanished", "crashed", "recorded no 'accuracy', only loss"),
        ("toy-undecided", "crashed", "without deciding the claim"),
    ],
)
def test_every_verdict_is_recorded_with_its_reason(
    finished: tuple[Session, str], claim: str, verdict: str, reason: str
) -> None:
    row = finished[0].verdicts()[claim]
    assert row["verdict"] == verdict
    assert reason in str(row["reason"])


def test_outcomes_of_pytest_follow_the_verdicts(finished: tuple[Session, str]) -> None:
    output = finished[1]
    for name in ("toy-deviates", "toy-outdated", "toy-broken", "toy-vanished", "toy-undecided"):
        assert f"[{name}]" in output.split("short test summary info")[1], name
    assert "5 failed, 4 passed, 2 skipped, 1 xfailed" in output


def test_the_table_and_the_file_come_from_the_same_records(finished: tuple[Session, str]) -> None:
    session, output = finished
    document = json.loads((session.folder / "verdicts.json").read_text())
    assert document["schema"] == 2
    assert {"commit", "python", "versions", "argv", "cpu"} <= document["provenance"].keys()
    row = next(row for row in document["claims"] if row["id"] == "toy-number")
    assert row["found"] == "1.002"
    assert row["seeds"] == 5
    assert row["ranks"] == 2
    low, high = row["interval"]
    assert low < 1.002 < high
    table = output.split("reproduced against reported")[1]
    assert all(row["id"] in table for row in document["claims"])
    assert "1.002 [1, 1]" in table


def test_a_launch_that_fails_is_shown_by_what_its_ranks_said(finished: tuple[Session, str]) -> None:
    assert "RuntimeError: the toy broke" in finished[1]
    assert "subprocess.Popen(" not in finished[1]


def test_collection_says_what_will_run(finished: tuple[Session, str]) -> None:
    assert "toy/test_toy: 5 runs, 5 to make, about" in finished[1]


def test_a_junit_file_has_verdict_reported_found_and_interval(finished: tuple[Session, str]) -> None:
    session, _ = finished
    cases = {case.get("name"): case for case in ET.parse(session.folder / "junit.xml").iter("testcase")}
    properties = {p.get("name"): p.get("value") for p in cases["test_number[toy-number]"].iter("property")}
    kept = session.verdicts()["toy-number"]
    assert properties.pop("interval") == "[{:.6g}, {:.6g}]".format(*kept["interval"])  # type: ignore[misc]
    expected = {"claim": "toy-number", "scale": "smoke", "reported": "1.0"}
    assert properties == expected | {name: kept[name] for name in ("verdict", "found")}


def test_a_session_ends_with_the_summary_that_the_table_has(
    finished: tuple[Session, str], capsys: pytest.CaptureFixture[str]
) -> None:
    session, printed = finished
    (row,) = re.findall(r"^toy ((?: +\d+){8})$", printed, re.MULTILINE)
    assert main(["table", str(session.results), "--papers", str(session.folder)]) == 0
    assert f"toy {row}\n" in capsys.readouterr().out
    assert "\nrps " not in printed  # nothing of it is in this folder


def test_verdicts_of_real_sessions_have_numbers(finished: tuple[Session, str], tmp_path: Path) -> None:
    session, _ = finished
    found = {record.claim: record for record in from_results(session.results)}
    number = found["toy-number"]
    assert number.estimate == pytest.approx(1.002)
    assert (number.low, number.high) == pytest.approx((1.00004, 1.00396), abs=1e-5)
    assert (number.confidence, number.df, number.seeds) == (0.95, 4, 5)
    assert found["toy-missing"].estimate is None
    assert add(found.values(), tmp_path) == len(found)
    assert sorted(read(tmp_path), key=str) == sorted(found.values(), key=str)


def test_a_finished_paper_is_not_run_again_unless_asked_to(finished: tuple[Session, str]) -> None:
    session, _ = finished
    before = len(session.executed())
    only = [f"{session.paper}/test_toy.py::test_number"]
    assert "5 runs, 0 to make" in session.run(*only).stdout
    assert len(session.executed()) == before
    session.run(*only, "--rerun")
    assert len(session.executed()) == before + 5
