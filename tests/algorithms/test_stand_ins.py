"""Stand-ins against the loop over the replicas themselves, for another choice of replicas in every call."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from algorithms.graphs import Graph
from algorithms.replicas import Engine, Replicas, loop
from algorithms.stand_ins import StandIns
from tests.algorithms.rounds import batches, network
from tests.algorithms.test_graphs import DEVICES, assert_same, double  # noqa: F401

REPLICAS, CALLS = 6, 12


def plain() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 5))


def started(engine: Engine, device: str, build: object = network) -> Replicas:
    """Return replicas that all differ."""
    replicas = Replicas(build, REPLICAS, 0, device, engine)  # type: ignore[arg-type]
    noise = torch.randn(replicas.parameters.shape, generator=torch.Generator().manual_seed(1))
    replicas.parameters.add_(noise.to(device), alpha=0.1)
    return replicas


def trained(replicas: Replicas, device: str) -> list[torch.Tensor]:
    """Let random choices of replicas make a step; return the losses of every call."""
    rng, losses = np.random.default_rng(2), []
    for call in range(CALLS):
        chosen = rng.permutation(REPLICAS)[: rng.integers(1, REPLICAS + 1)].tolist()
        given = (batches(call, device) + batches(call + CALLS, device))[: len(chosen)]
        replicas.gradients.zero_()
        losses.append(replicas.engine([replicas.models[k] for k in chosen], given, functional.cross_entropy))
        idle = [k for k in range(REPLICAS) if k not in chosen]
        assert not replicas.gradients[idle].any(), "who is not chosen has no gradient"
        replicas.parameters.sub_(replicas.gradients, alpha=0.3)
    return losses


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("build", [network, plain], ids=["with buffers", "without"])
@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_they_train_as_the_loop_over_the_replicas_does(count: int, build: object, device: str) -> None:
    copied, looped = started(StandIns(Graph(2), count), device, build), started(loop, "cpu", build)
    for one, other in zip(trained(copied, device), trained(looped, "cpu"), strict=True):
        assert_same(one, other)
    for name in ("parameters", "buffers", "counters"):
        assert_same(getattr(copied, name), getattr(looped, name))


def test_a_recording_is_made_for_each_number_of_stand_ins_and_not_for_each_choice() -> None:
    graph = Graph()
    trained(started(StandIns(graph, 4), "cpu"), "cpu")
    assert len(graph._records) <= 4


@pytest.mark.parametrize("lost", ["parameters", "take_statistics", "gradients"])
def test_a_copy_that_is_not_made_shows(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from algorithms import stand_ins

    of = stand_ins._Rows.of

    def without(model: nn.Module) -> stand_ins._Rows:
        rows = of(model)
        if lost == "take_statistics":
            return stand_ins._Rows(rows.parameters, rows.gradients, None, None)
        object.__setattr__(rows, lost, getattr(rows, lost).clone())
        return rows

    monkeypatch.setattr(stand_ins._Rows, "of", without)
    with pytest.raises(AssertionError):
        test_they_train_as_the_loop_over_the_replicas_does(4, network, "cpu")


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="count is 0"):
        StandIns(loop, 0)
    with pytest.raises(ValueError, match=r"no \.grad"):
        StandIns(loop, 1)([network()], batches(0)[:1], functional.cross_entropy)
