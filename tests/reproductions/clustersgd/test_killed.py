"""Survivors that learn less, or that are fewer, turn the claim red; so does a run that waits for the dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from reproductions.clustersgd import test_killed as reproduction
from reproductions.harness.figures import FigureFolder
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from tests.reproductions.lab import decided

KILLED = "clustersgd-killed-processes"


@pytest.mark.parametrize(
    ("accuracy", "survivors", "verdict"),
    [(0.9, 4, "reproduced"), (0.85, 4, "deviates"), (0.9, 3, "deviates"), (float("nan"), 4, "deviates")],
)
def test_fewer_or_worse_survivors_turn_red(accuracy: float, survivors: int, verdict: str, tmp_path: Any) -> None:
    (experiment,) = reproduction.experiments(Settings(ranks=1, device="cpu", results=tmp_path))
    rows = [(5, "whole_accuracy", 0.3), (5, "killed_accuracy", 0.3)]
    rows += [(60, "whole_accuracy", 0.91), (60, "killed_accuracy", accuracy), (60, "survivors", survivors)]
    run = Run(experiment, pd.DataFrame(rows, columns=["step", "metric", "value"]), {"workload": "digits", "ranks": 4})
    test: Callable[..., None] = reproduction.test_survivors_learn_as_well
    result = decided(test, KILLED, runs=[run], figures=FigureFolder(tmp_path / "figures"))
    assert result.verdict == verdict
