"""Collects the ratios of the speed tests and prints them as a table: what was timed, against what, what limits it."""

from collections.abc import Callable
from typing import Any

import pytest

ROWS = pytest.StashKey[list[tuple[str, str, str]]]()
Speed = Callable[[str, float, str, str], None]


@pytest.fixture
def speed(request: pytest.FixtureRequest, benchmark: Any) -> Speed:
    """Record a ratio for the table and in the JSON of pytest-benchmark: name, ratio, target, what limits it."""

    def record(name: str, ratio: float, target: str, limit: str) -> None:
        benchmark.extra_info.update(name=name, ratio=ratio, target=target, limited_by=limit)
        request.config.stash.setdefault(ROWS, []).append((name, f"{ratio:.2f} ({target})", limit))

    return record


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("ratios of this run")
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            terminalreporter.write_line("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
