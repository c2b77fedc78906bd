"""Adversaries: who chooses the next event of an asynchronous execution, see `algorithms.clustersgd.scheduler`.

An `Adversary` draws among the events that its `Strategy` does not hold back; what is held back happens only when
nothing else can, so every delay is finite, and otherwise as long as it can be. The draws come from a random stream or
from a list of numbers, which a search or a shrinking test can vary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, repeat

from algorithms.clustersgd.model import Broadcast
from algorithms.clustersgd.scheduler import Crash, Deliver, Event, Step, System
from algorithms.streams import stream

Draw = Callable[[int], int]
"""Returns an integer below its argument."""


def uniform(seed: int, purpose: str = "adversary") -> Draw:
    """Return uniform draws from the stream of a key."""
    generator = stream(seed, purpose)

    def numbers() -> Iterator[float]:
        while True:
            yield from generator.random(1024).tolist()  # one call each would take most of the time of a run

    source = numbers()
    return lambda k: int(next(source) * k)


def scripted(choices: Iterable[int]) -> Draw:
    """Return the given numbers modulo what is asked for, then zeros: always the oldest of what is possible."""
    source = chain(choices, repeat(0))
    return lambda k: next(source) % k


@dataclass(frozen=True)
class Faults:
    """What an adversary may crash.

    Parameters
    ----------
    processes
        f, how many processes at most.
    clusters
        f_c, in how many clusters it may crash every process.
    """

    processes: int = 0
    clusters: int = 0

    def allow(self, system: System, i: int) -> bool:
        """Whether process `i` may crash too."""
        if len(system.crashed) >= self.processes:
            return False
        dead = system.crashed | {i}
        return sum(dead.issuperset(members) for members in system.clusters.members) <= self.clusters


class Strategy:
    """Holds nothing back and crashes nobody; the base of the others, which may look at everything, values included."""

    def holds(self, system: System, message: Deliver) -> bool:
        """Whether a message that was just sent is delayed as long as anything else can happen."""
        return False

    def slow(self, system: System, process: int) -> bool:
        """Whether a process makes no step as long as anything else can happen."""
        return False

    def crashes(self, system: System, process: int, draw: Draw) -> tuple[int, ...] | None:
        """Return who still gets its message if this process is to crash instead of making a step, None if it is not."""
        return None


@dataclass(frozen=True)
class Uniform(Strategy):
    """Every event that is possible is as likely as any other; one step in `period` is a crash, 0 for none."""

    period: int = 0

    def crashes(self, system: System, process: int, draw: Draw) -> tuple[int, ...] | None:
        """Crash now and then, and let any subset of the recipients have the message."""
        if not self.period or draw(self.period) != self.period - 1:
            return None
        return any_subset(system.clusters.n, draw) if isinstance(system.effects[process], Broadcast) else ()


@dataclass(frozen=True)
class SlowestCluster(Strategy):
    """One cluster is slower than all others, in its steps and in its messages."""

    cluster: int

    def holds(self, system: System, message: Deliver) -> bool:
        """Delay what the cluster sends."""
        return system.clusters.of(message.sender) == self.cluster

    def slow(self, system: System, process: int) -> bool:
        """Delay its steps."""
        return system.clusters.of(process) == self.cluster


@dataclass(frozen=True)
class Partition(Strategy):
    """Messages between two groups of processes are delayed until neither can go on alone."""

    group: frozenset[int]

    def holds(self, system: System, message: Deliver) -> bool:
        """Delay what crosses the border."""
        return (message.sender in self.group) != (message.process in self.group)


@dataclass(frozen=True)
class SplitValues(Strategy):
    """Those with small values hear of small values first, and make their steps before those with large values.

    Small and large as seen along one coordinate, against the midrange of the `latest` values of all processes.
    """

    coordinate: int = 0

    def holds(self, system: System, message: Deliver) -> bool:
        """Delay what comes from the other side."""
        return self._large(system, message.sender) != self._large(system, message.process)

    def slow(self, system: System, process: int) -> bool:
        """Delay those with large values."""
        return self._large(system, process)

    def _large(self, system: System, process: int) -> bool:
        mine = system.latest[process]
        values = [v[self.coordinate] for v in system.latest if v is not None]
        return mine is not None and bool(2 * mine[self.coordinate] > min(values) + max(values))


@dataclass(frozen=True)
class CrashExtremes(Strategy):
    """Whoever is about to broadcast the smallest or largest value crashes, and one process alone has it."""

    coordinate: int = 0

    def crashes(self, system: System, process: int, draw: Draw) -> tuple[int, ...] | None:
        """Crash a process that is about to broadcast an extreme value, if there are two values at least."""
        effect = system.effects[process]
        if not isinstance(effect, Broadcast):
            return None
        known = [v[self.coordinate] for i, v in enumerate(system.latest) if v is not None and i not in system.crashed]
        mine = effect.value[self.coordinate]
        extreme = min(known, default=mine) < max(known, default=mine) and not min(known) < mine < max(known)
        return (draw(system.clusters.n),) if extreme else None


def any_subset(n: int, draw: Draw) -> tuple[int, ...]:
    """Return some of 0..n-1."""
    return tuple(i for i in range(n) if draw(2))


@dataclass
class Adversary:
    """Draws the next event among those that its strategy does not hold back.

    Parameters
    ----------
    draw
        Where its choices come from: `uniform` or `scripted`.
    strategy
        What it holds back, and whom it crashes.
    faults
        How much it may crash.
    copies
        One delivery in so many leaves a copy of the message on its way, 0 for none.
    """

    draw: Draw
    strategy: Strategy = field(default_factory=Strategy)
    faults: Faults = Faults()
    copies: int = 0
    prompt: list[Deliver] = field(default_factory=list)
    held: list[Deliver] = field(default_factory=list)

    def choose(self, system: System) -> Event | None:
        """Return the next event, None if nothing can happen any more."""
        self._sort(system)
        messages, processes = self.prompt, self._eager(system)
        if not messages and not processes:
            messages, processes = self.held, list(system.ready)
        if not messages and not processes:
            return None
        k = self.draw(len(messages) + len(processes))
        if k < len(messages):
            return self._delivery(messages, k)
        return self._step(system, processes[k - len(messages)])

    def _sort(self, system: System) -> None:
        for message in system.posted:
            (self.held if self.strategy.holds(system, message) else self.prompt).append(message)
        system.posted.clear()

    def _eager(self, system: System) -> list[int]:
        if type(self.strategy).slow is Strategy.slow:
            return list(system.ready)
        return [i for i in system.ready if not self.strategy.slow(system, i)]

    def _delivery(self, messages: list[Deliver], k: int) -> Event:
        if self.copies and self.draw(self.copies) == self.copies - 1:
            return replace(messages[k], again=True)
        return messages.pop(k)

    def _step(self, system: System, process: int) -> Event:
        if self.faults.processes and self.faults.allow(system, process):
            recipients = self.strategy.crashes(system, process, self.draw)
            if recipients is not None:
                return Crash(process, recipients)
        return Step(process)
