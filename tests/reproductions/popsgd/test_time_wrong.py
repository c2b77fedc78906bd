"""The claim about the time of a batch turns red where waiting, a lost model or one partner make it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import pytest

from reproductions.paper import Run, Runs, Settings
from reproductions.popsgd import deployment, test_figure2_time
from reproductions.popsgd.windowed import WindowTraining
from tests.reproductions.lab import assert_red, decider

SETTINGS = Settings(device="cpu", seeds=3)


def timed(batch: Callable[[int], float], differ: int = 0, loss: float = 0.3) -> Runs[WindowTraining]:
    """Return runs of figure 2 in which a batch takes other times, in units of its compute, or something is lost."""

    def run(experiment: WindowTraining) -> Run[WindowTraining]:
        seconds = 2e-3 * batch(experiment.nodes) * (1 + 1e-3 * experiment.seed)
        final = {"compute_seconds": 2e-3, "cpu_seconds": seconds, "differ": differ, "start_loss": 2.3}
        rows = [(experiment.steps, name, value) for name, value in (final | {"mean_loss": 2.3 * loss}).items()]
        return Run(experiment, pd.DataFrame(rows, columns=["step", "metric", "value"]), {"ranks": experiment.nodes})

    grid = test_figure2_time.experiments(SETTINGS)
    return Runs({label: [run(experiment) for experiment in group] for label, group in grid.items()})


def scaling(runs: Runs[WindowTraining]) -> Any:
    return partial(test_figure2_time.test_throughput_is_nearly_proportional_to_nodes, runs=runs, figures=None)


def test_time_that_does_not_grow_scales() -> None:
    claim = decider("popsgd-near-linear-scalability")
    scaling(timed(lambda n: 1.1 + 0.01 * n))(claim)
    assert claim.verdict.verdict == "consistent"


@pytest.mark.parametrize(
    "wrong", [timed(lambda n: 1 + 0.1 * n), timed(lambda n: 1.1, differ=1), timed(lambda n: 1.1, loss=1.0)]
)
def test_waiting_for_all_losing_a_model_or_making_no_step_is_no_scaling(wrong: Runs[WindowTraining]) -> None:
    assert_red("popsgd-near-linear-scalability", scaling(wrong))


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_figure2_time, "_plot", lambda *_: None)


def test_reading_one_node_only_does_not_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "partner_of", lambda *_: 0)
    assert_red("popsgd-near-linear-scalability", scaling(timed(lambda n: 1.1)))


def test_modelled_time_without_contention_is_compute_plus_transfer() -> None:
    assert deployment.modelled_seconds(1, 100, 1.0, 0.1) == 1.0
    assert deployment.modelled_seconds(2, 100, 1.0, 0.1) == pytest.approx(1.1)
    assert deployment.modelled_seconds(32, 100, 1.0, 0.5) > 1.5
