"""Faults that were tried and survived, counted by kind: the last lines of a session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

FAULTS = "faults"  # property of a test's report: kind, tried, survived


def note(item: pytest.Item, report: pytest.TestReport) -> None:
    """Count a test that is marked with a kind of fault as one that was tried; it survived if the test passed."""
    marker = item.get_closest_marker("fault")
    if marker and marker.args and report.when == "call" and not report.skipped:
        item.user_properties.append((FAULTS, [marker.args[0], 1, int(report.passed)]))
        report.user_properties = list(item.user_properties)


def lines(reports: Iterable[Any]) -> Sequence[str]:
    """Return the table of the faults that reports, of any process of the session, speak of; nothing without one."""
    counts: dict[str, list[int]] = {}
    for report in (report for report in reports if report.when == "call"):
        for kind, *numbers in (value for name, value in report.user_properties if name == FAULTS):
            counts[kind] = [sum(pair) for pair in zip(counts.get(kind, [0, 0]), numbers, strict=True)]
    if not counts:
        return []
    rows = [*sorted(counts.items()), ("all", [sum(column) for column in zip(*counts.values(), strict=True)])]
    width = max(len(kind) for kind, _ in rows)
    return [f"{kind:{width}}  {tried:6} tried  {survived:6} survived" for kind, (tried, survived) in rows]
