"""What happened on MPI ranks, and a schedule that repeats it in `algorithms.clustersgd.scheduler`.

Every rank notes its own events in their order, in a file that survives it. `schedule` finds an order of all of them in
which each message was sent before it arrived, and each register written before it was read and not before it was still
found empty. There is one exactly if the registers were atomic.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from algorithms.clustersgd.model import Broadcast, Computed, Effect, Read, Tag, Write
from algorithms.clustersgd.scheduler import Crash, Deliver, Event, Step


@dataclass(frozen=True, slots=True)
class Note:
    """One local event: ``"deliver"`` of a message, ``"done"``, or a step: ``"read"``, ``"write"`` and so on.

    `other` is the sender of a message or the owner of a register, `seen` whether it held a value.
    """

    kind: str
    tag: Tag = ()
    other: int = -1
    seen: bool = True


class Log:
    """File of the notes of one process: on disk before the next event, as a process may be killed any time."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def add(self, note: Note) -> None:
        """Note an event; what others can see of it happens after it is noted."""
        os.write(self.file, json.dumps([note.kind, note.tag, note.other, note.seen]).encode() + b"\n")


def step(effect: Effect, seen: bool = True) -> Note:
    """Return the note of a step."""
    assert not isinstance(effect, Computed)
    return Note(type(effect).__name__.lower(), effect.tag, effect.owner if isinstance(effect, Read) else -1, seen)


def load(path: Path) -> list[Note]:
    """Return the notes of a process, without one that it was killed over."""
    notes = []
    for line in path.read_text().split("\n")[:-1]:
        kind, tag, other, seen = json.loads(line)
        notes.append(Note(kind, tuple(tag), other, seen))
    return notes


BROADCAST, WRITE, READ = (kind.__name__.lower() for kind in (Broadcast, Write, Read))


def schedule(logs: Mapping[int, Sequence[Note]]) -> tuple[Event, ...]:
    """Return the events of all processes in an order in which they can have happened.

    Parameters
    ----------
    logs
        Notes of every process. One without ``"done"`` has crashed, possibly in the middle of its last event.

    Raises
    ------
    ValueError
        If there is no such order: registers were not atomic, or messages came from nowhere.
    """
    order = _Order(logs)
    while order.advance():
        pass
    if left := order.left():
        raise ValueError(f"no order of atomic reads and writes explains what was noted; these cannot come next: {left}")
    return tuple(order.events)


class _Order:
    """Merges the logs: every process goes on as far as the others let it."""

    def __init__(self, logs: Mapping[int, Sequence[Note]]) -> None:
        self.logs = logs
        self.position = dict.fromkeys(logs, 0)
        self.happened: set[tuple[str, int, Tag]] = set()  # broadcasts and writes
        self.events: list[Event] = [Crash(i) for i, notes in logs.items() if not notes]
        everything = [(i, note) for i, notes in logs.items() for note in notes]
        self.unseen = Counter((n.other, n.tag) for _, n in everything if n.kind == READ and not n.seen)
        self.noticed = {(WRITE, n.other, n.tag) for _, n in everything if n.kind == READ and n.seen}
        self.heard: dict[tuple[int, Tag], list[int]] = {}
        for i, note in everything:
            if note.kind == "deliver":
                self.heard.setdefault((note.other, note.tag), []).append(i)

    def advance(self) -> bool:
        """Let every process go on as far as it can; return whether any did."""
        before = len(self.events) + sum(self.position.values())
        for i, notes in self.logs.items():
            while self.position[i] < len(notes) and self._possible(i, notes[self.position[i]]):
                self._happen(i, notes[self.position[i]])
                self.position[i] += 1
        return len(self.events) + sum(self.position.values()) > before

    def left(self) -> dict[int, Note]:
        """Return the next note of every process that has one left."""
        return {i: notes[self.position[i]] for i, notes in self.logs.items() if self.position[i] < len(notes)}

    def _possible(self, i: int, note: Note) -> bool:
        if note.kind == "deliver":
            return (BROADCAST, note.other, note.tag) in self.happened
        if note.kind == READ and note.seen:
            return (WRITE, note.other, note.tag) in self.happened
        return note.kind != WRITE or not self.unseen[i, note.tag]

    def _happen(self, i: int, note: Note) -> None:
        last = self.position[i] == len(self.logs[i]) - 1
        self.happened.add((note.kind, i, note.tag))
        if note.kind == "deliver":
            self.events.append(Deliver(i, note.other, note.tag))
        elif note.kind == READ and not note.seen:
            self.unseen[note.other, note.tag] -= 1
        if note.kind not in {"deliver", "done"} and self._took_effect(i, note, last):
            self.events.append(Step(i))
        if last and note.kind != "done":
            recipients = self.heard.get((i, note.tag), []) if note.kind == BROADCAST else []
            self.events.append(Crash(i, tuple(sorted(recipients))))

    def _took_effect(self, i: int, note: Note, last: bool) -> bool:
        """Whether a step was completed; of the last one of a process that was killed, others have to tell."""
        return not last or (note.kind == WRITE and (WRITE, i, note.tag) in self.noticed)


def tail(folder: Path, most: int = 20) -> str:
    """Return the last notes of every process, for the report of a run that hangs."""
    lines: Iterable[str] = (
        f"{path.name}: {' '.join(path.read_text().splitlines()[-most:])}" for path in sorted(folder.glob("*.log"))
    )
    return "\n".join(lines)
