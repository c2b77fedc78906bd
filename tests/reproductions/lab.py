"""Runs with something wrong in them, and the tests of a reproduction called on the result."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, overload

import pandas as pd
import pytest

import reproductions
from reproductions.experiments.training import Training
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.labelled import Label, Runs
from reproductions.harness.runs.provenance import provenance
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run
from reproductions.harness.verdicts.claims import load_claims
from reproductions.harness.verdicts.record import Verdict, open_verdict
from reproductions.harness.verdicts.verdict import Decider

E = TypeVar("E", bound=Experiment)
Frame = dict[Hashable, list[Any]]


@overload
def simulate(experiments: Iterable[Experiment], data: Path | None = None) -> list[Run]: ...


@overload
def simulate(experiments: Mapping[Label, Sequence[Experiment]], data: Path | None = None) -> Runs: ...


def simulate(
    experiments: Iterable[Experiment] | Mapping[Label, Sequence[Experiment]], data: Path | None = None
) -> list[Run] | Runs:
    """Run experiments in this process; labelled ones give labelled runs."""
    if isinstance(experiments, Mapping):
        return Runs({label: simulate(group, data) for label, group in experiments.items()})
    runs = []
    for experiment in experiments:
        context = Context(data=data)
        experiment.execute(context)
        frame = pd.DataFrame(context.rows, columns=["step", "metric", "value"])
        runs.append(Run(experiment, frame, provenance() | {"ranks": 1} | context.notes))
    return runs


def on_ranks(ranks: int, experiments: Sequence[Experiment], results: Path) -> list[Frame]:
    """Return what runs log on so many ranks, as `frames` does."""
    return frames(Runner(Settings(ranks=ranks, device="cpu", results=results / str(ranks))).run(experiments))


def frames(runs: Sequence[Run]) -> list[Frame]:
    """Return the frames of runs as plain values, without what a clock measured."""
    kept = [run.frame[~run.frame["metric"].str.endswith("_seconds")] for run in runs]
    assert all(
        frame["metric"].eq("digest").any()
        for frame, run in zip(kept, runs, strict=True)
        if isinstance(run.experiment, Training)
    )
    return [frame.sort_values(["step", "metric"]).to_dict("list") for frame in kept]


@overload
def swapped(experiments: Sequence[E], wrong: Callable[[E], Experiment]) -> list[Run]: ...


@overload
def swapped(experiments: Mapping[Label, Sequence[E]], wrong: Callable[[E], Experiment]) -> Runs: ...


def swapped(
    experiments: Sequence[E] | Mapping[Label, Sequence[E]], wrong: Callable[[E], Experiment]
) -> list[Run] | Runs:
    """Return the runs of what `wrong` makes of the experiments, under the names of the right ones.

    Labelled experiments give labelled runs. What is wrong has to be in the value of an experiment, by which runs are
    remembered: several tests share them.
    """
    if isinstance(experiments, Mapping):
        return Runs({label: swapped(group, wrong) for label, group in experiments.items()})
    return [replace(_remembered(wrong(right)), experiment=right) for right in experiments]


def remembered(experiments: Mapping[Label, Sequence[Experiment]]) -> Runs:
    """Return the runs of experiments as `simulate` does, each made once in a session; see `swapped`."""
    return swapped(experiments, lambda experiment: experiment)


@functools.cache
def _remembered(experiment: Experiment) -> Run:
    return simulate([experiment])[0]


def decider(claim_id: str) -> Decider:
    """Return what decides a claim, named ``<paper>-...``, outside of a session of the plugin."""
    folder = Path(reproductions.__path__[0]) / claim_id.split("-", maxsplit=1)[0]
    claim = load_claims(folder / "claims.yaml")[claim_id]
    return Decider(claim, open_verdict(claim, "smoke", "wrong"))


def decided(test: Callable[..., None], claim_id: str, **fixtures: Any) -> Verdict:
    """Call a reproduction's test as pytest would and return the verdict that it reaches."""
    claim = decider(claim_id)
    try:
        test(claim, **fixtures)
    except (pytest.fail.Exception, pytest.skip.Exception):
        assert claim.verdict.verdict in {"deviates", "inconclusive"}
    return claim.verdict


def assert_red(claim_id: str, decide: Callable[[Decider], None]) -> None:
    """Assert that a claim deviates."""
    claim = decider(claim_id)
    with pytest.raises(pytest.fail.Exception, match="deviates"):
        decide(claim)
    assert claim.verdict.verdict == "deviates"
