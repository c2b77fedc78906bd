"""What all tests need: one thread, signals that processes of theirs can receive, and the table of faults at the end."""

import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults import table


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Compute as ranks do: sums of several threads differ in their last bits, and wait more."""
    if torch := sys.modules.get("torch"):  # two seconds, which tests that do without are spared
        torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let sessions that tests start be interrupted, also if this one runs in the background and ignores SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]
    table.note(item, report)
    return report  # type: ignore[return-value]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Show the faults after everything else."""
    result = yield
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter else {}
    if lines := table.lines(report for name in ("passed", "failed") for report in stats.get(name, [])):
        reporter.section("faults")
        for line in lines:
            reporter.write_line(line)
    return result
