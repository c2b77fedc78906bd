"""Networks: which messages arrive, and how long they take.

An algorithm never asks a network anything: `World` does, for each of its collectives, and hands on what arrived.
A message is named by (step, phase, source, destination), so its fate is the same on any number of ranks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.streams import stream

if TYPE_CHECKING:
    import pandas as pd

Delivered = NDArray[np.bool_]


class Network(Protocol):
    """Decides the fate of every message."""

    def delivered(self, step: int, phase: str, workers: int) -> Delivered:
        """Return a (workers, workers) matrix, True where the message from row to column arrives.

        The diagonal is True: what a worker keeps does not cross the network.
        """
        ...


@dataclass(frozen=True)
class Lossless:
    """Every message arrives."""

    def delivered(self, step: int, phase: str, workers: int) -> Delivered:
        """See `Network.delivered`."""
        return np.ones((workers, workers), dtype=np.bool_)


@dataclass(frozen=True)
class IndependentDrops:
    """Every message is lost with probability `p`, independently of all others.

    The draw behind a message depends on its name and on `seed`, not on `p`: raising `p` only adds losses, so runs
    that differ in `p` alone are paired message by message.

    Raises
    ------
    ValueError
        If `p` is not a probability.
    """

    p: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.p <= 1.0:
            raise ValueError(f"drop probability p is {self.p}, but it must lie in [0, 1]")

    def delivered(self, step: int, phase: str, workers: int) -> Delivered:
        """See `Network.delivered`."""
        luck = stream(self.seed, f"network/{phase}", step=step).random((workers, workers))
        np.fill_diagonal(luck, 1.0)
        return luck >= self.p


@dataclass(frozen=True)
class Trace:
    """The losses of a recorded or simulated network, repeated after `steps` steps.

    Parameters
    ----------
    lost
        (step, phase, source, destination) of every message that is lost.
    steps
        Length of the record in steps.

    Raises
    ------
    ValueError
        If the record is empty in time or a loss lies outside of it.
    """

    lost: tuple[tuple[int, str, int, int], ...]
    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"a trace needs at least one step, not {self.steps}")
        for loss in self.lost:
            if not 0 <= loss[0] < self.steps or min(loss[2:]) < 0:
                raise ValueError(f"the loss {loss} lies outside of a trace of {self.steps} steps")

    @classmethod
    def from_table(cls, table: pd.DataFrame, steps: int) -> Trace:
        """Read the losses from the columns step, phase, source and destination of a frame."""
        missing = {"step", "phase", "source", "destination"} - set(table.columns)
        if missing:
            raise ValueError(f"a trace table needs the columns step, phase, source, destination; {missing} not found")
        rows = table[["step", "phase", "source", "destination"]].itertuples(index=False, name=None)
        return cls(tuple((int(t), str(phase), int(i), int(j)) for t, phase, i, j in rows), steps)

    @cached_property
    def _by_message_group(self) -> dict[tuple[int, str], list[tuple[int, int]]]:
        groups: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
        for step, phase, source, destination in self.lost:
            groups[step, phase].append((source, destination))
        return groups

    def delivered(self, step: int, phase: str, workers: int) -> Delivered:
        """See `Network.delivered`; losses between workers that do not exist here have no effect."""
        matrix = np.ones((workers, workers), dtype=np.bool_)
        for source, destination in self._by_message_group.get((step % self.steps, phase), ()):
            if source != destination and max(source, destination) < workers:
                matrix[source, destination] = False
        return matrix


@dataclass
class Traffic:
    """Ledger of messages and bytes, per worker and direction, as if every worker had a machine of its own.

    Lost messages are counted as sent and not as received. Each collective of `World` is one phase; `busiest_*` add
    up, over the phases, the largest count of any worker in either direction: what a `Link` turns into seconds.
    """

    workers: int
    sent_messages: NDArray[np.int64] = field(init=False)
    sent_bytes: NDArray[np.int64] = field(init=False)
    received_messages: NDArray[np.int64] = field(init=False)
    received_bytes: NDArray[np.int64] = field(init=False)
    busiest_messages: int = 0
    busiest_bytes: int = 0

    def __post_init__(self) -> None:
        for name in ("sent_messages", "sent_bytes", "received_messages", "received_bytes"):
            setattr(self, name, np.zeros(self.workers, dtype=np.int64))

    def record(self, nbytes: NDArray[np.int64], delivered: Delivered) -> None:
        """Enter one phase, in which row i sends ``nbytes[i, j]`` bytes to j; zero means no message."""
        messages = (nbytes > 0).astype(np.int64)
        arrived = messages * delivered
        self.sent_messages += messages.sum(axis=1)
        self.sent_bytes += nbytes.sum(axis=1)
        self.received_messages += arrived.sum(axis=0)
        self.received_bytes += (nbytes * delivered).sum(axis=0)
        self.busiest_messages += int(max(messages.sum(axis=1).max(), arrived.sum(axis=0).max()))
        self.busiest_bytes += int(max(nbytes.sum(axis=1).max(), (nbytes * delivered).sum(axis=0).max()))

    def totals(self) -> dict[str, int]:
        """Return what the frame of a run keeps: messages and bytes sent and received by all workers."""
        names: Iterable[str] = ("sent_messages", "sent_bytes", "received_messages", "received_bytes")
        return {name: int(getattr(self, name).sum()) for name in names} | {
            "busiest_messages": self.busiest_messages,
            "busiest_bytes": self.busiest_bytes,
        }


@dataclass(frozen=True)
class Link:
    """Latency-bandwidth (Hockney) model of one full-duplex link per worker.

    A phase takes ``latency * (messages of the busiest worker) + (bytes of the busiest worker) / bandwidth``.

    Parameters
    ----------
    bandwidth
        Bits per second and direction, > 0.
    latency
        Seconds per message, >= 0.
    """

    bandwidth: float
    latency: float = 0.0

    def __post_init__(self) -> None:
        if self.bandwidth <= 0 or self.latency < 0:
            raise ValueError(f"a link needs bandwidth > 0 and latency >= 0, not {self.bandwidth} and {self.latency}")

    def seconds(self, busiest_messages: float, busiest_bytes: float) -> float:
        """Return the seconds that the phases of a ledger take on this link."""
        return self.latency * busiest_messages + 8.0 * busiest_bytes / self.bandwidth
