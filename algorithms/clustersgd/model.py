"""The cluster model: crash-prone processes that send messages to everyone and share registers within a cluster.

Attiya and Schiller, "Asynchronous Fully-Decentralized SGD in the Cluster-Based Model", section 2.1. A process is a
generator that yields what it does or waits for, one effect at a time, and is sent the result; what it returns is its
output. Which messages arrive first, who is slow and who crashes is none of its business: a driver decides, either an
adversary in one process (`algorithms.clustersgd.scheduler`) or MPI ranks (`algorithms.clustersgd.ranks`).

Processes are numbered 0..n-1 (the paper: 1..n), rounds and iterations from 1 as in the paper. A `Tag` names messages
and registers by the rounds they belong to, outermost first: ``(t,)`` is a message of iteration t, ``(t, r)`` one of
round r of the agreement in iteration t, ``(t, r, s)`` the array A_s of the shared memory inside it. A process uses
tags in ascending order, so whatever carries a smaller one than it waits for is stale.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[Any]
"""(d,) floating-point values; nobody changes one that has been sent, written or returned."""

Tag = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send a value to all n processes, oneself among them. A crash may let only some of them have it."""

    tag: Tag
    value: Vector


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for messages of a tag from `messages` processes of `clusters` clusters; the result is a `Received`.

    With `exactly`, the result holds the first that arrived, `messages` of them; otherwise all that are there.
    """

    tag: Tag
    messages: int = 1
    clusters: int = 1
    exactly: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """Write a value to the own register of an array of the cluster's shared memory."""

    tag: Tag
    value: Vector


@dataclass(frozen=True, slots=True)
class Read:
    """Read the register of a process of the own cluster; the result is its value, or None before it was written."""

    tag: Tag
    owner: int


@dataclass(frozen=True, slots=True)
class Computed:
    """Say that the value for the next round is computed: the process is in V of this round. A local step, no event."""

    tag: Tag
    value: Vector


Effect = Broadcast | Receive | Write | Read | Computed
Received = dict[int, Vector]
"""Values by sender, in ascending order: what is computed depends on whose messages arrived, not on their order."""

Process = Generator[Effect, Any, Vector]
"""A running process; it returns its output."""


@dataclass(frozen=True)
class Clusters:
    """Partition of processes 0..n-1 into m disjoint clusters.

    Parameters
    ----------
    members
        Processes of every cluster.

    Raises
    ------
    ValueError
        If a cluster is empty, or if the clusters are no partition of 0..n-1.
    """

    members: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        for c, members in enumerate(self.members):
            if not members:
                raise ValueError(f"cluster {c} of {len(self.members)} is empty: every cluster needs a process")
        processes = sorted(i for members in self.members for i in members)
        if not processes or processes != list(range(self.n)):
            raise ValueError(f"{self.members} is no partition of processes 0..n-1: each must be in exactly one cluster")

    @classmethod
    def even(cls, n: int, m: int) -> Clusters:
        """Return m clusters of neighbours whose sizes differ by at most one."""
        if not 1 <= m <= n:
            raise ValueError(f"{n} processes cannot form {m} clusters: use 1 to {n}")
        return cls(tuple(tuple(int(i) for i in part) for part in np.array_split(np.arange(n), m)))

    @cached_property
    def n(self) -> int:
        """Number of processes."""
        return sum(map(len, self.members))

    @property
    def m(self) -> int:
        """Number of clusters."""
        return len(self.members)

    @property
    def majority(self) -> int:
        """Smallest number of clusters of which any two choices have one in common: floor(m/2) + 1."""
        return self.m // 2 + 1

    @cached_property
    def _of(self) -> dict[int, int]:
        return {i: c for c, members in enumerate(self.members) for i in members}

    def of(self, process: int) -> int:
        """Return the cluster of a process: cluster(i)."""
        return self._of[process]

    def peers(self, process: int) -> tuple[int, ...]:
        """Return all processes of the cluster of a process, itself among them: P_cluster(i)."""
        return self.members[self.of(process)]


def check_vector(name: str, value: Vector, like: Vector | None = None) -> None:
    """Refuse what is no finite vector, or one of another length than `like`.

    Raises
    ------
    ValueError
        In one sentence that names what was found.
    """
    if value.ndim != 1 or not value.size:
        raise ValueError(f"{name} has the shape {value.shape}, but it must be a vector of at least one coordinate")
    if like is not None and value.shape != like.shape:
        raise ValueError(f"{name} has {value.size} coordinates, but all vectors of this run have {like.size}")
    if not np.isfinite(value.dot(value)) and not np.isfinite(value).all():  # the product is fast, but may overflow
        k = int(np.flatnonzero(~np.isfinite(value))[0])
        raise ValueError(f"{name} holds {value[k]} at coordinate {k}, but all values must be finite")


def check_received(process: int, tag: Tag, received: Received, like: Vector) -> None:
    """Refuse messages that are no finite vectors of the length of `like`; see `check_vector`."""
    for sender, value in received.items():
        check_vector(f"what process {process} received from process {sender} in round {tag}", value, like)


def mean(vectors: Sequence[Vector]) -> Vector:
    """Return the average of vectors, added in the order given."""
    total = vectors[0].copy()
    for vector in vectors[1:]:
        total += vector
    total /= len(vectors)
    return total
