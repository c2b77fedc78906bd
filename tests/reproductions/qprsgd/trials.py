"""Runs of wrong algorithms in this process, under the names of the right ones, and the verdicts on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reproductions.experiments.descent import Descent
from reproductions.paper import Label, Runs
from tests.reproductions.lab import decided, swapped

GREEN = {"reproduced", "misprint", "trend", "trend-excluded", "consistent", "erratum", "illustration"}


def simulate(
    experiments: Mapping[Label, Sequence[Descent]],
    algorithm: type[Any] | None = None,
    keep: Callable[[Label], bool] = lambda label: True,
) -> Runs[Descent]:
    """Run the experiments of some labels in this process, with another algorithm."""
    kept = {label: group for label, group in experiments.items() if keep(label)}
    return swapped(kept, lambda experiment: _with(experiment, algorithm))


def _with(experiment: Descent, algorithm: type[Any] | None) -> Descent:
    if algorithm is None:
        return experiment
    right = experiment.algorithm
    fields = {name: getattr(right, name) for name in right.__dataclass_fields__}
    return replace(experiment, algorithm=algorithm(**fields))


def of(*problems: str) -> Callable[[Label], bool]:
    """Keep the labels of these problems."""
    return lambda label: (label[0] if isinstance(label, tuple) else label) in problems


def red(test: Callable[..., None], claim: str, **fixtures: Any) -> None:
    """Assert that a reproduction finds its claim violated."""
    verdict = decided(test, claim, **fixtures)
    assert verdict.verdict == "deviates", (claim, verdict.verdict, verdict.reason)


def green(test: Callable[..., None], claim: str, **fixtures: Any) -> str:
    """Assert that a reproduction finds its claim right; return the word."""
    verdict = decided(test, claim, **fixtures)
    assert verdict.verdict in GREEN, (claim, verdict.verdict, verdict.reason)
    return verdict.verdict
