"""Verdicts: how a claim is decided, and the record from which every report is made."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from reproductions.harness.claims import Claim
from reproductions.harness.decisions import Decision, Interval
from reproductions.harness.provenance import hardware, provenance
from reproductions.harness.store import Run

SCHEMA = 1
VERDICTS = ("reproduced", "trend", "erratum", "deviates", "inconclusive", "not run", "crashed")


@dataclass
class Verdict:
    """One row of the table of reproduced against reported."""

    id: str
    paper: str
    source: str
    quote: str
    kind: str
    metric: str
    unit: str
    reported: str
    tolerance: str
    tolerance_reason: str
    merges: tuple[str, ...]
    erratum: str
    scale: str
    test: str
    verdict: str = "crashed"
    reason: str = "the test ended before it decided the claim"
    reproduced: str = ""
    interval: tuple[float, float] | None = None
    workload: str = "exact"
    seeds: int = 0
    ranks: int = 0
    hardware: str = ""
    commit: str | None = None
    time: str = ""
    # what `interval` is an interval of; files written before there were these fields are read as they are
    estimate: float | None = None
    confidence: float | None = None
    df: float | None = None


def open_verdict(claim: Claim, scale: str, test: str) -> Verdict:
    """Return the pessimistic record with which every decision starts."""
    copied = ("id", "paper", "source", "quote", "kind", "metric", "unit", "reported", "tolerance", "merges", "erratum")
    here = provenance()
    return Verdict(
        **{name: getattr(claim, name) for name in copied},
        tolerance_reason=claim.reason,
        scale=scale,
        test=test,
        hardware=hardware(here),
        commit=here["commit"],
        time=here["time"],
    )


class Decider:
    """Decides one claim for one test.

    Each method ends the test by pytest's own outcomes: a deviation fails, a known deviation is an xfail, an
    inconclusive or undecidable claim is a skip with its reason, everything else passes.
    """

    def __init__(self, claim: Claim, verdict: Verdict) -> None:
        self.claim = claim
        self.verdict = verdict

    def decide(self, decision: Decision, reproduced: str = "", runs: Sequence[Run] = ()) -> None:
        """Decide the claim as it is printed.

        Parameters
        ----------
        decision
            Whether the statement, or its trend at a reduced scale, holds.
        reproduced
            What was found, as a short text; by default the estimate.
        runs
            Runs that the decision rests on; none for exact computations.
        """
        reduced = self.claim.scale == "paper" and self.verdict.scale != "paper"
        holds = "trend" if reduced else "reproduced"
        verdict = {"holds": holds, "fails": "deviates", "inconclusive": "inconclusive"}[decision.outcome]
        self._record(verdict, decision, reproduced, runs)
        self._end()

    def decide_erratum(
        self, printed: Decision, corrected: Decision, reproduced: str = "", runs: Sequence[Run] = ()
    ) -> None:
        """Show that the statement as printed is wrong and decide the corrected one.

        Parameters
        ----------
        printed
            The printed statement at its counter-example; has to fail.
        corrected
            The corrected statement that the claims file spells out.
        """
        if not self.claim.erratum:
            raise ValueError(f"{self.claim.id} has no erratum in its claims file")
        if printed.outcome == "fails" and corrected.outcome == "holds":
            self._record("erratum", corrected, reproduced, runs)
            self.verdict.reason = f"as printed: {printed.explanation}; corrected: {corrected.explanation}"
            return
        blamed = corrected if printed.outcome == "fails" else printed
        contradicted = printed.outcome == "holds" or corrected.outcome == "fails"
        self._record("deviates" if contradicted else "inconclusive", blamed, reproduced, runs)
        outcomes = f"printed {printed.outcome}, corrected {corrected.outcome}"
        self.verdict.reason = f"the erratum does not stand ({outcomes}): {blamed.explanation}"
        self._end()

    def not_run(self, reason: str) -> None:
        """Say what is missing to decide the claim."""
        self.verdict.verdict, self.verdict.reason = "not run", reason
        pytest.skip(reason)

    def _record(self, verdict: str, decision: Decision, reproduced: str, runs: Sequence[Run]) -> None:
        row, interval = self.verdict, decision.interval
        row.verdict, row.reason = verdict, decision.explanation
        row.interval = None if interval.low == interval.high else (interval.low, interval.high)
        if math.isfinite(interval.estimate):
            row.estimate, row.confidence, row.df = interval.estimate, interval.confidence, interval.df
        row.reproduced = reproduced or _text(interval)
        if runs:
            row.workload = ", ".join(sorted({str(run.provenance.get("workload", "simulation")) for run in runs}))
            row.seeds = len({getattr(run.experiment, "seed", 0) for run in runs})
            row.ranks = max(int(run.provenance["ranks"]) for run in runs)
            row.hardware = hardware(runs[0].provenance)

    def _end(self) -> None:
        row, cause = self.verdict, (self.claim.deviates or {}).get(self.verdict.scale)
        if row.verdict == "deviates" and cause:
            row.reason = f"known: {cause}"
            pytest.xfail(cause)
        if row.verdict == "deviates":
            pytest.fail(f"{row.id} deviates: {row.reason}", pytrace=False)
        if row.verdict == "inconclusive":
            pytest.skip(f"inconclusive: {row.reason}")
        if cause:
            pytest.fail(f"{row.id} is listed as a deviation at this scale but now holds: update its claims file")


def _text(interval: Interval) -> str:
    return f"{interval.estimate:.4g}"


def write(path: Path, verdicts: Iterable[Verdict], keep: bool = False, late: Iterable[str] = ()) -> None:
    """Write the verdicts of a session as JSON, whole or not at all.

    Parameters
    ----------
    path
        File to write.
    verdicts
        Records of this session.
    keep
        Keep the records of claims that this session did not touch.
    late
        Claims that this session had no time for: what was found of them earlier is kept too.
    """
    here = provenance()
    sessions, rows = _earlier(path) if keep and path.exists() else ({}, {})
    sessions[here["time"]] = here
    found = {name for name in late if name in rows and rows[name]["verdict"] != "not run"}
    rows |= {each.id: asdict(each) | {"session": here["time"]} for each in verdicts if each.id not in found}
    used = {row["session"] for row in rows.values()}
    kept = {name: session for name, session in sessions.items() if name in used}
    document = {"schema": SCHEMA, "provenance": here, "sessions": kept, "claims": list(rows.values())}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(document, indent=1))
    os.replace(draft, path)


def _earlier(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the sessions and the records by claim that a file holds; each record names its session."""
    document = json.loads(path.read_text())
    if document.get("schema") != SCHEMA:
        return {}, {}
    last = document["provenance"]
    rows = {row["id"]: {"session": last["time"]} | row for row in document["claims"]}
    return document.get("sessions", {last["time"]: last}), rows


COLUMNS = ("claim", "source", "reported", "reproduced", "tolerance", "verdict", "scale", "workload", "hardware")
FLEXIBLE = {"source": 0.2, "reported": 0.28, "reproduced": 0.3, "tolerance": 0.22}  # shares of the width that is left


def table(verdicts: Sequence[Verdict], width: int) -> list[str]:
    """Return the lines of the table of reproduced against reported, with the counts by verdict."""
    rows = [COLUMNS, *(_cells(verdict) for verdict in verdicts)]
    widths = {name: max(len(row[i]) for row in rows) for i, name in enumerate(COLUMNS)}
    left = max(width, 200) - sum(widths[name] for name in COLUMNS if name not in FLEXIBLE) - 2 * len(COLUMNS)
    widths |= {name: min(widths[name], max(10, int(share * left))) for name, share in FLEXIBLE.items()}
    lines = [
        "  ".join(_fit(cell, widths[name]) for name, cell in zip(COLUMNS, row, strict=True)).rstrip() for row in rows
    ]
    counts = Counter(verdict.verdict for verdict in verdicts)
    return [*lines, "", ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])]


def _cells(v: Verdict) -> tuple[str, ...]:
    return (v.id, v.source, v.reported, _with_interval(v), v.tolerance, v.verdict, v.scale, v.workload, v.hardware)


def _with_interval(verdict: Verdict) -> str:
    if verdict.interval is None:
        return verdict.reproduced
    low, high = verdict.interval
    return f"{verdict.reproduced} [{low:.3g}, {high:.3g}]"


def _fit(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"
