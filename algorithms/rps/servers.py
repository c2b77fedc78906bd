"""RPS with parameter servers on machines of their own: the picture of figure 1, and footnote 1 for any numbers of both.

Yu et al., "Distributed Learning over Unreliable Networks" (ICML 2019). Their analysis is for n servers on n workers,
which is `algorithms.rps.averaging`. Here rows 0..n-1 are workers and the rows after them servers, which compute no
gradient: server j averages block j of what reaches it. No block is its own, so nothing at all may reach it; then it has
no average to send, and workers keep their blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.blocks import ordered_mean, partition
from algorithms.world import Inbox, World

NOTHING = slice(0, 0)


def average_on_servers(world: World, v: Tensor, t: int, servers: int) -> None:
    """Average the blocks of the workers on servers as far as messages arrive, in place.

    Parameters
    ----------
    world
        n workers, then the servers, and their network.
    v
        (local, d): intermediate models v_t of workers on entry, x_{t+1} on return; rows of servers stay as they are.
    t
        Iteration.
    servers
        Number of servers, and of blocks.
    """
    n = world.workers - servers
    blocks = [NOTHING] * n + partition(v.shape[1], servers)
    push = np.zeros((world.workers, world.workers), dtype=np.bool_)
    push[:n, n:] = True
    received = world.alltoall([v[:, block] for block in blocks], t, "push", push)
    averages = [_average(inbox) for inbox in received]
    full = world.collect(torch.tensor([average is not None for average in averages])).numpy()
    pull = push.T & full[:, None]
    sizes = [block.stop - block.start for block in blocks]
    sent = [v.new_empty(size) if a is None else a for a, size in zip(averages, _of(world, sizes), strict=True)]
    answers = world.allgather(sent, t, "pull", sizes, pull)
    for x, inbox in zip(v, answers, strict=True):
        for block, average in zip(blocks, inbox, strict=True):
            if average is not None:
                x[block] = average


def _average(inbox: Inbox) -> Tensor | None:
    """Return the mean of what arrived, or None if nothing did."""
    arrived = [block for block in inbox if block is not None]
    return ordered_mean(arrived, out=torch.empty_like(arrived[0])) if arrived else None


def _of(world: World, sizes: Sequence[int]) -> Sequence[int]:
    return sizes[world.local.start : world.local.stop]


@dataclass(frozen=True)
class ServerAveraging(Algorithm):
    """RPS with servers apart from the workers: x_{t+1} = average(x_t - gamma g_t).

    Parameters
    ----------
    servers
        Their number, at least 1.
    """

    servers: int

    def __post_init__(self) -> None:
        if self.servers < 1:
            raise ValueError(f"there are {self.servers} servers, but at least one is needed")

    @property
    def auxiliaries(self) -> int:
        """Number of rows after those of the workers."""
        return self.servers

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Step, push, average, pull."""
        x.sub_(g, alpha=lr)
        average_on_servers(world, x, t, self.servers)
