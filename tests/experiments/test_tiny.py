"""Training of tiny networks: one rank, another key, and the results of training up to rounding."""

import pytest

from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.experiments.tiny import TinyTraining, one_by_one, training_of
from reproductions.experiments.training import Training
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Placement
from reproductions.harness.runs.key import key
from reproductions.workloads.base import Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.digits import Digits
from reproductions.workloads.grammar import SlotGrammar
from reproductions.workloads.resnet import ResNet


def trained(training: Training) -> tuple[dict[str, float], Context]:
    context = Context()
    training.execute(context)
    return {metric: value for _, metric, value in context.rows}, context


def pair(workload: Workload) -> tuple[Training, Training]:
    """Return the same training on one rank and on ranks that share it."""
    tiny = TinyTraining(ModelAveraging(), workload, StepDecay(0.1), nodes=4, batch=8, epochs=1, seed=0)
    return tiny, one_by_one(tiny)


def test_losses_are_those_of_training_up_to_rounding() -> None:
    (tiny, context), (shared, _) = (trained(training) for training in pair(Digits("small")))
    assert context.notes["engine"] == "wide network"
    assert tiny["digest"] != shared["digest"]
    for metric in ("train_loss", "mean_test_loss", "consensus"):
        assert tiny[metric] == pytest.approx(shared[metric], rel=1e-3)


def test_uneven_batches_are_computed_one_by_one() -> None:
    (tiny, context), (shared, _) = (trained(training) for training in pair(SlotGrammar(train_size=64)))
    assert context.notes["engine"] == "loop"
    assert tiny["digest"] == shared["digest"]


def test_it_is_another_experiment_on_one_rank() -> None:
    tiny, shared = pair(Digits("small"))
    assert key(tiny, None, "cpu") != key(shared, None, "cpu")
    assert [tiny.placement, shared.placement] == [Placement.ALONE, Placement.SHARED]


def test_networks_that_are_worth_it_are_shared() -> None:
    assert training_of(Digits("deep")) is TinyTraining
    assert training_of(Cifar10(ResNet(20))) is Training
