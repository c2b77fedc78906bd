"""Two sessions on one results folder: the second says that it waits, and nothing is lost."""

from __future__ import annotations

import fcntl
import subprocess

import pytest

from reproductions.harness import turns
from tests.harness.toy_session import SLOW, Session

pytestmark = pytest.mark.fault("sessions on one folder")


@pytest.fixture
def busy(session: Session) -> Session:
    """Give a session whose results folder is locked by another."""
    session.write_test(SLOW)
    (session.results / "runs").mkdir(parents=True)
    (session.results / "runs" / turns.TURN).write_text("process 7 on elsewhere")
    return session


def begin(session: Session, *arguments: str) -> subprocess.Popen[str]:
    command, environment = session.command(str(session.paper), *arguments), session.environment()
    return subprocess.Popen(command, cwd=session.folder, env=environment, stdout=subprocess.PIPE, text=True)


def until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return line
    pytest.fail(f"it ended without {words!r}")


def test_the_second_waits_in_one_sentence_and_both_decide(busy: Session) -> None:
    with (busy.results / "runs" / turns.TURN).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        processes = [begin(busy), begin(busy)]
        for process in processes:
            said = until(process, "is at work in")
            assert said.startswith("another session (process 7 on elsewhere) is at work in")
            assert "this one waits for its end" in said
        assert not busy.executed()
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert busy.executed() == [f"1.0 {seed}" for seed in range(4)]  # the second used the runs of the first
    assert busy.verdicts()["toy-number"]["verdict"] == "reproduced"
    assert [path.name for path in (busy.results / "runs").glob(".*")] == [turns.TURN]


def test_a_session_that_waits_ends_by_its_time_limit_and_by_ctrl_c(busy: Session) -> None:
    with (busy.results / "runs" / turns.TURN).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        limited, interrupted = begin(busy, "--time-limit", "2s"), begin(busy)
        until(interrupted, "is at work in")
        interrupted.send_signal(2)
        assert interrupted.wait(30) == 2
        assert "the time limit of 2s was reached" in limited.communicate(timeout=60)[0]
        assert limited.returncode == 1  # it added nothing
    assert not busy.executed()
    assert (busy.results / "runs" / turns.TURN).exists()


def test_a_killed_session_is_not_waited_for(busy: Session) -> None:
    (busy.results / "runs" / ".launch-left").mkdir()
    (busy.results / "runs" / ".launch-left" / "owner").touch()  # nobody locks it
    done = busy.run()
    assert done.returncode == 0
    assert "is at work" not in done.stdout
    assert [path.name for path in (busy.results / "runs").glob(".*")] == [turns.TURN]


def test_what_only_plans_does_not_wait(busy: Session) -> None:
    with (busy.results / "runs" / turns.TURN).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for option in ("--collect-only", "--setup-plan"):
            assert "is at work" not in busy.run(str(busy.paper), option).stdout
