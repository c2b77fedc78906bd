"""What scripts and notebooks import: ``from reproductions import run, load, Training``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops, Lossless
from algorithms.schedule import Constant, StepDecay
from reproductions import frames
from reproductions.experiments.training import Training
from reproductions.frames import load
from reproductions.harness.options import FLAGS, OPTIONS
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.key import forget
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import TIMEOUT, Settings
from reproductions.workloads.base import DataError
from reproductions.workloads.digits import Digits

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Algorithm", "Constant", "Digits", "Experiment", "IndependentDrops", "Lossless", "StepDecay", "Training", "load",
    "run",
]  # fmt: skip

OF_SESSIONS = {"scale", "seeds", "algorithm", "verdicts", "baseline", "replace"}  # say nothing about a run by itself
KNOWN = {option.field: option for option in (*OPTIONS, *FLAGS) if option.field not in OF_SESSIONS}


def run(experiment: Experiment | Iterable[Experiment], **options: Any) -> pd.DataFrame:
    """Run an experiment, or several, on MPI ranks; what is stored already is not run again.

    Its classes may be those of the script or the notebook. A script needs no ``if __name__ == "__main__"``.

    Parameters
    ----------
    experiment
        Such as a `Training`; several with different seeds or parameters give one frame.
    options
        ``ranks``, ``results``, ``data``, ``device``, ``precision``, ``rerun``, ... as the README names them for
        sessions of pytest, with ``_`` for ``-``, or ``REPRO_RANKS``, ... in the environment.

    Returns
    -------
    pandas.DataFrame
        One row for each run, step and metric, with the parameters of its experiment: see `load`.

    Raises
    ------
    TypeError, ValueError
        If an experiment is none, or an option has a bad name or value.
    DataError
        If its data are not here.
    RanksFailed
        If it raised something; what was finished before stays stored.
    """
    forget()
    experiments, settings = _experiments(experiment), _settings(options)
    runner = Runner(settings, _show)
    try:
        runner.run(experiments)
    except DataError as error:
        raise DataError(str(error).replace("--data", "data=")) from None
    keys = dict.fromkeys(map(runner.key, experiments))
    return frames.table([runner.store.folder(key) for key in keys])


def _experiments(given: Any) -> list[Experiment]:
    found = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    for each in found:
        if not isinstance(each, Experiment):
            raise TypeError(f"{repr(each)[:80]} is not an experiment: run needs a Training(...), or several")
        try:
            hash(each)
        except TypeError as error:
            raise TypeError(f"{repr(each)[:80]} cannot be run: {error}, what it holds has to be frozen") from None
    if not found:
        raise ValueError("there is nothing to run: the list of experiments is empty")
    return found


def _settings(options: dict[str, Any]) -> Settings:
    for name in options:
        if name not in KNOWN:
            raise TypeError(f"run has no option {name!r}, only {', '.join(KNOWN)}")
    environment = {name: os.environ.get(f"REPRO_{name.upper()}") for name in KNOWN}
    texts = {"results": "results", "run_timeout": str(TIMEOUT["small"])}
    texts |= {name: text for name, text in environment.items() if text}
    texts |= {name: str(value) for name, value in options.items() if value is not None}
    try:
        settings = Settings(scale="small", **{name: KNOWN[name].value(text, name) for name, text in texts.items()})
    except pytest.UsageError as error:
        raise ValueError(str(error)) from None
    if settings.precision == "tf32" and settings.resolved_device == "cpu":
        raise ValueError("precision is 'tf32', which needs a GPU, and there is none: use float32 or bfloat16")
    if settings.network == "real" and settings.launcher:
        raise ValueError("network is 'real', which starts the ranks on hosts of its own: leave out launcher")
    return settings


def _show(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
