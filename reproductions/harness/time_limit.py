"""The part of the pytest plugin that stops a session at its time limit: tests, exit code and the last line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from reproductions.harness.runs.deadline import OutOfTime
from reproductions.harness.session import SESSION

GOES_ON = 75  # EX_TEMPFAIL of sysexits.h: the time limit was reached, nothing failed, the same command goes on


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what the session has no time for."""
    tally = item.config.stash[SESSION].runner.tally
    try:
        if tally.deadline.left < 0:
            tally.check()
    except OutOfTime as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Iterator[None]:
    """After everything else, say how far the session is, and set the exit code if no test failed.

    75 if the limit was reached and something was added: repeat the command. 1 if nothing was added, as repeating would
    not help and a loop has to end.
    """
    result = yield
    ours = session.config.stash.get(SESSION, None)
    if ours is None:
        return result
    tally = ours.runner.tally
    tally.end(complete=not tally.reached and exitstatus != pytest.ExitCode.INTERRUPTED)
    if tally.reached:
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = GOES_ON if tally.progressed else pytest.ExitCode.TESTS_FAILED
        _say(session.config, tally.sentence(), tally.progressed)
    return result


def _say(config: pytest.Config, sentence: str, goes_on: bool) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        command = f": pytest {shlex.join(config.invocation_params.args)}" if goes_on else ""
        reporter.write_line(f"{sentence}{command}", yellow=goes_on, red=not goes_on)
