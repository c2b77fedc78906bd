"""Mixing matrices of RPS over UDP between hosts whose kernels lose datagrams at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.rps.averaging import ModelAveraging
from algorithms.rps.datagrams import Datagrams, block_loss
from reproductions.harness.runs import real_links
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.rps.mixing import mixing_round, moments


@dataclass(frozen=True)
class DatagramMixing(Experiment):
    """Measure the moments of W over rounds of a step without gradients, as `reproductions.rps.mixing` does.

    Logged for every round what it logs there, and at the end the ledger: of the messages, those that were received.

    Parameters
    ----------
    nodes
        n, one worker a host.
    loss
        Probability with which the kernel of a host drops a datagram that reaches it.
    rounds
        Number of rounds.
    seed
        Keys the owners of the blocks.
    payload
        Bytes of a part: a block of n float64 numbers is several.
    """

    placement: ClassVar[Placement] = Placement.HOST_EACH
    nodes: int
    loss: float
    rounds: int
    seed: int = 0
    payload: int = 16

    @property
    def workers(self) -> int:
        """Number of workers."""
        return self.nodes

    @property
    def p(self) -> float:
        """Probability that a block is lost."""
        return block_loss(self.loss, 8 * self.nodes, self.payload)

    @property
    def cost(self) -> float:
        """Seconds, on ranks that mostly wait."""
        return self.rounds * 0.04

    def execute(self, context: Context) -> None:
        """Send unit vectors round after round."""
        if context.rank == 0:
            real_links.lose(self.nodes, self.loss)
        address = real_links.address(context.rank)
        world = Datagrams(context.comm, self.nodes, self.seed, address, payload=self.payload)
        for t in range(self.rounds):
            context.log(t, moments(mixing_round(world, ModelAveraging(), t)))
        context.log(self.rounds, world.traffic.totals())
