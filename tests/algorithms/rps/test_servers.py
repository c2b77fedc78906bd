"""RPS with servers apart from the workers, against the words of the paper, message by message."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from algorithms.blocks import partition
from algorithms.network import IndependentDrops, Lossless
from algorithms.rps.servers import ServerAveraging, average_on_servers
from algorithms.world import World

N, SERVERS, D = 4, 3, 11


def expected(world: World, v: torch.Tensor, t: int) -> torch.Tensor:
    """Follow the messages one block and one worker at a time."""
    x = v.clone()
    pushed, pulled = (world.network.delivered(t, phase, N + SERVERS) for phase in ("push", "pull"))
    for j, block in enumerate(partition(D, SERVERS)):
        received = [v[k, block] for k in range(N) if pushed[k, N + j]]
        for i in range(N):
            if received and pulled[N + j, i]:
                x[i, block] = sum(received[1:], start=received[0]) / len(received)
    return x


@pytest.mark.parametrize("p", [0.0, 0.3, 0.8, 1.0])
def test_workers_receive_the_averages_of_what_reached_the_servers(p: float) -> None:
    world = World(None, N + SERVERS, IndependentDrops(p, seed=2), seed=2)
    for t in range(30):
        v = torch.from_numpy(world.stream("v", step=t).normal(size=(N + SERVERS, D)))
        x = v.clone()
        average_on_servers(world, x, t, SERVERS)
        torch.testing.assert_close(x, expected(world, v, t), rtol=0, atol=0)


def test_every_server_hears_every_worker_and_answers_it() -> None:
    world = World(None, N + SERVERS, Lossless())
    average_on_servers(world, torch.zeros(N + SERVERS, D), 0, SERVERS)
    assert world.traffic.sent_messages.tolist() == [SERVERS] * N + [N] * SERVERS
    assert world.traffic.received_messages.tolist() == [SERVERS] * N + [N] * SERVERS
    assert world.traffic.busiest_messages == 2 * N  # the servers have more to do than the workers
    assert world.traffic.totals()["sent_bytes"] == 2 * N * D * 4


def test_a_server_that_hears_nothing_sends_nothing() -> None:
    world = World(None, N + SERVERS, IndependentDrops(1.0))
    average_on_servers(world, torch.zeros(N + SERVERS, D), 0, SERVERS)
    assert world.traffic.sent_messages.tolist() == [SERVERS] * N + [0] * SERVERS


def test_at_least_one_server_is_needed() -> None:
    with pytest.raises(ValueError, match="there are 0 servers"):
        ServerAveraging(0)


def test_with_one_server_and_no_losses_all_workers_have_the_mean() -> None:
    world = World(None, N + 1)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(N + 1, D)))
    mean = (x[:N] - 1).mean(dim=0)
    ServerAveraging(1).step(world, x, torch.ones_like(x), {}, 0, lr=1.0)
    torch.testing.assert_close(x[:N], mean.expand(N, D))
