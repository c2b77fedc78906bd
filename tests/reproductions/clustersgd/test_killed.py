"""Survivors that learn less, or that are fewer, turn the claim red; so does a run that waits for the dead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pytest

from reproductions.clustersgd import test_killed as reproduction
from reproductions.clustersgd.survivors import CLUSTERS, Survivors
from reproductions.paper import FigureFolder, Run, Runs, Settings
from tests.reproductions.lab import decided

KILLED = "clustersgd-killed-processes"


def trained(experiment: Any, accuracy: float, survivors: int) -> Run[Any]:
    rows = [(5, "whole_accuracy", 0.3), (5, "killed_accuracy", 0.3)]
    rows += [(60, "whole_accuracy", 0.91), (60, "killed_accuracy", accuracy), (60, "survivors", survivors)]
    return Run(experiment, pd.DataFrame(rows, columns=["step", "metric", "value"]), {"workload": "digits", "ranks": 4})


def launched(experiment: Survivors, wrong: Mapping[str, float]) -> Run[Any]:
    last = max(kill.tag[0] for kill in experiment.kills.values() if kill.tag)
    right = {
        "survivors": 2.0,
        "lonely": 1.0,
        "after": experiment.iterations - last,
        "error": 5.0 + experiment.seed / 10,
    }
    found = {
        name: value * (1 + experiment.seed / 1000 * (name == "error")) for name, value in {**right, **wrong}.items()
    }
    rows = [(experiment.iterations, *pair) for pair in found.items()]
    return Run(experiment, pd.DataFrame(rows, columns=["step", "metric", "value"]), {"ranks": 2})


@pytest.mark.parametrize(
    ("accuracy", "survivors", "wrong", "verdict"),
    [
        (0.9, 4, {}, "reproduced"),
        (0.85, 4, {}, "deviates"),
        (0.9, 3, {}, "deviates"),
        (float("nan"), 4, {}, "deviates"),
        (0.9, 4, {"survivors": 1.0}, "deviates"),
        (0.9, 4, {"lonely": 0.0}, "deviates"),
        (0.9, 4, {"after": 0.0}, "deviates"),
        (0.9, 4, {"error": 100.0}, "deviates"),
    ],
)
def test_fewer_or_worse_survivors_turn_red(
    accuracy: float, survivors: int, wrong: Mapping[str, float], verdict: str, tmp_path: Any
) -> None:
    grid: Any = reproduction.experiments(Settings(ranks=1, device="cpu", results=tmp_path))
    (experiment,), launches = grid["killed"], [launched(each, wrong) for each in grid["launches"]]
    runs: Runs[Any] = Runs({"killed": [trained(experiment, accuracy, survivors)], "launches": launches})
    test: Callable[..., None] = reproduction.test_survivors_learn_as_well
    result = decided(test, KILLED, runs=runs, figures=FigureFolder(tmp_path / "figures"))
    assert result.verdict == verdict


def test_every_launch_leaves_a_survivor_that_is_alone_in_its_cluster() -> None:
    for seed in range(20):
        victims = set(Survivors(seed).kills)
        assert len(victims) == 2
        assert [c for c in CLUSTERS.members if set(c) <= victims], "a whole cluster dies"
        assert {0, 1} - victims != set() != {0, 1} & victims, "one of the pair is left"
