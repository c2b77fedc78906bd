"""The wide network of all replicas against the loop over replicas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from algorithms.algorithm import Algorithm
from algorithms.replicas import Replicas, loop
from algorithms.wide import Wide
from reproductions.workloads import digits
from tests.algorithms.rounds import EXACT, WORKERS, batches, network, train


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("algorithm", EXACT.values(), ids=EXACT)
def test_it_trains_as_the_loop_does_up_to_rounding(algorithm: Algorithm) -> None:
    (wide, losses), (looped, reference) = train(algorithm, Wide(), "cpu"), train(algorithm, loop, "cpu")
    assert_close(losses, reference)
    for name in ("parameters", "buffers", "counters"):
        assert_close(getattr(wide, name), getattr(looped, name))


@pytest.mark.parametrize("net", get_args(digits.Net))
def test_gradients_of_every_network_of_the_digits(net: digits.Net) -> None:
    task = digits.Digits(net).load()
    wide, looped = (Replicas(task.model, 3, 0, engine=engine) for engine in (Wide(), loop))
    shift = torch.randn(wide.parameters.shape, generator=torch.Generator().manual_seed(0)) / 10
    images, labels = torch.randn(3, 4, 1, 8, 8), torch.randint(10, (3, 4))
    for replicas in (wide, looped):
        replicas.parameters.add_(shift)
        replicas.backward(list(zip(images, labels, strict=True)), task.loss)
    assert_close(wide.gradients, looped.gradients)
    assert_close(wide.buffers, looped.buffers)


def test_replicas_do_not_meet() -> None:
    one, other = (Replicas(network, WORKERS, 0, engine=Wide()) for _ in range(2))
    given, changed = batches(0), batches(0)
    changed[2] = batches(1)[2]
    losses = [r.backward(b, functional.cross_entropy) for r, b in ((one, given), (other, changed))]
    for found, expected in ((one.gradients, other.gradients), (one.buffers, other.buffers), tuple(losses)):
        same = [torch.equal(a, b) for a, b in zip(found, expected, strict=True)]
        assert same == [True, True, False, True]


def test_replicas_without_a_batch_have_gradients_of_zero() -> None:
    wide, looped = (Replicas(network, WORKERS, 0, engine=engine) for engine in (Wide(), loop))
    for step, count in ((0, 4), (1, 2), (2, 4)):
        for replicas in (wide, looped):
            replicas.backward(batches(step)[:count], functional.cross_entropy)
        assert_close(wide.gradients, looped.gradients)
        assert not wide.gradients[count:].any()
    assert wide.counters.flatten().tolist() == [3, 3, 2, 2]


class Normalized(nn.Module):
    """Divides by the norm over all channels, in which replicas would meet."""

    def forward(self, x: Tensor) -> Tensor:
        return x / x.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(
    "layer", [Normalized(), nn.LayerNorm(4), nn.Softmax(1)], ids=lambda layer: type(layer).__name__
)
def test_layers_that_are_not_known_are_refused(layer: nn.Module) -> None:
    replicas = Replicas(lambda: nn.Sequential(layer, nn.Flatten(), nn.Linear(16, 5)), WORKERS, 0, engine=Wide())
    with pytest.raises(ValueError, match=f"{type(layer).__name__} has no wide form"):
        replicas.backward(batches(0), functional.cross_entropy)
