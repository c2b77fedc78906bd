"""Training rates on a GPU against the targets and the floors."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from algorithms.replicas import loop
from reproductions.experiments import training as harness
from reproductions.experiments.roofline import H100, TARGETS, image_cost, roofline
from reproductions.harness.runs.context import Context
from reproductions.workloads.resnet import ResNet, ResNet34
from reproductions.workloads.vgg import Vgg
from tests.benchmarks.conftest import Speed
from tests.benchmarks.made_images import kernels, measure, training

NETS = dict(zip(TARGETS, (ResNet(20), ResNet(110), Vgg(16), ResNet34()), strict=True))
WORKERS, BATCH, ROUNDS = 16, 32, 30

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@gpu
@pytest.mark.parametrize("streams", [1, 4, 8])
@pytest.mark.parametrize("name", NETS)
def test_rate_of_training(benchmark: Any, speed: Speed, name: str, streams: int) -> None:
    run, net = training(NETS[name], WORKERS, BATCH, ROUNDS), NETS[name]
    rate = benchmark.pedantic(measure, args=(run, Context(device="cuda:0", streams=streams)), rounds=3)
    count, busy = kernels(run, Context(device="cuda:0", streams=streams))
    floor = roofline(image_cost(net.build(), BATCH), H100)
    rounds, wall = 2 * ROUNDS, 2 * ROUNDS * WORKERS * BATCH / rate.samples
    limit = (
        f"{count / rounds:.0f} kernels a round, {busy / wall:.1f} of them at a time; mixing {rate.mixing:.0%}; "
        f"H100 floors: arithmetic {floor.arithmetic:,.0f}, bandwidth {floor.bandwidth:,.0f} samples/s"
    )
    speed(f"{name}, {streams} streams: samples/s / target", rate.samples / TARGETS[name], "at least 1", limit)


@gpu
@pytest.mark.parametrize("name", NETS)
def test_the_graph_against_the_loop(benchmark: Any, speed: Speed, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = training(NETS[name], WORKERS, BATCH, ROUNDS)
    graph = benchmark.pedantic(measure, args=(run, Context(device="cuda:0")), rounds=3)
    monkeypatch.setattr(harness, "engine", lambda task, context: loop)
    ratio = graph.samples / measure(run, Context(device="cuda:0")).samples
    speed(f"{name}: rate of the graph / of the loop on the same GPU", ratio, "at least 1", "launches of the loop")
    assert ratio >= 1
