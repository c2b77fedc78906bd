"""The claims about networks and time turn red on wrong algorithms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import pytest

from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.popsgd import (
    deployment,
    networks,
    partitions,
    test_figure2_time,
    test_figure4_cifar,
    test_imagenet,
    test_mult,
)
from reproductions.popsgd.networks import IMAGENET_NODES, ONE_SIDED, SYMMETRIC, curve
from reproductions.popsgd.partitions import Partitions
from reproductions.popsgd.test_figure4_cifar import ALL, CURVES, PERIODS
from reproductions.popsgd.training import NodeTraining
from tests.reproductions.lab import assert_red, decided, simulate

SETTINGS = Settings(device="cpu", seeds=3)
POPSGD = ("PopSGD, n = 4", "PopSGD, n = 8")


def standing_for(right: list[NodeTraining], made: list[Run]) -> list[Run]:
    """Return runs under the names of others."""
    return [Run(experiment, run.frame, run.provenance) for experiment, run in zip(right, made, strict=True)]


@pytest.fixture(scope="module")
def made() -> dict[str, list[Run]]:
    """Make every wrong population once; a node that never talks and has all samples is vanilla SGD."""
    names = ("vanilla SGD", "data-parallel, n = 4", "local SGD, n = 4")
    settings = {name: CURVES[name] for name in names} | {"one-sided": (ONE_SIDED, 4, 1.0)}
    return {name: simulate(curve(SETTINGS, *setting)) for name, setting in settings.items()}


def population_of(made: dict[str, list[Run]], wrong: str) -> list[Run]:
    """Return the runs of the figure with a wrong population in place of PopSGD at n = 4 and 8."""
    right = [run for name in CURVES if name in made for run in made[name]]
    return right + [run for name in POPSGD for run in standing_for(curve(SETTINGS, *CURVES[name]), made[wrong])]


ERRORS: dict[str, Callable[..., None]] = {
    "popsgd-cifar-train-acc": test_figure4_cifar.test_train_accuracy_rises_with_n,
    "popsgd-cifar-panel-b": test_figure4_cifar.test_test_accuracy_rises_with_n,
    "popsgd-cifar-faster-with-n": test_figure4_cifar.test_converges_faster_with_n,
}


@pytest.mark.parametrize("claim", list(ERRORS))
def test_more_nodes_do_not_help_if_they_never_talk(claim: str, made: dict[str, list[Run]]) -> None:
    runs = population_of(made, "vanilla SGD")
    assert decided(ERRORS[claim], claim, settings=SETTINGS, runs=runs).verdict == "deviates"


@pytest.mark.parametrize("claim", list(ERRORS))
def test_an_unchanged_partner_does_not_pass_for_the_symmetric_rule(claim: str, made: dict[str, list[Run]]) -> None:
    verdict = decided(ERRORS[claim], claim, settings=SETTINGS, runs=population_of(made, "one-sided")).verdict
    assert verdict in {"deviates", "inconclusive"}  # three seeds; the time to 90 % below is red


def test_time_of_readers_whose_partner_stays_unchanged(
    made: dict[str, list[Run]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_figure4_cifar, "_bars", lambda *_: None)
    fixtures: dict[str, Any] = {"settings": SETTINGS, "runs": population_of(made, "one-sided"), "figures": None}
    verdict = decided(test_figure4_cifar.test_time_to_90_percent, "popsgd-cifar-time-to-90", **fixtures)
    assert verdict.verdict == "deviates"


def test_a_period_that_is_not_kept_makes_no_difference(made: dict[str, list[Run]]) -> None:
    same = made["local SGD, n = 4"]
    runs = [run for name in PERIODS.values() for run in standing_for(curve(SETTINGS, *ALL[name]), same)]
    test = test_figure4_cifar.test_local_sgd_needs_global_averages
    assert decided(test, "popsgd-localsgd-100", settings=SETTINGS, runs=runs).verdict == "deviates"


def test_mult_that_is_ignored_is_not_sufficient() -> None:
    alone, few, many = (test_mult.grid(SETTINGS, *setting) for setting in test_mult.settings_of(SETTINGS))
    runs = simulate([*alone, *few])
    runs += standing_for(many, runs[len(alone) :])
    test = test_mult.test_low_mult_is_sufficient
    assert decided(test, "popsgd-mult-1-4", settings=SETTINGS, runs=runs).verdict == "deviates"


# ----------------------------------------------------------------------------------------------------- partitions


def test_partitions_that_are_not_shared_by_two(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(train_size: int, batch: int, nodes: int, seed: int, copies: int, mult: int) -> Partitions:
        return Partitions(train_size, batch, nodes, seed, 1, mult)

    monkeypatch.setattr(test_imagenet, "Partitions", alone)
    assert_red("popsgd-partition-two-copies", test_imagenet.test_every_sample_is_processed_by_two_nodes)
    assert_red("popsgd-fig2-sample-arithmetic", test_imagenet.test_samples_and_updates)


def test_partitions_that_are_never_shuffled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    split = partitions._split
    monkeypatch.setattr(partitions, "_split", lambda size, parts, seed, epoch: split(size, parts, seed, 0))
    partitions._order.cache_clear()
    assert_red("popsgd-partition-two-copies", test_imagenet.test_every_sample_is_processed_by_two_nodes)
    partitions._order.cache_clear()


def test_another_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "BATCH", 64)
    assert_red("popsgd-batch-128", test_imagenet.test_batch_of_the_recipe)


@pytest.mark.parametrize("claim", list(test_imagenet.NETS))
@pytest.mark.parametrize(("accuracy", "outcome"), [(0.78, "holds"), (0.66, "fails")])
def test_accuracies_on_imagenet_can_fail(claim: str, accuracy: float, outcome: str) -> None:
    rows = [(0, "train_accuracy", 0.1), (1, "train_accuracy", accuracy), (1, "test_accuracy", accuracy)]
    experiment = networks.imagenet("resnet18").training(SYMMETRIC, IMAGENET_NODES, 0)
    run = Run(experiment, pd.DataFrame(rows, columns=["step", "metric", "value"]), {})
    assert test_imagenet._accuracy(claim, run).outcome == outcome


# ----------------------------------------------------------------------------------------------------------- time


def timed(seconds: Callable[[int], float]) -> list[Run]:
    """Return the runs of figure 2 with other times."""
    runs = []
    for experiment in test_figure2_time.experiments(SETTINGS):
        value = seconds(experiment.nodes) * (1 + 1e-3 * experiment.seed)
        frame = pd.DataFrame([(experiment.nodes, "seconds", value)], columns=["step", "metric", "value"])
        runs.append(Run(experiment, frame, {"ranks": experiment.nodes}))
    return runs


def test_nodes_that_take_turns_do_not_scale() -> None:
    runs = timed(lambda n: 0.02 * (1 + 0.1 * n))
    scale = partial(test_figure2_time.test_throughput_is_nearly_proportional_to_nodes, runs=runs)
    assert_red("popsgd-near-linear-scalability", scale)


def test_a_time_that_falls_with_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_figure2_time, "_plot", lambda *_: None)
    runs: Any = {"runs": timed(lambda n: 0.03 - 0.001 * n), "figures": None}
    grows = partial(test_figure2_time.test_time_per_batch_grows_with_nodes, **runs)
    assert_red("popsgd-fig2-time-per-batch", grows)


def test_reading_one_node_only_does_not_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "partner_of", lambda *_: 0)
    runs = timed(lambda n: 0.02)
    scale = partial(test_figure2_time.test_throughput_is_nearly_proportional_to_nodes, runs=runs)
    assert_red("popsgd-near-linear-scalability", scale)


def test_modelled_time_without_contention_is_compute_plus_transfer() -> None:
    assert deployment.modelled_seconds(1, 100, 1.0, 0.1) == 1.0
    assert deployment.modelled_seconds(2, 100, 1.0, 0.1) == pytest.approx(1.1)
    assert deployment.modelled_seconds(32, 100, 1.0, 0.5) > 1.5
