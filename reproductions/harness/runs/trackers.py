"""Trackers: what runs log goes to TensorBoard or MLflow as it comes, beside the frames that the suite keeps itself.

Ranks leave their metrics as lines in the exchange folder, and the launching process hands them on: only it needs the
tracker's library. A tracker that fails is told of once and asked no more; no run waits for it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.key import describe

NAMES = ("mlflow", "tensorboard")  # of the trackers, and of what is imported for them
EVERY = 1.0  # seconds between two looks at what ranks logged
DONE = "done"
MLFLOW = {  # a folder as its store; nothing about the user is sent anywhere; a server that is gone holds up no session
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}

Rows = Sequence[tuple[int, Mapping[str, float]]]
"""Steps, and the metrics that were logged at them."""


def check(name: str) -> str:
    """Return the name of a tracker; a ValueError, which goes on after the name of the option, if it is not here."""
    if importlib.util.find_spec(name) is None:
        raise ValueError(f"is {name!r}, which is not installed: pip install 'distributed-sgd-reproductions[{name}]'")
    return name


class TensorBoard:
    """Event files, a folder a run.

    A run that goes on from a checkpoint, or is made anew, hides what its folder has of the steps that come again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.writers = folder, dict[str, Any]()

    def log(self, key: str, experiment: Experiment, rows: Rows) -> None:
        """Take what a run logged since the last time; the first time begins it."""
        if key not in self.writers:
            self.writers[key] = self._begin(key, experiment, first=rows[0][0])
        for step, metrics in rows:
            for name, value in metrics.items():
                self.writers[key].add_scalar(name, value, step)
        self.writers[key].flush()

    def _begin(self, key: str, experiment: Experiment, first: int) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        writer: Any = SummaryWriter(str(self.folder / called(key, experiment)), purge_step=first)
        rows = [f"| {name} | {value} |" for name, value in _parameters(experiment).items()]
        writer.add_text("parameters", "\n".join(["| parameter | value |", "|---|---|", *rows]), first)
        return writer

    def end(self, key: str, finished: bool) -> None:
        """Take note that a run that was begun is finished, or was stopped."""
        self.writers.pop(key).close()


class MLflow:
    """Runs of the experiment ``reproductions``, in a folder or on the server that MLFLOW_TRACKING_URI names.

    A run that goes on from a checkpoint goes on here too; a finished one that is made anew is a new one.
    """

    def __init__(self, folder: Path) -> None:
        for name, value in MLFLOW.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or folder.resolve().as_uri())
        found = self.client.get_experiment_by_name("reproductions")
        self.experiment = found.experiment_id if found else self.client.create_experiment("reproductions")
        self.runs: dict[str, str] = {}

    def log(self, key: str, experiment: Experiment, rows: Rows) -> None:
        """Take what a run logged since the last time; the first time begins it."""
        from mlflow.entities import Metric

        if key not in self.runs:
            self.runs[key] = self._begun(key) or self._begin(key, experiment)
        now = int(1000 * time.time())
        each = [Metric(name, value, now, step) for step, metrics in rows for name, value in metrics.items()]
        for start in range(0, len(each), 1000):  # a batch has no more
            self.client.log_batch(self.runs[key], metrics=each[start : start + 1000])

    def _begun(self, key: str) -> str | None:
        """Return the run of a key that was stopped before."""
        found = self.client.search_runs([self.experiment], f"tags.key = '{key}'")
        return next((run.info.run_id for run in found if run.info.status != "FINISHED"), None)

    def _begin(self, key: str, experiment: Experiment) -> str:
        from mlflow.entities import Param

        run = self.client.create_run(self.experiment, tags={"key": key}, run_name=called(key, experiment))
        found = [Param(name, str(value)[:500]) for name, value in _parameters(experiment).items()]
        self.client.log_batch(run.info.run_id, params=found[:100])
        return str(run.info.run_id)

    def end(self, key: str, finished: bool) -> None:
        """Take note that a run that was begun is finished, or was stopped."""
        self.client.set_terminated(self.runs.pop(key), "FINISHED" if finished else "KILLED")


Tracker = TensorBoard | MLflow
MAKERS: dict[str, tuple[Callable[[Path], Tracker], str]] = {
    "mlflow": (MLflow, "mlruns"),
    "tensorboard": (TensorBoard, "tensorboard"),
}


def called(key: str, experiment: Experiment) -> str:
    """Return a name for a run that says what it is: experiment, algorithm, seed, and the beginning of its key."""
    algorithm, seed = (getattr(experiment, name, None) for name in ("algorithm", "seed"))
    words = [type(experiment).__name__, *([type(algorithm).__name__] if algorithm else []), f"seed{seed}", key[:8]]
    return "-".join(words)


def _parameters(experiment: Experiment) -> dict[str, Any]:
    from reproductions.frames import parameters  # which ranks, who load this module too, do without

    return parameters(describe(experiment))


class Hand:
    """Hands what ranks log to a tracker, launch after launch.

    Parameters
    ----------
    name, results
        One of `NAMES`, or None; the results folder, which gets the tracker's files.
    """

    def __init__(self, name: str | None, results: Path) -> None:
        self.name, self.results = name, results
        self.tracker: Tracker | None = None
        self.open: dict[str, int] = {}  # runs that are begun, with the bytes of theirs that are handed on
        self.looked = 0.0

    def over(self, folder: Path, runs: Mapping[str, Experiment], last: bool = False) -> None:
        """Hand on what is new in an exchange folder, once a second; the `last` time, end the runs that were stopped."""
        if self.name is None or (not last and time.monotonic() - self.looked < EVERY):
            return
        self.looked = time.monotonic()
        try:
            for key in runs:
                if (folder / f"metrics-{key}").exists():
                    self._hand(folder / f"metrics-{key}", key, runs[key])
            for key in [*self.open] if last else []:
                self._end(key, finished=False)
        except Exception as error:  # of somebody else's library, or a full disk
            why = " ".join(str(error).split())[:300]
            warnings.warn(f"nothing more goes to {self.name}: {type(error).__name__}: {why}", stacklevel=2)
            self.name = None

    def _hand(self, path: Path, key: str, experiment: Experiment) -> None:
        with path.open("rb") as file:
            file.seek(self.open.get(key, 0))
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        entries = [json.loads(line) for line in whole.splitlines()]
        rows = [(step, metrics) for step, metrics in (entry for entry in entries if entry != DONE)]
        if rows:
            self._tracker().log(key, experiment, rows)
            self.open[key] = self.open.get(key, 0) + len(whole)
        if DONE in entries and key in self.open:
            path.unlink()
            self._end(key, finished=True)

    def _end(self, key: str, finished: bool) -> None:
        del self.open[key]
        self._tracker().end(key, finished)

    def _tracker(self) -> Tracker:
        if self.tracker is None:
            make, place = MAKERS[str(self.name)]
            self.tracker = make(self.results / place)
        return self.tracker


class Ledger:
    """Leaves what a rank logs in a file for the launching process; what cannot be written is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Leave the metrics of a step."""
        self._write([step, {name: float(value) for name, value in metrics.items()}])

    def done(self) -> None:
        """Say that the run is finished."""
        self._write(DONE)

    def _write(self, entry: Any) -> None:
        with contextlib.suppress(OSError), self.path.open("a") as file:
            file.write(f"{json.dumps(entry)}\n")
