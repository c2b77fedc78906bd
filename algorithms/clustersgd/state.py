"""State of the cluster model between processes: mailboxes, registers, and the history that checks look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from algorithms.clustersgd.model import (
    Broadcast,
    Clusters,
    Computed,
    Effect,
    Read,
    Receive,
    Received,
    Tag,
    Vector,
    Write,
)


class Mailbox:
    """Messages that arrived at one process and were not received yet.

    Stale messages, of a tag that was received before, are dropped; of messages with the same tag and sender, the first
    counts.
    """

    def __init__(self, clusters: Clusters) -> None:
        self.clusters = clusters
        self.arrived: dict[Tag, Received] = {}
        self.taken: Tag = ()

    def put(self, sender: int, tag: Tag, value: Vector) -> None:
        """Let a message arrive."""
        if tag > self.taken:
            self.arrived.setdefault(tag, {}).setdefault(sender, value)

    def has(self, wanted: Receive) -> bool:
        """Whether what a process waits for is there."""
        senders = self.arrived.get(wanted.tag, ())
        if len(senders) < max(wanted.messages, wanted.clusters):
            return False
        return wanted.clusters == 1 or len({self.clusters.of(i) for i in senders}) >= wanted.clusters

    def take(self, wanted: Receive) -> Received:
        """Hand out what a process waited for, by sender in ascending order."""
        self.taken = wanted.tag
        arrived = list(self.arrived.pop(wanted.tag).items())
        return dict(sorted(arrived[: wanted.messages] if wanted.exactly else arrived, key=lambda item: item[0]))


@dataclass
class History:
    """What the processes did, by tag and process, for whoever checks properties."""

    computed: dict[Tag, dict[int, Vector]] = field(default_factory=dict)
    sent: dict[Tag, dict[int, Vector]] = field(default_factory=dict)
    received: dict[Tag, dict[int, Received]] = field(default_factory=dict)
    written: dict[Tag, dict[int, Vector]] = field(default_factory=dict)
    read: dict[Tag, dict[int, Received]] = field(default_factory=dict)
    """What each process saw in an array, by owner, without what was not written yet."""

    def add(self, process: int, effect: Effect, result: Any) -> None:
        """Record an effect with its result."""
        if isinstance(effect, Read):
            seen = self.read.setdefault(effect.tag, {}).setdefault(process, {})
            if result is not None:
                seen[effect.owner] = result
        elif isinstance(effect, Receive):
            self.received.setdefault(effect.tag, {})[process] = result
        else:
            kind = {Broadcast: self.sent, Write: self.written, Computed: self.computed}[type(effect)]
            kind.setdefault(effect.tag, {})[process] = effect.value


class Registers:
    """The shared memory of one cluster: arrays that all its processes have passed are forgotten."""

    def __init__(self, members: Iterable[int]) -> None:
        self.arrays: dict[Tag, dict[int, Vector]] = {}
        self.at: dict[int, Tag] = dict.fromkeys(members, ())

    def write(self, process: int, tag: Tag, value: Vector) -> None:
        """Write the register of `process`; arrays are first written in ascending order of their tags."""
        self.arrays.setdefault(tag, {})[process] = value
        self.at[process] = tag
        oldest = min(self.at.values())
        while (first := next(iter(self.arrays))) < oldest:
            del self.arrays[first]

    def leave(self, process: int) -> None:
        """Expect no further reads of `process`, which is done or has crashed."""
        del self.at[process]

    def read(self, owner: int, tag: Tag) -> Vector | None:
        """Return the value of a register, None if it was not written."""
        return self.arrays.get(tag, {}).get(owner)
