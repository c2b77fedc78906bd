"""Runs the grid of a figure with its algorithm replaced by a wrong one, and the figure's tests on the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pytest

from reproductions.harness.claims import Claim
from reproductions.harness.experiment import Experiment
from reproductions.harness.runner import Runner
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider, Verdict, open_verdict

E = TypeVar("E", bound=Experiment)


def swapped(settings: Settings, experiments: Sequence[E], wrong: Callable[[E], Experiment]) -> list[Run]:
    """Return the runs of what `wrong` makes of the experiments, under the names of the right ones."""
    made = Runner(settings).run([wrong(experiment) for experiment in experiments])
    return [Run(right, run.frame, run.provenance) for right, run in zip(experiments, made, strict=True)]


def decided(claims: Mapping[str, Claim], test: Callable[..., None], claim: str, **fixtures: Any) -> Verdict:
    """Call a reproduction's test as pytest would and return the verdict that it reaches."""
    verdict = open_verdict(claims[claim], "smoke", "wrong")
    try:
        test(Decider(claims[claim], verdict), **fixtures)
    except (pytest.fail.Exception, pytest.skip.Exception):
        assert verdict.verdict in {"deviates", "inconclusive"}
    return verdict
