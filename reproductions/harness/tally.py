"""Tally: how far a session is that stops at its time limit."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from reproductions.harness.checkpoints import LATEST, fraction
from reproductions.harness.deadline import Deadline, OutOfTime
from reproductions.harness.experiment import Experiment
from reproductions.harness.store import RunStore

START = 10.0  # seconds without which it makes no sense to start ranks
RERUN = ".rerun.json"


class Tally:
    """What a session wants, what it has made, and whether it has to stop.

    Parameters
    ----------
    store
        Where finished runs and checkpoints are.
    deadline
        End of the session.
    rerun
        Whether only runs of this session count. With a time limit, also those of the sessions with ``--rerun`` before
        it that were stopped: else asking again would never come to an end.
    """

    def __init__(self, store: RunStore, deadline: Deadline, rerun: bool) -> None:
        self.store, self.deadline, self.rerun = store, deadline, rerun
        self.wanted: dict[str, Experiment] = {}
        self.made: set[str] = set()
        self.begun: dict[str, Experiment] = {}
        self.reached = self.progressed = False
        if self._remembers and (store.root / RERUN).exists():
            self.made |= set(json.loads((store.root / RERUN).read_text()))

    @property
    def _remembers(self) -> bool:
        return self.rerun and self.deadline.limited

    def check(self, needed: float = 0.0) -> None:
        """Raise an `OutOfTime` if the session was stopped, or if there is less time left than is needed."""
        if self.reached or self.deadline.left < needed:
            self.reached = True
            raise OutOfTime(self.sentence())

    def traces(self, keys: Iterable[str]) -> dict[str, object]:
        """Return what changes when a run is stored or a checkpoint of it is written."""
        return {key: (self.store.version(key), _content(self.store.checkpoint(key) / LATEST)) for key in keys}

    def add(self, before: Mapping[str, object], versions: Mapping[str, object]) -> None:
        """Count what a launch made, from `traces` and versions of stored runs before it."""
        self.made |= {key for key, version in versions.items() if self.store.version(key) not in (None, version)}
        self.progressed |= before != self.traces(before)

    def has(self, key: str) -> bool:
        """Whether the run of a key is made."""
        return key in self.made if self.rerun else self.store.version(key) is not None

    def sentence(self) -> str:
        """Say how far the session is, and what to do."""
        count = sum(self.has(key) for key in self.wanted)
        text = f"the time limit of {self.deadline} was reached with {count} of {len(self.wanted)} runs made"
        missing = [key for key in self.wanted if not self.has(key)]
        parts = [part for key in missing if (part := fraction(self.store.checkpoint(key))) is not None]
        if parts:
            text += f" and {len(parts)} begun ({', '.join(f'{part:.0%}' for part in parts[:8])})"
        if self.progressed:
            return f"{text}; the same command goes on"
        stuck = " and ".join(_name(experiment) for key, experiment in self.begun.items() if not self.has(key))
        reason = f": it was too short for {stuck}" if stuck else ""
        return f"{text}, but this session added nothing{reason}; raise --time-limit"

    def end(self, complete: bool) -> None:
        """Remember what was made, at the end of a session with ``--rerun``, until one is complete."""
        if not self._remembers:
            return
        if complete:
            (self.store.root / RERUN).unlink(missing_ok=True)
        else:
            self.store.root.mkdir(parents=True, exist_ok=True)
            (self.store.root / RERUN).write_text(json.dumps(sorted(self.made)))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _name(experiment: Experiment) -> str:
    return textwrap.shorten(repr(experiment), 160, placeholder=" ...")
