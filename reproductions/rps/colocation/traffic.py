"""The traffic of section 7: rounds of RPS as ResNet-110 sends them, and messages of a web service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from algorithms.blocks import partition
from algorithms.streams import stream
from reproductions.rps.colocation.ports import LEARNING, LOWER, UPPER, WEB
from reproductions.rps.colocation.simulation import SECOND, Fabric, Integers, Messages

Order = Literal["pairwise", "same", "interleaved"]
PHASES = ("reduce-scatter", "all-gather")


@dataclass(frozen=True)
class Learning:
    """One round of RPS of all workers: two phases in each of which every worker sends a block to every other.

    Parameters
    ----------
    parameters
        d, of four bytes each; ResNet-110's.
    load
        Bits per second of all workers together, averaged over rounds: what the paper prints. It fixes the period.
    rate
        Bits per second of one worker while it sends a phase; its packets are late by at most the time between two.
    skew
        Seconds by which a worker starts late at most, uniformly.
    order
        To whom a worker sends first: ``pairwise``, to the next one first, as MPI's pairwise exchange; ``same``, to
        worker 0 first, as all others; ``interleaved``, a packet to each in turn.
    reliable
        Whether the transport repeats what is lost; the paper's is not.
    """

    parameters: int = 1_730_714
    load: float = 2.4e9
    rate: float = 1e9
    skew: float = 1e-3
    order: Order = "pairwise"
    reliable: bool = False

    def blocks(self, workers: int) -> Integers:
        """Return the (n,) bytes of every block."""
        return np.array([4 * (part.stop - part.start) for part in partition(self.parameters, workers)])

    def round_bytes(self, workers: int) -> int:
        """Return the bytes of a round, of all workers."""
        return int(2 * (workers - 1) * self.blocks(workers).sum())

    def period(self, workers: int) -> float:
        """Return the seconds from one round to the next."""
        return 8 * self.round_bytes(workers) / self.load

    def messages(self, fabric: Fabric, seed: int, step: int) -> Messages:
        """Return a round in the middle of its period, ordered by phase, source and turn.

        In the first phase the message to j is the block that j averages, in the second all messages of i are that of i.
        """
        n = fabric.servers
        phase, source, turn = (axis.ravel() for axis in np.indices((2, n, n - 1)))
        destination = self._destination(source, turn, n)
        nbytes = self.blocks(n)[np.where(phase == 0, destination, source)]
        packets = -(-nbytes // fabric.packet)
        slot = int(8 * SECOND * fabric.packet / self.rate)  # from one packet of a worker to its next
        spread = self.order == "interleaved"
        ahead = turn * slot if spread else turn * int(packets.max()) * slot
        length = (n - 1) * int(packets.max()) * slot + int(self.skew * SECOND)
        late = stream(seed, "colocation/skew", step=step).random((2, n)) * self.skew * SECOND
        middle = int(self.period(n) * SECOND) // 2
        start = middle + (phase - 1) * length + late[phase, source].astype(np.int64) + ahead
        return Messages.of(
            start=start,
            source=source,
            destination=destination,
            kind=LEARNING,
            queue=LOWER,
            nbytes=nbytes,
            reliable=self.reliable,
            gap=slot * (n - 1 if spread else 1),
            jitter=slot,
        )

    def _destination(self, source: Integers, turn: Integers, n: int) -> Integers:
        if self.order == "same":
            return turn + (turn >= source)
        return (source + turn + 1) % n


@dataclass(frozen=True)
class Web:
    """Messages of a web service: a Poisson process, from any server to any other, sent reliably.

    Parameters
    ----------
    rate
        Messages per second, of all servers together.
    nbytes
        Of a message.
    marked
        Degree of prioritization: the fraction of messages that is in the upper class. At 0 all traffic shares one
        queue, at 1 the service has one of its own. Raising it only adds messages to the upper class.
    """

    rate: float
    nbytes: int = 100_000
    marked: float = 0.0

    def messages(self, fabric: Fabric, seconds: float, seed: int, step: int) -> Messages:
        """Return the messages of so many seconds."""
        draws, n = stream(seed, "colocation/web", step=step), fabric.servers
        count = int(draws.poisson(self.rate * seconds))
        start = np.sort(draws.integers(int(seconds * SECOND), size=count))
        source = draws.integers(n, size=count)
        destination = (source + draws.integers(1, n, size=count)) % n
        queue = np.where(draws.random(count) < self.marked, UPPER, LOWER)
        return Messages.of(
            start=start,
            source=source,
            destination=destination,
            kind=WEB,
            queue=queue,
            nbytes=self.nbytes,
            reliable=True,
            gap=0,
            jitter=0,
        )
