"""Histories and results folders made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from reproductions.harness.runs.provenance import provenance
from reproductions.harness.verdicts.intervals import mean_interval
from reproductions.harness.verdicts.record import SCHEMA, Verdict
from reproductions.report.records import Record

EMPTY = Record(
    time="2026-01-01T00:00:00+00:00", commit="a" * 40, clean=True, claim="toy-number", paper="toy", scale="smoke",
    workload="digits", verdict="reproduced", estimate=None, low=None, high=None, confidence=None, df=None, seeds=0,
    hardware="2 CPU cores",
)  # fmt: skip


def night(number: int, **values: Any) -> Record:
    """Return the record of one night; nights have commits 000..., 111..., ..."""
    time = f"2026-01-{1 + number // 24:02}T{number % 24:02}:00:00+00:00"
    return replace(EMPTY, time=time, commit=f"{number % 10}" * 40, **values)


def measured(number: int, samples: Sequence[float] | np.ndarray, **values: Any) -> Record:
    """Return the record of a night that measured the samples, one a seed."""
    found = mean_interval(samples)
    interval = {"low": found.low, "high": found.high, "confidence": found.confidence, "df": found.df}
    return night(number, estimate=found.estimate, seeds=found.n, **interval, **values)


def row(record: Record) -> dict[str, Any]:
    """Return a record as a file of verdicts has it."""
    shared = ("time", "commit", "workload", "verdict", "seeds", "hardware", "estimate", "confidence", "df")
    interval = None if record.low is None or record.high is None else (record.low, record.high)
    values = {name: getattr(record, name) for name in shared}
    return asdict(Verdict(record.claim, record.paper, record.scale, "test", interval=interval, **values))


def write_results(folder: Path, records: Sequence[Record], schema: int = SCHEMA) -> Path:
    """Write records as the results folder of a session."""
    last = max(records, key=lambda record: record.time)
    here = provenance() | {"time": last.time, "commit": last.commit, "clean": last.clean}
    path = folder / last.scale / "verdicts.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [row(record) | {"session": last.time} for record in records]
    document = {"schema": schema, "provenance": here, "sessions": {last.time: here}, "claims": rows}
    path.write_text(json.dumps(document))
    return folder
