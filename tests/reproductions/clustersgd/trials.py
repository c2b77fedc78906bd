"""Runs of wrong algorithms of the cluster model in this process, and the verdicts on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from reproductions.clustersgd import moments, test_partition, test_strongly_convex, wells
from reproductions.paper import Run, Runs, Settings
from tests.reproductions.lab import decided

SETTINGS = Settings(seeds=4)


def forget() -> None:
    """Forget what the reproductions remember of algorithms that may be wrong now."""
    for cached in (moments.observe, test_strongly_convex._observed, test_partition._ends, wells.law):
        cached.cache_clear()


def red(test: Callable[..., None], claim: str, **fixtures: Any) -> None:
    """Assert that a reproduction finds its claim, all of whose names begin alike, violated."""
    forget()
    verdict = decided(test, f"clustersgd-{claim}", **fixtures)
    assert verdict.verdict == "deviates", (claim, verdict.verdict, verdict.reason)


def _with(experiment, algorithm):
    right = experiment.algorithm
    fields = {name: getattr(right, name) for name in right.__dataclass_fields__}
    return replace(experiment, algorithm=algorithm(**fields))


def all_with(grid, algorithm):
    return {label: [_with(run, algorithm) for run in group] for label, group in grid.items()}


def of_rule(grid, rule):
    return {label: group for label, group in grid.items() if label[1] == rule}


def named(runs, right):
    """Return the runs under the names of the right experiments."""
    renamed = {
        label: [Run(run, made.frame, made.provenance) for made, run in zip(runs[label], group, strict=True)]
        for label, group in right.items()
    }
    return Runs(renamed)
