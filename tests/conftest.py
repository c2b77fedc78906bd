"""What all tests need: one thread, signals that processes of theirs can receive, and the table of faults at the end."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.faults import table


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute as ranks do: sums of several threads differ in their last bits, and wait more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
