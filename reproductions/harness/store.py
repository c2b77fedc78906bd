"""Run store: the result of every run under its key, there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from reproductions.harness.experiment import Experiment

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """Result of one experiment.

    Attributes
    ----------
    frame : pandas.DataFrame
        Tidy metrics with the columns step, metric and value.
    provenance : dict
        Commit, versions, hardware, ranks, seconds and label of the data.
    """

    experiment: Experiment
    frame: pd.DataFrame
    provenance: dict[str, Any]

    def series(self, metric: str) -> pd.Series[float]:
        """Return the values of a metric indexed by step.

        Raises
        ------
        KeyError
            If the run did not record the metric.
        """
        rows = self.frame[self.frame["metric"] == metric]
        if rows.empty:
            known = ", ".join(sorted(self.frame["metric"].unique()))
            raise KeyError(f"the run recorded no {metric!r}, only {known}")
        return rows.set_index("step")["value"]

    def final(self, metric: str) -> float:
        """Return the last value of a metric; see `series`."""
        return float(self.series(metric).iloc[-1])


def select(runs: Sequence[Run], like: Sequence[Experiment]) -> list[Run]:
    """Return the runs of a part of a grid, in its order."""
    by_experiment = {run.experiment: run for run in runs}
    return [by_experiment[experiment] for experiment in like]


class RunStore:
    """Folder of stored runs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Return where the run of a key lives."""
        return self.root / key

    def version(self, key: str) -> tuple[int, int] | None:
        """Return what changes whenever the run of a key is stored; None if there is none."""
        try:
            found = (self.folder(key) / "run.json").stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def checkpoint(self, key: str) -> Path:
        """Return the folder of the checkpoints of a run that is not finished."""
        return self.root / f"{key}.checkpoint"

    def save(self, key: str, frame: pd.DataFrame, provenance: dict[str, Any]) -> None:
        """Write a run beside its place and move it there; a run that is already there is replaced."""
        draft = self.root / f".draft-{key}-{os.getpid()}"
        try:
            draft.mkdir(parents=True)
            frame.to_parquet(draft / "frame.parquet", index=False)
            record = {"schema": SCHEMA, "sha256": _digest(draft / "frame.parquet"), "provenance": provenance}
            (draft / "run.json").write_text(json.dumps(record, indent=1))
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self.folder(key))
            draft.rename(self.folder(key))
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def load(self, key: str, experiment: Experiment) -> Run | None:
        """Return the run of a key, or None if it is missing, damaged or of another schema."""
        import pandas as pd

        folder = self.folder(key)
        if not folder.is_dir():
            return None
        try:
            record = json.loads((folder / "run.json").read_text())
            if record["schema"] != SCHEMA or record["sha256"] != _digest(folder / "frame.parquet"):
                raise ValueError("its checksum or schema does not match")
            frame = pd.read_parquet(folder / "frame.parquet")
        except (OSError, ValueError, KeyError) as error:
            warnings.warn(f"the stored run {key} is damaged and will be made again: {error}", stacklevel=2)
            return None
        return Run(experiment, frame, record["provenance"])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
