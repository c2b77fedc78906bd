"""What tools and readers see of a claim: reasons of skips, defaults in the help."""

import re
from pathlib import Path

import pytest

from reproductions.harness.options import FLAGS, OPTIONS
from tests.harness.toy_session import Session

SKIPS = """
from reproductions.harness.plugin import decides

@decides("toy-number")
def test_number(claim):
    claim.not_run("needs a bigger toy")
"""

MISSING = """
from reproductions.harness.plugin import decides
from reproductions.workloads.base import DataError

def experiments(settings):
    return {}

def refuse(*_):
    raise DataError("the toys were not found")

@decides("toy-number", "toy-order")
def test_number(claim, run, monkeypatch):
    monkeypatch.setattr("reproductions.harness.runs.runner.Runner.run", refuse)
    run([])

def test_drawing(run, monkeypatch):
    monkeypatch.setattr("reproductions.harness.runs.runner.Runner.run", refuse)
    run([])
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path / "session")


def test_the_reason_of_a_skip_names_the_claim_once(session: Session) -> None:
    session.write_test(SKIPS)
    printed = session.run_here("-rs", str(session.paper)).stdout
    assert re.findall(r"SKIPPED.*", printed) == [next(line for line in printed.splitlines() if "SKIPPED" in line)]
    assert "toy-number: needs a bigger toy" in printed
    assert session.verdicts()["toy-number"]["reason"] == "needs a bigger toy"


def test_without_data_each_skip_names_its_claim_and_no_class(session: Session) -> None:
    session.write_test(MISSING, claims="toy-number toy-order")
    printed = session.run_here("-rs", str(session.paper)).stdout
    reasons = re.findall(r"SKIPPED \[1\] \S+:\d+: (.*)", printed)
    why = "the toys were not found"
    assert reasons == [f"toy-number: {why}", f"toy-order: {why}", why]
    assert {row["reason"] for row in session.verdicts().values()} == {why}


def test_every_option_says_its_default(session: Session) -> None:
    text = " ".join(session.run_here("--help").stdout.split())
    for option in (*OPTIONS, *FLAGS):
        assert f"(default: {option.default})" in text.split(f"--{option.name}", 1)[1].split(" --", 1)[0], option.name


def test_workers_of_xdist_are_refused_in_one_sentence(session: Session) -> None:
    pytest.importorskip("xdist")
    done = session.run("-n", "2", str(session.paper))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert re.findall(r"ERROR: .*", done.stderr) == [done.stderr.strip()]
    assert "-n 2 would start as many sessions" in done.stderr
    assert not (session.results / "runs").exists()


def test_workers_of_xdist_may_run_the_tests_of_the_suite(session: Session) -> None:
    pytest.importorskip("xdist")
    own = session.folder / "tests" / "test_own.py"
    own.parent.mkdir()
    own.write_text("def test_it():\n    pass\n")
    (session.folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    done = session.run("-c", str(session.folder / "pytest.ini"), "-n", "1", str(own))
    assert "1 passed" in done.stdout, done.stdout + done.stderr
