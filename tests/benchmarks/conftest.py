"""Collects the ratios of the speed tests and prints them as a table: what was timed, against what, what limits it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROWS = pytest.StashKey[list[tuple[str, str, str]]]()
Speed = Callable[[str, float, str, str], None]


@pytest.fixture
def speed(request: pytest.FixtureRequest, benchmark: Any) -> Speed:
    """Record a ratio for the table and, by its name, in the JSON of pytest-benchmark: ratio, target, what limits it."""
    benchmark.group = request.path.stem.removeprefix("test_").removesuffix("_speed")

    def record(name: str, ratio: float, target: str, limit: str) -> None:
        benchmark.extra_info[name] = {"ratio": ratio, "target": target, "limited_by": limit}
        request.config.stash.setdefault(ROWS, []).append((name, f"{ratio:.2f} ({target})", limit))

    return record


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, as other work on the machine decides what they find: only who asks runs them."""
    if config.getoption("benchmark_only", default=False):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.speed)


def fastest(
    calls: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Return the shortest time of each call, taking turns so that all see the same machine."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = clock()
            call()
            seconds[name].append(clock() - start)
    return {name: min(values) for name, values in seconds.items()}


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("ratios of this run")
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            terminalreporter.write_line("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
