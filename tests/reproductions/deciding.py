"""Call the tests of a reproduction on purpose with something wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from reproductions.harness.claims import load_claims
from reproductions.harness.context import Context
from reproductions.harness.experiment import Experiment
from reproductions.harness.provenance import provenance
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider, open_verdict


def simulate(experiments: Iterable[Experiment]) -> list[Run]:
    """Run experiments in this process."""
    runs = []
    for experiment in experiments:
        context = Context()
        experiment.execute(context)
        frame = pd.DataFrame(context.rows, columns=["step", "metric", "value"])
        runs.append(Run(experiment, frame, provenance() | {"ranks": 1} | context.notes))
    return runs


def decider(module: ModuleType, claim_id: str) -> Decider:
    """Return a decider of a claim of the claims file beside a module."""
    claim = load_claims(Path(str(module.__file__)).with_name("claims.yaml"))[claim_id]
    return Decider(claim, open_verdict(claim, "smoke", "test"))


def assert_red(module: ModuleType, claim_id: str, decide: Callable[[Decider], None]) -> None:
    claim = decider(module, claim_id)
    with pytest.raises(pytest.fail.Exception, match="deviates"):
        decide(claim)
    assert claim.verdict.verdict == "deviates"
