"""Engines and devices: the graph of all gradients against the loop over replicas, for every algorithm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from algorithms.algorithm import Algorithm
from algorithms.graphs import SHAPES, Graph
from algorithms.replicas import Replicas, loop
from tests.algorithms.rounds import EXACT, PACKED, WORKERS, batches, network, train

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Compute in float64, and where float32 is asked for, really in float32."""
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        torch.set_default_dtype(torch.float64)
        yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def single() -> None:
    torch.set_default_dtype(torch.float32)


def assert_same(one: Tensor, other: Tensor) -> None:
    """Assert bitwise equality on the CPU, where both make the same calls, and equality up to rounding on a GPU."""
    if one.is_cuda:
        exact = one.dtype != torch.float32
        torch.testing.assert_close(one.cpu(), other.cpu(), rtol=1e-9 if exact else 1e-5, atol=1e-11 if exact else 1e-6)
    else:
        assert torch.equal(one, other)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("algorithm", EXACT.values(), ids=EXACT)
def test_the_graph_trains_as_the_loop_on_the_cpu_does(algorithm: Algorithm, device: str) -> None:
    (graphed, losses), (looped, reference) = train(algorithm, Graph(3), device), train(algorithm, loop, "cpu")
    assert_same(losses, reference)
    for name in ("parameters", "buffers", "counters"):
        assert_same(getattr(graphed, name), getattr(looped, name))


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("algorithm", PACKED.values(), ids=PACKED)
def test_the_graph_trains_algorithms_that_pack_float32_as_the_loop_does(algorithm: Algorithm, device: str) -> None:
    # on one device: a rounding error of 1e-16 between devices may turn into a whole level of the quantizer
    (graphed, losses), (looped, reference) = train(algorithm, Graph(3), device), train(algorithm, loop, device)
    assert_same(losses, reference)
    assert_same(graphed.parameters, looped.parameters)


@pytest.mark.parametrize("device", DEVICES)
def test_two_graphs_train_bitwise_alike(device: str) -> None:
    algorithm = EXACT["RPS"]
    (one, _), (other, _) = (train(algorithm, Graph(streams), device) for streams in (1, 4))
    assert torch.equal(one.parameters, other.parameters)
    assert torch.equal(one.buffers, other.buffers)


@pytest.mark.parametrize("device", DEVICES)
def test_gradients_are_of_the_batches_given_last_and_zero_without_one(device: str) -> None:
    replicas, reference = (Replicas(network, WORKERS, 0, device, engine) for engine in (Graph(2), loop))
    for step, count in ((0, 4), (1, 4), (2, 2), (3, 4)):
        given = batches(step, device)[:count]
        losses = [r.backward(given, functional.cross_entropy) for r in (replicas, reference)]
        assert_same(losses[0], losses[1])
        assert_same(replicas.gradients, reference.gradients)
        assert not replicas.gradients[count:].any()
    assert_same(replicas.buffers, reference.buffers)
    assert replicas.counters.flatten().tolist() == [4, 4, 3, 3]  # rounds that were made before a recording do not count


@pytest.mark.parametrize("device", DEVICES)
def test_a_parameter_that_does_nothing_has_a_gradient_of_zero(device: str) -> None:
    def build() -> nn.Module:
        module = nn.Sequential(nn.Flatten(), nn.Linear(16, 5))
        module.register_parameter("idle", nn.Parameter(torch.ones(3)))
        return module

    replicas = Replicas(build, WORKERS, 0, device, Graph())
    replicas.backward(batches(0, device), functional.cross_entropy)
    assert not replicas.gradients[:, :3].any()
    assert replicas.gradients[:, 3:].any()


def test_losses_stay_when_the_next_round_is_made() -> None:
    replicas = Replicas(network, WORKERS, 0, engine=Graph())
    first = replicas.backward(batches(0), functional.cross_entropy)
    kept = first.clone()
    replicas.backward(batches(1), functional.cross_entropy)
    assert torch.equal(first, kept)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="streams is 0"):
        Graph(0)
    with pytest.raises(ValueError, match=r"no \.grad"):
        Graph()([network()], batches(0)[:1], functional.cross_entropy)


def test_data_of_many_shapes_are_refused() -> None:
    replicas = Replicas(lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 5)), 1, 0, engine=Graph())
    images, labels = batches(0)[0]

    def train_with(size: int) -> Tensor:
        return replicas.backward([(images.repeat(size, 1, 1, 1), labels.repeat(size))], functional.cross_entropy)

    for size in range(1, SHAPES + 1):
        train_with(size)
    with pytest.raises(ValueError, match=f"more than {SHAPES} different shapes"):
        train_with(SHAPES + 1)
    train_with(1)
