"""Progress: how far the ranks of a launch are, and a session that stops at its time limit."""

from __future__ import annotations

import json
import textwrap
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from reproductions.harness.runs.deadline import Deadline, OutOfTime
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.store import RunStore

START = 10.0  # seconds without which it makes no sense to start ranks
RERUN = ".rerun.json"
ANNOUNCED = "announced"  # file of the exchange folder: lines for the user that stay


class Progress:
    """Tells the launching process how far a rank is, by a file in the exchange folder.

    The file holds the number of runs that the rank finished, and the cost of these and of the finished part of the
    next.
    """

    def __init__(self, folder: Path, rank: int) -> None:
        self.folder, self.rank, self.runs, self.cost, self.written = folder, rank, 0, 0.0, 0.0

    def of(self, experiment: Experiment) -> Callable[[float], None]:
        """Return what reports the finished fraction of an experiment, a few times a second at most."""

        def report(fraction: float) -> None:
            if time.monotonic() - self.written > 0.2:
                self._write(self.cost + fraction * experiment.cost)

        return report

    def finished(self, experiment: Experiment) -> None:
        """Count an experiment."""
        self.runs += 1
        self.cost += experiment.cost
        self._write(self.cost)

    def announce(self, text: str) -> None:
        """Hand a line that stays to the launching process; those of the first rank are heard."""
        if self.rank == 0:
            with (self.folder / ANNOUNCED).open("a") as file:
                file.write(f"{text}\n")

    def _write(self, cost: float) -> None:
        self.written = time.monotonic()
        draft = self.folder / f".progress-{self.rank}"
        draft.write_text(json.dumps([self.runs, cost]))
        draft.rename(self.folder / f"progress-{self.rank}")


class Ticker:
    """Turns what the ranks of a launch report into a line with the time left, by the cost of what is left.

    Parameters
    ----------
    folder
        Exchange folder.
    experiments, ranks
        What is run, on how many ranks.
    report, announce
        Receive a line of progress, and a line that stays.
    clock
        Tells the time in seconds.
    """

    def __init__(
        self,
        folder: Path,
        experiments: Sequence[Experiment],
        ranks: int,
        report: Callable[[str], None],
        announce: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self.ranks, self.report, self.announce, self.clock = folder, ranks, report, announce, clock
        self.total, self.cost = len(experiments), sum(experiment.cost for experiment in experiments)
        self.first: tuple[float, float] | None = None

    def announce_new(self) -> None:
        """Show what the ranks announced; lines that were shown are not shown again."""
        path = self.folder / ANNOUNCED
        for line in path.read_text().splitlines(keepends=True) if path.exists() else []:
            if line.endswith("\n"):
                self.announce(line.rstrip())

    def __call__(self) -> None:
        """Report how far the ranks are."""
        self.announce_new()
        found = [json.loads(path.read_text()) for path in self.folder.glob("progress-*")]
        if not found:
            self.report(f"starting {self.ranks} ranks for {self.total} runs")
            return
        runs, cost = (sum(column) for column in zip(*found, strict=True))
        self.report(f"run {min(runs + 1, self.total)} of {self.total} on {self.ranks} ranks{self._left(cost)}")

    def _left(self, cost: float) -> str:
        """Say how long the rest takes at the pace since the first report: what a checkpoint held took no time."""
        now = self.clock()
        start, before = self.first = self.first or (now, cost)
        if cost <= before or now <= start:
            return ""
        return f", {duration((self.cost - cost) * (now - start) / (cost - before))} left"


def duration(seconds: float) -> str:
    """Write seconds as a short text, such as ``1:05`` or ``2:03:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


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
            self.made |= _names(store.root / RERUN)

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
        from reproductions.harness.runs.checkpoints import LATEST

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
        from reproductions.harness.runs.checkpoints import fraction

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


def _names(path: Path) -> set[str]:
    """Return what a file remembers; nothing, with a warning, if it is damaged."""
    try:
        return set(TypeAdapter(list[str]).validate_json(path.read_bytes(), strict=True))
    except (OSError, ValueError):
        warnings.warn(f"{path} is damaged: what earlier sessions with --rerun made is made again", stacklevel=2)
        return set()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _name(experiment: Experiment) -> str:
    return textwrap.shorten(repr(experiment), 160, placeholder=" ...")
