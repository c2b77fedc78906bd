"""Hour: as much of a plan as fits into one command, and a copy of what is done after each of its parts."""

from __future__ import annotations

import argparse
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reproductions.gpu_hour import copies, plan, surroundings
from reproductions.gpu_hour import state as states
from reproductions.gpu_hour.plan import HourPart, PartKind
from reproductions.gpu_hour.sessions import judge, session
from reproductions.gpu_hour.state import HourState, PartRecord
from reproductions.harness.runs.key import source_digest
from reproductions.harness.runs.progress import duration
from reproductions.harness.runs.provenance import provenance
from reproductions.harness.time_limit import GOES_ON
from reproductions.report.errors import ReportError
from reproductions.report.papers import HERE, in_checkout

ENGINE = "reproductions.experiments.training"  # what proofs are about, with all that it imports
EVERY = 60.0  # seconds between copies while a part is at work
RESERVE = 30.0  # seconds at the end of a command, for a session that ends late and for the last copy
LEAST = 60.0  # seconds in which a figure gets any further
SHARE = 0.1  # of the time of a command, at most, for each of these two


def run(given: argparse.Namespace) -> int:
    """Run as much of a plan as there is time for.

    Returns
    -------
    int
        75 if there is more to do; else 0 if all parts are done and 1 if some failed; 1 at once if a proof failed.

    Raises
    ------
    ReportError
        If an argument is wrong, or something that the plan needs is missing.
    """
    in_checkout(HERE)
    parts = plan.load(given.plan or plan.FILE)
    hour = Hour(given, parts, parts.parts(given.tiny))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends a command gets its last copy
    hour.look_around()
    hour.begin()
    for part in hour.due():
        hour.look_for_data(part)
        if hour.left < hour.needed(part):
            break
        if hour.make(part).outcome == "failed" and part.kind is PartKind.PROOF:
            return 1
    return hour.end()


@dataclass
class Hour:
    """One command: what was asked for, what is known, and when it has to end.

    Raises
    ------
    ReportError
        If the command is too short for one of the parts.
    """

    given: argparse.Namespace
    plan: plan.HourPlan
    parts: list[HourPart]
    began: float = field(default_factory=time.time)
    copied: tuple[float, object] = (0.0, None)  # when, and what was made by then
    has_data: bool = False  # whether they were looked for

    def __post_init__(self) -> None:
        given = self.given
        self.work: Path = given.work.absolute()
        self.out: Path = given.out.absolute()
        self.data: Path = (given.data or given.out / "data").absolute()
        scale, device = ("smoke", "cpu") if given.tiny else ("paper", "cuda")
        self.state = HourState(settings={"scale": scale, "device": device, "precision": given.precision})
        self.length: float = 60 * given.minutes
        self.reserve: float = min(RESERVE, SHARE * self.length)
        longest = max(part.minutes or 0.0 for part in self.parts)
        if 60 * longest > self.length - self.reserve:
            raise ReportError(f"--minutes is {given.minutes:g}, too short for a part that may take {longest:g}")

    @property
    def left(self) -> float:
        """Seconds until a session has to have ended."""
        return self.began + self.length - self.reserve - time.time()

    def look_around(self) -> None:
        """Look for what the plan needs; a `ReportError` says what is missing."""
        if not self.given.tiny:
            surroundings.need_gpu()
        surroundings.need_mpi(self.given.wheels)
        self.machine = f"{provenance()['gpu']} {source_digest(frozenset({ENGINE}))}"

    def look_for_data(self, part: HourPart) -> None:
        """Look for the data of a figure, once; a `ReportError` says what is missing. Proofs and rates do without."""
        if part.kind is PartKind.FIGURE and self._needs_data and not self.has_data:
            surroundings.need_cifar10(self.data, self.given.unpack)
            self.has_data = True

    def begin(self) -> None:
        """Take the state of this machine or that of the copy, whichever is further, and copy it."""
        earlier: Path = (self.given.earlier or self.out).absolute()
        here, copy = states.read(self.work), states.read(earlier)
        if self.given.earlier and copy is None:
            raise ReportError(f"--from is {earlier}, but there is no {states.FILE} of an earlier command in it")
        if here and copy and here.lineage != copy.lineage:
            raise ReportError(f"{self.work} and {earlier} hold different plans: name another folder with --work")
        for found in filter(None, (here, copy)):
            if found.settings != self.state.settings:
                was, now = (" ".join(each.settings.values()) for each in (found, self.state))
                raise ReportError(f"this plan was begun with {was}, and cannot go on with {now}: see --work and --from")
        if copy and (here is None or here.saved < copy.saved):
            copy.proved = here.proved if here else {}
            copies.restore(earlier, self.work, copy)
            here = copy
        self.state = here or self.state
        self._save()

    def due(self) -> Iterator[HourPart]:
        """Yield the proofs that this machine lacks, then the parts that are not done, last those that failed before."""
        failed = {part.name for part in self.parts if self.state.is_(part.name, "failed")}
        for part in sorted(self.parts, key=lambda part: part.kind is not PartKind.PROOF and part.name in failed):
            proved = self.state.proved.get(part.name) == self.machine
            if not (proved if part.kind is PartKind.PROOF else self.state.is_(part.name, "done")):
                yield part

    def needed(self, part: HourPart) -> float:
        """Return the seconds without which a part is not begun."""
        return min(LEAST, SHARE * self.length) if part.minutes is None else 60 * part.minutes

    def make(self, part: HourPart) -> PartRecord:
        """Run a part for as long as there is time, and copy what it made; return what became of it."""
        limit, before = min(self.left, 60 * (part.minutes or math.inf)), copies.made(self._results)
        self.copied = time.time(), before
        try:
            ended = session(self._arguments(part), self._log(part), limit, self.reserve / 2, self._tick)
        except KeyboardInterrupt:
            self._save()
            raise
        stuck = f"it made no run and no checkpoint in {duration(limit)}" if limit >= self.length / 2 else ""
        record = judge(part.kind, ended, copies.made(self._results) != before, stuck)
        if part.name in self.state.parts:
            record.seconds += self.state.parts[part.name].seconds
        self.state.parts[part.name] = record
        if part.kind is PartKind.PROOF:
            self.state.proved[part.name] = self.machine if record.outcome == "done" else ""
        self._save()
        self._say(part, record)
        return record

    def end(self) -> int:
        """Say how far the plan is; return the exit code."""
        done, failed = (sum(self.state.is_(part.name, what) for part in self.parts) for what in ("done", "failed"))
        more = len(self.parts) - done - failed
        print(f"{done} of {len(self.parts)} parts are done, {failed} failed; the copy is in {self.out}")
        for each in self.state.left_out:
            print(f"left out of the copy, which holds at most {self.given.most} MiB: {each}")
        if more:
            print("there is more to do: the same command goes on, on another machine with --from and this copy")
        return GOES_ON if more else int(failed > 0)

    @property
    def _needs_data(self) -> bool:
        return self.plan.cifar10 and not self.given.tiny

    @property
    def _results(self) -> Path:
        return self.work / copies.RESULTS

    def _log(self, part: HourPart) -> Path:
        return self._results / "logs" / f"{part.name}.log"

    def _arguments(self, part: HourPart) -> list[str]:
        own = [each.replace("{logs}", str(self._log(part).parent)) for each in part.arguments]
        options = self.state.settings | {"results": str(self._results)}
        options |= {"data": str(self.data)} if self._needs_data else {}
        return own + [f"--{name}={value}" for name, value in options.items()]

    def _tick(self) -> None:
        """Copy once in a while what a session that is at work has made."""
        if time.time() - self.copied[0] > EVERY:
            made = copies.made(self._results)
            if made != self.copied[1]:
                self._save()
            self.copied = time.time(), made

    def _save(self) -> None:
        copies.save(self.work, self.out, self.state, self.given.most * copies.MIB)

    def _say(self, part: HourPart, record: PartRecord) -> None:
        why = f": {record.why}" if record.why else ""
        print(f"{part.name}: {record.outcome} after {duration(record.seconds)}, {record.tests}{why}", flush=True)
        if record.outcome == "failed":
            lines = self._log(part).read_text(errors="replace").splitlines()
            print(f"the end of {self._log(part)}:", *lines[-30:], sep="\n", flush=True)
