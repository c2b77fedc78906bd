"""RPS: averaging by reduce-scatter and all-gather over a network that drops messages.

Yu et al., "Distributed Learning over Unreliable Networks" (ICML 2019), algorithm 1. Worker i holds x_t^(i), row i of
`x`. The model is cut into n blocks; v_t^(i,j) is block j of the intermediate model of worker i and b_t^(j) the worker
that averages block j in iteration t, drawn anew, without replacement, in every iteration.

Where the printed text is ambiguous, this follows the proofs (lemmas 6-8): the owner of a block always keeps its own
copy, so an average is never empty, and a worker that misses an average keeps its block of v_t (not of x_t).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.blocks import ordered_mean, partition
from algorithms.world import World


def average_blocks(world: World, v: Tensor, t: int) -> None:
    """Average the rows of `v` over all workers as far as messages arrive: lines 6-8 of algorithm 1, in place.

    Parameters
    ----------
    world
        n workers and their network.
    v
        (local, d) intermediate models v_t on entry, x_{t+1} on return. Blocks differ in length by at most one
        element when n does not divide d.
    t
        Iteration.
    """
    blocks = partition(v.shape[1], world.workers)
    owner = world.stream("rps/owner", step=t).permutation(world.workers)  # b_t^(j) for every block j
    owned = [blocks[j] for j in np.argsort(owner)]  # block of every owner
    # line 6: every worker sends block j to b_t^(j), which averages what it receives
    received = world.alltoall([v[:, block] for block in owned], t, "reduce-scatter")
    sizes = [block.stop - block.start for block in owned]
    room = world.buffer("rps/averages", len(world.local) * max(sizes), v).view(len(world.local), -1)
    averages = [
        ordered_mean([block for block in inbox if block is not None], out=out[: sizes[i]])
        for i, inbox, out in zip(world.local, received, room, strict=True)
    ]
    # line 7: b_t^(j) broadcasts the average of block j
    broadcast = world.allgather(averages, t, "all-gather", sizes)
    # line 8: replace what arrived, keep the own block of v_t otherwise
    for block, column in zip(owned, zip(*broadcast, strict=True), strict=True):
        arrived = [i for i, average in enumerate(column) if average is not None]
        if arrived:
            v[arrived, block] = column[arrived[0]]


@dataclass(frozen=True)
class ModelAveraging(Algorithm):
    """RPS, algorithm 1: x_{t+1} = average(x_t - gamma g_t)."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Lines 5-8 of algorithm 1."""
        x.sub_(g, alpha=lr)
        average_blocks(world, x, t)


@dataclass(frozen=True)
class GradientAveraging(Algorithm):
    """Gradient averaging under the same drops, the baseline of figure 5: x_{t+1} = x_t - gamma average(g_t).

    The paper does not say what a worker does that misses an average; as in line 8, it uses its own block, here of its
    own gradient. Replicas then differ by a sum of past differences, which nothing ever contracts.
    """

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Average the gradients as algorithm 1 averages models, then step."""
        average_blocks(world, g, t)
        x.sub_(g, alpha=lr)


@dataclass(frozen=True)
class ReliableAveraging(Algorithm):
    """The baseline on a reliable network: x_{t+1} = (1/n) sum_i (x_t^(i) - gamma g_t^(i)), by all-reduce."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Average the models of all workers exactly, whatever the network."""
        x.sub_(g, alpha=lr)
        x.copy_(world.allreduce(x).expand_as(x))
