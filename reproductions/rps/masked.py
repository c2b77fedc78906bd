"""RPS of many workers in one process: all blocks at once, where messages one by one would take too long."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.blocks import partition
from algorithms.world import World


@dataclass(frozen=True)
class MaskedAveraging(Algorithm):
    """Algorithm 1 with the owners and the lost messages of `algorithms.rps.averaging.ModelAveraging`.

    Only sums are taken in another order, so that models differ by rounding. It sends nothing, and fills no ledger.
    """

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Lines 5-8 of algorithm 1; a ValueError if the workers are on several ranks."""
        if world.ranks > 1:
            raise ValueError(f"masks need all workers on one rank, but there are {world.ranks} ranks")
        n = world.workers
        owner = torch.from_numpy(world.stream("rps/owner", step=t).permutation(n))
        pushed, pulled = (
            torch.from_numpy(world.network.delivered(t, phase, n)) for phase in ("reduce-scatter", "all-gather")
        )
        widths = torch.tensor([block.stop - block.start for block in partition(x.shape[1], n)])
        owners = owner.repeat_interleave(widths)  # of every coordinate
        counts = pushed[:, owners]  # (n, d): whose block reaches the owner
        x.sub_(g, alpha=lr)
        average = (x * counts).sum(dim=0) / counts.sum(dim=0)
        x.copy_(torch.where(pulled[owners].T, average, x))
