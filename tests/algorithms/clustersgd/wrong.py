"""Wrong algorithms of the cluster model: each must turn a property red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from algorithms.clustersgd.agreement import ClusterAgreement, MidExtremes, SharedMemoryAgreement
from algorithms.clustersgd.model import (
    Broadcast,
    Clusters,
    Computed,
    Process,
    Receive,
    Received,
    Tag,
    Vector,
    Write,
    mean,
)
from algorithms.clustersgd.sgd import GeneralSGD, Gradient
from algorithms.clustersgd.state import Mailbox


class Mean(MidExtremes):
    """Aggregates with the mean instead of the midpoint of the extremes."""

    def aggregate(self, values: Sequence[Vector], own: Vector) -> Vector:
        return mean(values)


@dataclass(frozen=True)
class CollectFirst(SharedMemoryAgreement):
    """Collects each array before it writes to it."""

    def process(self, i: int, x: Vector, instance: Tag = ()) -> Process:
        for r in range(1, self.rounds + 1):
            values = yield from self.collect(i, (*instance, r))
            yield Write((*instance, r), x)
            x = self.rule.aggregate([*values, x], x)
        yield Write((*instance, self.rounds + 1), x)
        return x


@dataclass(frozen=True)
class ProcessMajority(ClusterAgreement):
    """Waits for a majority of the processes instead of one of the clusters."""

    def process(self, i: int, x: Vector, instance: Tag = ()) -> Process:
        for r in range(1, self.rounds + 1):
            tag = (*instance, r)
            y = yield from self.inside.process(i, x, tag)
            yield Broadcast(tag, y)
            received: Received = yield Receive(tag, messages=self.clusters.n // 2 + 1)
            x = self.rule.aggregate(list(received.values()), y)
            yield Computed(tag, x)
        return x


@dataclass(frozen=True)
class AnyCluster(ClusterAgreement):
    """Waits for messages of one cluster less than a majority."""

    def process(self, i: int, x: Vector, instance: Tag = ()) -> Process:
        for r in range(1, self.rounds + 1):
            tag = (*instance, r)
            y = yield from self.inside.process(i, x, tag)
            yield Broadcast(tag, y)
            received: Received = yield Receive(tag, clusters=self.clusters.majority - 1)
            x = self.rule.aggregate(list(received.values()), y)
            yield Computed(tag, x)
        return x


@dataclass(frozen=True, kw_only=True)
class Disagreeing(GeneralSGD):
    """Skips the agreement of every iteration."""

    def process(self, i: int, x: Vector, gradient: Gradient) -> Process:
        for t in range(1, self.iterations + 1):
            yield Broadcast((t,), gradient(i, t, x))
            received: Received = yield Receive((t,), messages=self.messages)
            x = x - self.rate.lr(t) * mean(list(received.values()))
            yield Computed((t,), x)
        return x


class StaleMailbox(Mailbox):
    """Takes a stale message for one of the round that the process waits for."""

    def __init__(self, clusters: Clusters) -> None:
        super().__init__(clusters)
        self.stale: Received = {}

    def put(self, sender: int, tag: Tag, value: Vector) -> None:
        if tag <= self.taken:
            self.stale[sender] = value
        super().put(sender, tag, value)

    def has(self, wanted: Receive) -> bool:
        for sender, value in self.stale.items():
            self.arrived.setdefault(wanted.tag, {}).setdefault(sender, value)
        self.stale.clear()
        return super().has(wanted)
