"""Runs of wrong algorithms in this process, under the names of the right ones, and the verdicts on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from reproductions.harness.context import Context
from reproductions.harness.descent import Simulation
from reproductions.harness.provenance import provenance
from reproductions.harness.store import Run
from tests.reproductions.lab import decided


def simulate(
    experiments: Sequence[Simulation], algorithm: type[Any] | None = None, roles: Sequence[str] = ()
) -> list[Run]:
    """Run the experiments of some roles in this process, with another algorithm."""
    runs = []
    for right in experiments:
        if roles and right.role not in roles:
            continue
        experiment = _with(right, algorithm) if algorithm else right
        context = Context()
        experiment.execute(context)
        frame = pd.DataFrame(context.rows, columns=["step", "metric", "value"])
        runs.append(Run(right, frame, provenance() | {"ranks": 1} | context.notes))
    return runs


def _with(experiment: Simulation, algorithm: type[Any]) -> Simulation:
    right = experiment.algorithm
    fields = {name: getattr(right, name) for name in right.__dataclass_fields__}
    return replace(experiment, algorithm=algorithm(**fields))


def red(test: Callable[..., None], claim: str, **fixtures: Any) -> None:
    """Assert that a reproduction finds its claim violated."""
    verdict = decided(test, claim, **fixtures)
    assert verdict.verdict == "deviates", (claim, verdict.verdict, verdict.reason)
