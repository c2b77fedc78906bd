"""Which samples a node sees (section 6): n/2 partitions, each "assigned to exactly two processes".

"At the beginning of each epoch, we shuffle the dataset and split it into n/2 partitions"; `mult` "counts the number of
times each process will iterate through its partition in an epoch", each time in an order of its own. Schedules are
compressed by "dividing the total number of epochs by n". A single node has all samples: sequential SGD.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from algorithms.streams import stream
from reproductions.workloads.base import Indices


@dataclass(frozen=True)
class Partitions:
    """How samples are dealt out to n nodes.

    Parameters
    ----------
    train_size, batch
        Training samples, and samples of a step.
    nodes, copies
        n, and how many nodes share a partition: 2 as in the paper, 1 as data-parallel SGD does.
    mult
        Passes of a node through its partition in an epoch.
    seed
        Keys all orders.

    Raises
    ------
    ValueError
        If nodes do not come in groups of `copies`, or a partition is smaller than a batch.
    """

    train_size: int
    batch: int
    nodes: int
    seed: int
    copies: int = 2
    mult: int = 1

    def __post_init__(self) -> None:
        if self.nodes > 1 and self.nodes % self.copies:
            raise ValueError(
                f"n is {self.nodes}, but n/{self.copies} partitions for exactly {self.copies} nodes each "
                f"need a multiple of {self.copies}"
            )
        if self.mult < 1 or not 1 <= self.batch <= self.train_size // self.parts:
            raise ValueError(
                f"partitions of {self.train_size // self.parts} samples need 1 <= batch <= that and mult >= 1, "
                f"not {self.batch} and {self.mult}"
            )

    @property
    def parts(self) -> int:
        """Number of partitions, n/2."""
        return max(1, self.nodes // self.copies)

    @property
    def pass_steps(self) -> int:
        """Steps of one pass: whole batches of the smallest partition."""
        return self.train_size // self.parts // self.batch

    @property
    def epoch_steps(self) -> int:
        """SGD steps that every node makes in an epoch."""
        return self.mult * self.pass_steps

    def part(self, node: int) -> int:
        """Return the partition of a node: that of rank mod n/2, as in the authors' code."""
        return node % self.parts

    def minibatch(self, node: int, step: int) -> Indices:
        """Return the samples of the `step`-th step that a node makes, (batch,)."""
        passes, position = divmod(step, self.pass_steps)
        order = _order(self, node, passes)
        return order[position * self.batch : (position + 1) * self.batch]


@lru_cache(maxsize=64)
def _order(partitions: Partitions, node: int, passes: int) -> Indices:
    mine = _split(partitions.train_size, partitions.parts, partitions.seed, passes // partitions.mult)
    samples = mine[partitions.part(node)]
    order: Indices = samples[stream(partitions.seed, "popsgd/order", node, passes).permutation(len(samples))]
    return order


@lru_cache(maxsize=4)
def _split(train_size: int, parts: int, seed: int, epoch: int) -> list[Indices]:
    return np.array_split(stream(seed, "popsgd/partitions", step=epoch).permutation(train_size), parts)


def updates_per_model(train_size: int, batch: int, epochs: int, nodes: int, mult: int, copies: int = 2) -> int:
    """Return the SGD steps of a model when a recipe of `epochs` epochs is compressed by n.

    Raises
    ------
    ValueError
        If n does not divide the number of epochs.
    """
    if epochs % nodes:
        raise ValueError(f"{epochs} epochs divided by n = {nodes} are no whole number of epochs")
    return epochs // nodes * Partitions(train_size, batch, nodes, 0, copies, mult).epoch_steps
