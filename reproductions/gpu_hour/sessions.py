"""Sessions: one part of a plan as a process of pytest that ends in time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from reproductions.gpu_hour.plan import PartKind
from reproductions.gpu_hour.state import PartRecord
from reproductions.harness.runs.deadline import Deadline, written
from reproductions.harness.runs.progress import START
from reproductions.harness.runs.provenance import ROOT
from reproductions.harness.time_limit import GOES_ON

POLL = 0.1
PATIENCE = 5.0  # seconds between asking a session to end and killing it


@dataclass(frozen=True)
class Ended:
    """How a session ended.

    Parameters
    ----------
    code
        Its exit code; None if it was ended from outside.
    seconds
        That it took.
    late
        Whether it had no time left to start ranks.
    passed, failed, skipped
        Tests.
    """

    code: int | None
    seconds: float
    late: bool
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def tests(self) -> str:
        """Say what its tests did."""
        counts = {"passed": self.passed, "failed": self.failed, "skipped": self.skipped}
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no test ended"


def session(arguments: Sequence[str], log: Path, limit: float, grace: float, tick: Callable[[], None]) -> Ended:
    """Run pytest in the checkout and wait for its end.

    Parameters
    ----------
    arguments
        Of pytest.
    log
        File for what it prints; beside it comes ``.xml``, what its tests did.
    limit, grace
        Seconds after which it has to end by itself, and how much later it is ended.
    tick
        Called many times a second.
    """
    xml, deadline = log.with_suffix(".xml"), Deadline(limit)
    log.parent.mkdir(parents=True, exist_ok=True)
    xml.unlink(missing_ok=True)
    own = ["-p", "no:cacheprovider", "--time-limit", written(round(limit, 1)), f"--junitxml={xml}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments, *own],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None and time.time() < deadline.began + limit + grace:
                tick()
                time.sleep(POLL)
            code = process.poll()
        finally:
            _stop(process)
    return Ended(code, time.time() - deadline.began, deadline.left < START, **_counts(xml))


def judge(kind: PartKind, ended: Ended, progressed: bool, stuck: str) -> PartRecord:
    """Return what became of a part by its last session.

    Parameters
    ----------
    progressed
        Whether it made a run or a checkpoint.
    stuck
        Why a figure that was cut off and made nothing fails; nothing if another command may give it more time.
    """
    record = PartRecord(outcome="done", seconds=ended.seconds, tests=ended.tests)
    cut = ended.code in (None, GOES_ON) or (ended.code == 1 and ended.late)
    if ended.code == 0 and (ended.passed or kind is not PartKind.PROOF):
        return record
    if kind is PartKind.RATES and cut and not ended.failed:
        record.why = "what was not measured in its time is left out"
    elif kind is PartKind.FIGURE and cut and (progressed or not stuck):
        record.outcome = "more"
    else:
        record.outcome = "failed"
        record.why = stuck if kind is PartKind.FIGURE and cut else _failure(ended)
    return record


def _failure(ended: Ended) -> str:
    if ended.code is None:
        return "it did not end in its time"
    return f"pytest ended with code {ended.code}, {ended.tests}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a session: it ends its ranks when asked, and ranks end when it is gone."""
    for end in (process.terminate, process.kill):
        if process.poll() is not None:
            return
        end()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            continue


def _counts(xml: Path) -> dict[str, int]:
    """Return how many tests passed, failed and were skipped; nothing if the session did not get to say it."""
    try:
        suite = next(ElementTree.parse(xml).iter("testsuite")).attrib
    except (OSError, ElementTree.ParseError, StopIteration):
        return {}
    total, errors, failures, skipped = (int(suite[name]) for name in ("tests", "errors", "failures", "skipped"))
    return {"passed": total - errors - failures - skipped, "failed": errors + failures, "skipped": skipped}
