"""Asynchronous executions of the cluster model in one process: any interleaving, any delay, any crash, replayable.

A `System` is a configuration: local states, messages on their way, registers. Every event moves it on: a process makes
a step (one read, one write, one broadcast, or the receipt it waited for), a message arrives at a mailbox, or a process
crashes, possibly in the middle of a broadcast. `run` lets a function choose the events, as the adversaries of
`algorithms.clustersgd.adversaries` do; the events chosen are the schedule, which `replay` repeats exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from algorithms.clustersgd.model import (
    Broadcast,
    Clusters,
    Computed,
    Effect,
    Process,
    Read,
    Receive,
    Tag,
    Vector,
    Write,
)
from algorithms.clustersgd.state import History, Mailbox, Registers


@dataclass(frozen=True, slots=True)
class Step:
    """A process does what its effect says, then computes until its next effect."""

    process: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """A message reaches the mailbox of a process; with `again`, a copy of it stays on its way."""

    process: int
    sender: int
    tag: Tag
    again: bool = False


@dataclass(frozen=True, slots=True)
class Crash:
    """A process stops for good; if it was about to broadcast, some recipients have the message nevertheless."""

    process: int
    recipients: tuple[int, ...] = ()


Event = Step | Deliver | Crash
KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Step, Deliver, Crash)}


class Deadlock(RuntimeError):
    """Nobody can do anything although a process is not done; the message shows the schedule."""


class System:
    """A configuration of the cluster model.

    Parameters
    ----------
    clusters
        The n processes.
    processes
        Generator of each process, not started.
    record
        Whether to keep `history`.
    mailbox
        Makes the mailbox of a process.

    Attributes
    ----------
    ready : dict of int to None
        Processes that can make a step, the longest ready first.
    messages : dict of Deliver to Vector
        On their way, oldest first.
    posted : list of Deliver
        Messages that were sent since somebody last emptied this list.
    outputs : dict of int to Vector
        What processes returned that are done.
    crashed : set of int
    latest : list of Vector or None
        The value that each process wrote or sent last, or is about to.
    """

    def __init__(
        self,
        clusters: Clusters,
        processes: Sequence[Process],
        record: bool = True,
        mailbox: Callable[[Clusters], Mailbox] = Mailbox,
    ) -> None:
        if len(processes) != clusters.n:
            raise ValueError(f"{len(processes)} processes were given, but the clusters have {clusters.n}")
        self.clusters, self.processes = clusters, processes
        self.history = History() if record else None
        self.mailboxes = [mailbox(clusters) for _ in processes]
        self.registers = [Registers(members) for members in clusters.members]
        self.effects: list[Effect | None] = [None] * clusters.n
        self.ready: dict[int, None] = {}
        self.messages: dict[Deliver, Vector] = {}
        self.posted: list[Deliver] = []
        self.outputs: dict[int, Vector] = {}
        self.crashed: set[int] = set()
        self.latest: list[Vector | None] = [None] * clusters.n
        for i in range(clusters.n):
            self._advance(i, None)

    @property
    def waiting(self) -> list[int]:
        """Processes that are neither done nor crashed."""
        return [i for i, effect in enumerate(self.effects) if effect is not None]

    def apply(self, event: Event) -> None:
        """Let an event happen.

        Raises
        ------
        ValueError
            If it cannot happen in this configuration.
        """
        if isinstance(event, Deliver):
            self._deliver(event)
        elif self.effects[event.process] is None:
            raise ValueError(f"{event} cannot happen: this process is done or has crashed")
        elif isinstance(event, Crash):
            self._crash(event.process, event.recipients)
        elif event.process in self.ready:
            self._step(event.process)
        else:
            raise ValueError(f"{event} cannot happen: this process waits for {self.effects[event.process]}")

    def _step(self, i: int) -> None:
        effect: Effect | None = self.effects[i]
        result: Any = None
        del self.ready[i]
        if isinstance(effect, Read):
            if effect.owner not in self.clusters.peers(i):
                raise ValueError(f"process {i} cannot read a register of process {effect.owner} in another cluster")
            result = self._memory(i).read(effect.owner, effect.tag)
        elif isinstance(effect, Write):
            self._memory(i).write(i, effect.tag, effect.value)
        elif isinstance(effect, Broadcast):
            self._post(i, effect, range(self.clusters.n))
        elif isinstance(effect, Receive):
            result = self.mailboxes[i].take(effect)
        self._record(i, effect, result)
        self._advance(i, result)

    def _deliver(self, event: Deliver) -> None:
        message = replace(event, again=False) if event.again else event
        if message not in self.messages:
            raise ValueError(f"{event} cannot happen: there is no such message on its way")
        value = self.messages[message] if event.again else self.messages.pop(message)
        i = event.process
        self.mailboxes[i].put(event.sender, event.tag, value)
        self._wake(i)

    def _crash(self, i: int, recipients: Sequence[int]) -> None:
        effect = self.effects[i]
        if isinstance(effect, Broadcast):
            self._post(i, effect, recipients)
            self._record(i, effect, None)
        self.crashed.add(i)
        self._leave(i)

    def _post(self, i: int, effect: Broadcast, recipients: Iterable[int]) -> None:
        messages = [Deliver(j, i, effect.tag) for j in recipients if self.effects[j] is not None]
        self.posted += messages
        self.messages.update(dict.fromkeys(messages, effect.value))

    def _advance(self, i: int, result: Any) -> None:
        """Let a process compute until it wants something of the others, or is done."""
        try:
            effect = self.processes[i].send(result)
            while isinstance(effect, Computed):
                self._record(i, effect, None)
                effect = next(self.processes[i])
            self.effects[i] = effect
            if isinstance(effect, Write | Broadcast):
                self.latest[i] = effect.value
            self._wake(i)
        except StopIteration as stop:
            self.outputs[i] = stop.value
            self._leave(i)

    def _wake(self, i: int) -> None:
        """Note that a process is ready, if it is."""
        effect = self.effects[i]
        if effect is not None and (not isinstance(effect, Receive) or self.mailboxes[i].has(effect)):
            self.ready[i] = None

    def _leave(self, i: int) -> None:
        self.effects[i] = None
        self.ready.pop(i, None)
        self._memory(i).leave(i)

    def _record(self, i: int, effect: Effect | None, result: Any) -> None:
        if self.history is not None and effect is not None:
            self.history.add(i, effect, result)

    def _memory(self, i: int) -> Registers:
        return self.registers[self.clusters.of(i)]


@dataclass(frozen=True)
class Execution:
    """What came of a run.

    Attributes
    ----------
    outputs
        Output of every process that is done.
    crashed
        Processes that crashed.
    schedule
        All events; empty if they were not recorded.
    history
        What the processes did; None if that was not recorded.
    """

    outputs: Mapping[int, Vector]
    crashed: frozenset[int]
    schedule: tuple[Event, ...]
    history: History | None

    def save(self, path: Path) -> None:
        """Write the schedule as JSON, to be read by `load_schedule`."""
        path.write_text(json.dumps([[type(event).__name__, asdict(event)] for event in self.schedule]))


def load_schedule(path: Path) -> tuple[Event, ...]:
    """Return the schedule that `Execution.save` wrote."""
    plain = json.loads(path.read_text())
    lists = [(kind, {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}) for kind, fields in plain]
    return tuple(KINDS[kind](**fields) for kind, fields in lists)


def run(system: System, choose: Callable[[System], Event | None], record: bool = True) -> Execution:
    """Drive a system until nothing can happen any more but crashes.

    Parameters
    ----------
    system
        Fresh configuration.
    choose
        Returns the next event, None if nothing can happen any more, as `Adversary.choose` does.
    record
        Whether to keep the schedule.

    Raises
    ------
    Deadlock
        If then somebody waits who has not crashed.
    """
    schedule: list[Event] = []
    while (event := choose(system)) is not None:
        if record:
            schedule.append(event)
        system.apply(event)
    return _finished(system, schedule)


def replay(system: System, schedule: Iterable[Event]) -> Execution:
    """Repeat a schedule on a fresh system; errors as for `run` and `System.apply`."""
    schedule = list(schedule)
    for event in schedule:
        system.apply(event)
    return _finished(system, schedule)


def _finished(system: System, schedule: Sequence[Event]) -> Execution:
    if system.waiting:
        raise Deadlock(f"{_stuck(system)}\nThe schedule was\n{describe(schedule)}")
    return Execution(system.outputs, frozenset(system.crashed), tuple(schedule), system.history)


def _stuck(system: System) -> str:
    waiting = [f"process {i} waits for {system.effects[i]}" for i in system.waiting]
    return f"nobody can make a step, {sorted(system.crashed)} crashed, but " + "; ".join(waiting)


def describe(schedule: Sequence[Event], most: int = 200) -> str:
    """Return a schedule as text, one event a line; of a longer one the last `most` events."""
    skipped = [f"... {len(schedule) - most} events"] if len(schedule) > most else []
    return "\n".join([*skipped, *(str(event) for event in schedule[-most:])])
