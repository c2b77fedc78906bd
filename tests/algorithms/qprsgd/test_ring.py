"""QPRSGD: both algorithms against their own lines, written out for all workers at once; bytes; ranks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.blocks import partition
from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.messages import Codec, Dense, message_key
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.streams import kernel_key
from algorithms.topology import Matrix, metropolis, ring, star, uniform, value
from algorithms.world import World
from tests.algorithms.families import CODECS

M, D, STEPS, LR = 4, 21, 6, 0.125
RING = uniform(ring(M))


def gradients(t: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(t).normal(size=(M, D)).astype(np.float32))


def trajectory(algorithm: Algorithm) -> tuple[Tensor, World, dict[str, Tensor]]:
    world = World(None, M, seed=5)
    x = torch.zeros(M, D)
    state = algorithm.state(world, x)
    for t in range(STEPS):
        algorithm.step(world, x, gradients(t), state, t, LR)
    return x, world, state


def passed(codec: Codec, v: Tensor, worker: int, turn: int) -> Tensor:
    """Return what a receiver decodes."""
    message, out = torch.empty(codec.size(len(v)), dtype=torch.uint8), torch.empty_like(v)
    used = codec.encode(v.clone(), kernel_key(5, "quantize", worker, turn), message)
    codec.decode(message[:used], out)
    return out


@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_ring_is_algorithm_1(codec: Codec, K: int) -> None:
    x, _, _ = trajectory(RingQPRSGD(K, codec))
    model = torch.zeros(D)
    for n in range(STEPS // K):
        local = model.repeat(M, 1)
        for t in range(n * K, (n + 1) * K):
            local.sub_(gradients(t), alpha=LR)
        changes, t = model - local, (n + 1) * K - 1
        total = torch.empty(D)
        for j, part in enumerate(partition(D, M)):
            delta = passed(codec, changes[j, part], j, t * M)  # worker j begins with part j
            for i in range(1, M):
                m = (j + i) % M
                delta = passed(codec, delta + changes[m, part], m, t * M + i)
            total[part] = delta
        model = model - total / M
    assert torch.allclose(x[0], model, atol=1e-6)
    assert all(torch.equal(row, x[0]) for row in x)


@pytest.mark.parametrize("weights", [RING, metropolis(star(M))], ids=["ring", "star"])
@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_gossip_is_algorithm_2(codec: Codec, K: int, weights: Matrix) -> None:
    x, _, state = trajectory(GossipQPRSGD(K, codec, value(weights)))
    models = torch.zeros(M, D)
    for n in range(STEPS // K):
        local = models.clone()
        for t in range(n * K, (n + 1) * K):
            local.sub_(gradients(t), alpha=LR)
        half = torch.from_numpy(weights).float() @ models - models + local
        t = (n + 1) * K - 1
        models = models - torch.stack([passed(codec, models[m] - half[m], m, t) for m in range(M)])
    assert torch.allclose(x, models, atol=1e-5)
    for m in range(M):
        for copy, j in zip(state["copies"][m], np.flatnonzero(weights[m]), strict=False):
            assert torch.equal(copy, x[j]), f"worker {m} has lost track of worker {j}"


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_bytes_are_those_of_the_formula(codec: Codec) -> None:
    _, ring_world, _ = trajectory(RingQPRSGD(3, codec))
    _, gossip_world, _ = trajectory(GossipQPRSGD(3, codec, value(RING)))
    assert ring_world.traffic.totals()["sent_messages"] == 2 * 2 * (M - 1) * M
    assert gossip_world.traffic.totals()["sent_messages"] == 2 * 2 * M
    if codec != CODECS["Elias"]:  # whose messages have the length of what they say
        parts = sum(codec.size(part.stop - part.start) for part in partition(D, M))
        assert ring_world.traffic.totals()["sent_bytes"] == 2 * 2 * (M - 1) * parts
        assert gossip_world.traffic.totals()["sent_bytes"] == 2 * 2 * M * codec.size(D)


@pytest.mark.parametrize("K", [0, -1])
def test_a_period_below_one_is_refused(K: int) -> None:
    with pytest.raises(ValueError, match=f"K is {K}, but there is at least one local update"):
        RingQPRSGD(K, Dense())


def test_a_graph_that_does_not_connect_is_refused() -> None:
    with pytest.raises(ValueError, match="zeta is 1, not below 1"):
        GossipQPRSGD(1, Dense(), value(np.eye(3)))


@pytest.mark.parametrize(("seed", "worker", "turn"), [(0, 0, 0), (5, 3, 77), (2**64 - 1, 63, 2**40)])
def test_messages_are_keyed_by_the_streams(seed: int, worker: int, turn: int) -> None:
    assert message_key(seed, worker, turn) == kernel_key(seed, "quantize", worker, turn)
    assert message_key(seed, worker, turn) != message_key(seed, worker, turn + 1)
