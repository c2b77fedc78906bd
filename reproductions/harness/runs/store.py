"""Run store: the result of every run under its key, there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import io
import itertools
import json
import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Required

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict, TypeVar

from reproductions.harness.runs.experiment import Experiment

if TYPE_CHECKING:
    import pandas as pd


SCHEMA = 1
DIVERGED = 1e10
TWINS = 20  # attempts to put a run in its place while others do the same
COLUMNS = {"step": "iu", "metric": "OUT", "value": "f"}  # of a frame, with the kinds that numpy has for them
X = TypeVar("X", bound=Experiment)
E = TypeVar("E", bound=Experiment, default=Experiment, covariant=True)  # noqa: PLC0105


@dataclass(frozen=True)
class Run(Generic[E]):
    """Result of one experiment.

    Attributes
    ----------
    frame : pandas.DataFrame
        Tidy metrics with the columns step, metric and value.
    provenance : dict
        Commit, versions, hardware, ranks, seconds and label of the data.
    key : str
        Name of its folder in the store; empty for a run that was never stored.
    """

    experiment: E
    frame: pd.DataFrame
    provenance: dict[str, Any]
    key: str = ""

    def series(self, metric: str) -> pd.Series[float]:
        """Return the values of a metric indexed by step.

        Raises
        ------
        KeyError
            If the run did not record the metric.
        """
        import pandas as pd

        rows = self._rows(metric)
        steps = pd.Index(self.frame["step"].to_numpy()[rows], name="step")
        return pd.Series(self.frame["value"].to_numpy()[rows], steps, name="value")

    @property
    def metrics(self) -> list[str]:
        """Names of all metrics, in the order in which they were logged first."""
        return list(self._places)

    def _rows(self, metric: str) -> NDArray[np.intp]:
        """Return where the rows of a metric are."""
        if metric not in self._places:
            raise KeyError(f"the run recorded no {metric!r}, only {', '.join(sorted(self._places))}")
        return self._places[metric]

    @functools.cached_property
    def _places(self) -> dict[str, NDArray[np.intp]]:
        """Where the rows of each metric are, found once: a session asks for thousands of metrics."""
        import pandas as pd

        codes, names = pd.factorize(self.frame["metric"])
        return {name: np.flatnonzero(codes == k) for k, name in enumerate(names)}

    @property
    def diverged(self) -> bool:
        """Whether a loss is not a number, or larger than any that a model which learns has."""
        if self.frame.empty:
            return False
        losses = self.frame.loc[self.frame["metric"].str.endswith("loss"), "value"]
        return not (losses.abs() < DIVERGED).all()

    def final(self, metric: str) -> float:
        """Return the last value of a metric; see `series`."""
        return float(self.frame["value"].to_numpy()[self._rows(metric)[-1]])

    def steps_to(self, metric: str, level: float) -> float:
        """Return the step at which a falling metric is at a level, between logged steps by interpolation.

        A run that begins below the level is there at its first logged step; one that never is, at infinity.
        """
        series = self.series(metric)
        reached = np.flatnonzero(series.to_numpy() <= level)
        if not len(reached):
            return np.inf
        if reached[0] == 0:
            return float(series.index[0])
        before, after = series.iloc[reached[0] - 1], series.iloc[reached[0]]
        step = series.index[reached[0]] - series.index[reached[0] - 1]
        return float(series.index[reached[0]] - step * (level - after) / (before - after))


class _Facts(TypedDict, total=False):
    """What a verdict takes from the provenance of a run; there is more."""

    ranks: Required[int]
    workload: str
    gpu: str | None
    precision: str


class _Record(BaseModel):
    """What ``run.json`` holds: `whole` is a digest of all of it."""

    model_config = ConfigDict(strict=True)

    schema_: int = Field(alias="schema", ge=SCHEMA, le=SCHEMA)
    key: str
    sha256: str
    provenance: _Facts
    whole: str


class RunStore:
    """Folder of stored runs; `drafts`, on the same file system, is where they are written before they are whole."""

    def __init__(self, root: Path, drafts: Path | None = None) -> None:
        self.root, self.drafts = root, drafts or root

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

    def save(self, key: str, frame: pd.DataFrame, provenance: dict[str, Any], experiment: Any = None) -> None:
        """Write a run beside its place and move it there; a run that is already there is replaced.

        `experiment` is what was run as plain values, see `reproductions.harness.runs.key.describe`, for who reads runs
        without the source of the experiment.
        """
        draft = self.drafts / f".draft-{key}-{os.getpid()}"
        try:
            draft.mkdir(parents=True)
            frame.to_parquet(draft / "frame.parquet", index=False)
            parts = {"key": key, "sha256": _digest(draft / "frame.parquet"), "provenance": provenance}
            parts |= {"experiment": experiment} if experiment else {}
            record = {"schema": SCHEMA, "whole": _whole(parts)} | parts
            (draft / "run.json").write_text(json.dumps(record, indent=1))
            self._place(draft, key)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _place(self, draft: Path, key: str) -> None:
        """Move a draft to its place; what is there, also from another session at this moment, is removed."""
        old = draft.with_name(f"{draft.name}.old")
        for attempt in itertools.count(1):
            with contextlib.suppress(FileNotFoundError):
                self.folder(key).rename(old)
            try:
                draft.rename(self.folder(key))
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt == TWINS:
                    raise
            finally:
                shutil.rmtree(old, ignore_errors=True)

    def load(self, key: str, experiment: X) -> Run[X] | None:
        """Return the run of a key, or None if it is missing, damaged or of another schema."""
        import pandas as pd

        folder = self.folder(key)
        try:
            if not folder.is_dir():
                return None
            provenance, content = self._read(key)
            frame = pd.read_parquet(io.BytesIO(content))
            kinds = {name: frame[name].dtype.kind for name in frame.columns}
            if kinds.keys() != COLUMNS.keys() or any(kinds[name] not in COLUMNS[name] for name in kinds):
                raise ValueError(f"its frame has the columns {', '.join(kinds)}, not {', '.join(COLUMNS)}")
        except Exception as error:  # reading what is damaged can raise anything
            why = " ".join(str(error).split())[:200]
            warnings.warn(f"the stored run {key} is damaged and will be made again: {why}", stacklevel=2)
            return None
        return Run(experiment, frame, provenance, key)

    def _read(self, key: str) -> tuple[dict[str, Any], bytes]:
        """Return the provenance and the frame of a run, as the bytes that were checked."""
        text = (self.folder(key) / "run.json").read_text(encoding="utf-8")
        document, found = json.loads(text), _Record.model_validate_json(text)
        if found.key != key:
            raise ValueError(f"it is the run {found.key}")
        parts = {name: value for name, value in document.items() if name not in ("schema", "whole")}
        if found.whole != _whole(parts):
            raise ValueError("run.json was changed after it was written")
        content = (self.folder(key) / "frame.parquet").read_bytes()
        if hashlib.sha256(content).hexdigest() != found.sha256:
            raise ValueError("its checksum does not match")
        return document["provenance"], content


def _whole(parts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
