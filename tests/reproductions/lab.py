"""Runs with something wrong in them, and the tests of a reproduction called on the result."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pytest

import reproductions
from reproductions.harness.claims import load_claims
from reproductions.harness.context import Context
from reproductions.harness.experiment import Experiment
from reproductions.harness.provenance import provenance
from reproductions.harness.runner import Runner
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider, Verdict, open_verdict

E = TypeVar("E", bound=Experiment)
Frame = dict[Hashable, list[Any]]


def simulate(experiments: Iterable[Experiment], data: Path | None = None) -> list[Run]:
    """Run experiments in this process."""
    runs = []
    for experiment in experiments:
        context = Context(data=data)
        experiment.execute(context)
        frame = pd.DataFrame(context.rows, columns=["step", "metric", "value"])
        runs.append(Run(experiment, frame, provenance() | {"ranks": 1} | context.notes))
    return runs


def on_ranks(ranks: int, experiments: Sequence[Experiment], results: Path) -> list[Frame]:
    """Return the frames of runs on so many ranks as plain values, without what a clock measured."""
    runs = Runner(Settings(ranks=ranks, device="cpu", results=results / str(ranks))).run(experiments)
    kept = [run.frame[~run.frame["metric"].str.endswith("_seconds")] for run in runs]
    assert all(
        frame["metric"].eq("digest").any()
        for frame, run in zip(kept, runs, strict=True)
        if isinstance(run.experiment, Training)
    )
    return [frame.sort_values(["step", "metric"]).to_dict("list") for frame in kept]


def swapped(settings: Settings, experiments: Sequence[E], wrong: Callable[[E], Experiment]) -> list[Run]:
    """Return the runs, over ranks, of what `wrong` makes of the experiments, under the names of the right ones."""
    made = Runner(settings).run([wrong(experiment) for experiment in experiments])
    return [Run(right, run.frame, run.provenance) for right, run in zip(experiments, made, strict=True)]


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
