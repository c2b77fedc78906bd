"""The path of a GPU without one: fake CUDA tensors have shapes and devices, but no values.

An operation on tensors of two devices raises, and so does whatever asks for a value, for which a GPU would have to be
waited for in every round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from algorithms import stand_ins
from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops
from algorithms.popsgd.population import Averaging
from algorithms.replicas import Batch, Loss, Replicas
from algorithms.schedule import StepDecay
from algorithms.stand_ins import StandIns
from algorithms.world import World
from reproductions.popsgd.training import Nodes, NodeTraining, PopSGD
from reproductions.workloads.cifar10 import CropAndFlip
from reproductions.workloads.digits import Digits
from reproductions.workloads.images import Images, ImageTask
from tests.algorithms.rounds import EXACT, PACKED, WORKERS, network

GPU = torch.device("cuda", 0)
# a receiver of quantized messages reads their headers, and so waits for them
ALGORITHMS = {name: algorithm for name, algorithm in (EXACT | PACKED).items() if not name.startswith("Q")}


@pytest.fixture(autouse=True)
def fake() -> Iterator[None]:
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def on_gpu() -> nn.Module:
    with GPU:
        return network()


def on_gpu_in_colour() -> nn.Module:
    with GPU:
        return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(1800, 10))


def test_fake_tensors_know_their_device_and_have_no_values() -> None:
    with pytest.raises(RuntimeError, match=r"same device|different devices"):
        torch.zeros(2, device=GPU) + torch.zeros(2)
    with pytest.raises(DataDependentOutputException):
        torch.zeros(1, device=GPU).item()


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_a_round_stays_on_the_device(algorithm: Algorithm) -> None:
    world = World(None, WORKERS + algorithm.auxiliaries, IndependentDrops(0.2, seed=3), seed=7)
    replicas = Replicas(on_gpu, world.workers, 1, GPU)
    state = algorithm.state(world, replicas.parameters)
    for t in range(2):  # the gradients stay zero: autograd asks the driver for the device, even of fake tensors
        algorithm.step(world, replicas.parameters, replicas.gradients, state, t, 0.3)
    algorithm.settle(world, replicas.parameters)
    assert replicas.parameters.device == world.mean(replicas.parameters).device == GPU
    assert all(rows.device == GPU for rows in state.values())


def test_batches_are_made_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)  # fake tensors cannot be pinned
    pixels, labels = np.zeros((50, 32, 32, 3), np.uint8), np.zeros(50, np.int64)
    task = ImageTask(
        "made", Images(pixels, labels), Images(pixels, labels), on_gpu_in_colour, 256.0, CropAndFlip(), "cuda:0"
    )
    made = task.batches({2: np.arange(7), 5: np.arange(9)}, seed=1, step=3)
    assert [x.shape for x, _ in made] == [(7, 3, 32, 32), (9, 3, 32, 32)]
    assert {tensor.device for batch in made for tensor in batch} == {GPU}
    loss = task.loss(task.net()(made[0][0]), made[0][1])
    assert loss.device == GPU


@pytest.mark.parametrize("averaging", ["symmetric", "one-sided"])
def test_levels_of_interactions_stay_on_the_device(averaging: Averaging) -> None:
    x, made = torch.zeros(8, 7, device=GPU), []

    def descents(chosen: Sequence[int]) -> list[torch.Tensor]:
        made.append(len(chosen))
        return [torch.ones(7, device=GPU) for _ in chosen]

    PopSGD(averaging).advance(x, descents, {}, range(3), seed=0)
    assert sum(made) == 24
    assert len(made) < 24
    assert x.device == GPU


def test_stand_ins_stay_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_ins, "deepcopy", lambda model: on_gpu())  # a copy of fake tensors may crash torch
    computed = []

    def engine(models: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss) -> torch.Tensor:
        computed.append([next(model.parameters()).device for model in models])
        return torch.zeros(len(models), device=GPU)

    replicas = Replicas(on_gpu, 5, 1, GPU, StandIns(engine, 2))
    batch = torch.zeros(6, 1, 4, 4, device=GPU), torch.zeros(6, dtype=torch.int64, device=GPU)
    for chosen in ([4, 0, 2], [1], [3, 4]):
        losses = replicas.engine(
            [replicas.models[k] for k in chosen], [batch] * len(chosen), torch.nn.functional.mse_loss
        )
        assert losses.shape == (len(chosen),)
        assert losses.device == GPU
    assert computed == [[GPU, GPU], [GPU], [GPU], [GPU, GPU]]


def test_nodes_that_are_trained_together_stay_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)  # fake tensors cannot be pinned
    monkeypatch.setattr(stand_ins, "deepcopy", lambda model: on_gpu_in_colour())
    monkeypatch.setattr(ImageTask, "model", lambda task: task.net())  # nor moved between devices by their module
    pixels, labels = np.zeros((60, 32, 32, 3), np.uint8), np.zeros(60, np.int64)
    images = Images(pixels, labels)
    task = ImageTask("made", images, images, on_gpu_in_colour, 256.0, CropAndFlip(), "cuda:0")
    run = NodeTraining(PopSGD(), Digits("mlp"), StepDecay(0.1), 4, 5, 6, 3, seed=0, momentum=0.9)

    def engine(models: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss) -> torch.Tensor:
        assert {tensor.device for batch in batches for tensor in batch} == {GPU}
        return torch.zeros(len(models), device=GPU)

    nodes = Nodes(run, task, "cuda:0", range(4), StandIns(engine, 2))
    run.method.advance(nodes.replicas.parameters, nodes.descents, nodes.state, range(6), run.seed)
    assert sum(nodes.made.values()) == 24
    assert {tensor.device for tensor in nodes.rows().values() if tensor.numel()} == {GPU}
