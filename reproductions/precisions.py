"""Precisions: what a faster precision does to runs that differ in nothing else, ``reproductions precision``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reproductions.frames import PROVENANCE, load
from reproductions.harness.verdicts.intervals import paired_difference
from reproductions.report.errors import ReportError

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "float32"
METRICS = ("train_loss", "test_accuracy")
OF_A_RUN = {"run", "step", "metric", "value", *PROVENANCE}  # columns of `load` that are no parameters


def effects(results: Path, metrics: Sequence[str] = ()) -> pd.DataFrame:
    """Return how far runs in another precision end from those in float32 with the same parameters and seeds.

    Parameters
    ----------
    results
        A results folder with runs in several precisions.
    metrics
        Whose last values are compared; by default those of `METRICS` that there are.

    Returns
    -------
    pandas.DataFrame
        One row an experiment, precision and metric: ``experiment`` (the parameters that tell it from the others),
        ``precision``, ``metric``, ``seeds`` (that both have), ``float32`` (mean of the last values), ``difference``
        (mean, in the unit of the metric), and ``low`` and ``high``, the ends of its paired 95 % t interval.

    Raises
    ------
    ReportError
        If there are no finished runs, none with one of the metrics, none with a seed, or no two that differ in
        precision alone.
    """
    import pandas as pd

    try:
        frame = load(results)
    except FileNotFoundError as error:
        raise ReportError(str(error)) from None
    known = sorted(set(frame["metric"]))
    if unknown := [name for name in metrics if name not in known]:
        raise ReportError(f"no run in {results} has the metric {', '.join(unknown)}, only {', '.join(known)}")
    if "seed" not in frame:
        raise ReportError(f"{results} has no run with a seed, by which runs in two precisions are paired")
    runs = frame.drop_duplicates("run").set_index("run")
    parameters = [name for name in map(str, runs) if name not in OF_A_RUN and name.rpartition(".")[2] != "seed"]
    settings = runs[parameters].map(str)
    runs["setting"] = settings.agg("\n".join, axis="columns")
    runs["precision"] = runs["precision"].fillna(REFERENCE)
    last = frame[frame["metric"].isin(metrics or METRICS)].groupby(["run", "metric"], observed=True)["value"].last()
    table = last.reset_index().merge(runs[["setting", "precision", "seed"]], left_on="run", right_index=True)
    wide = table.pivot_table(index=["setting", "metric", "seed"], columns="precision", values="value", dropna=False)
    rows = [
        {"setting": setting, "metric": metric, "precision": other} | _effect(part[REFERENCE], part[other])
        for other in wide.columns.drop(REFERENCE, errors="ignore")
        for (setting, metric), part in wide.groupby(["setting", "metric"], sort=False)
        if REFERENCE in wide and part[[REFERENCE, other]].notna().all(axis="columns").any()
    ]
    if not rows:
        raise ReportError(f"{results} has no two runs that differ in precision alone, float32 and another")
    found = pd.DataFrame(rows)
    names = _names(settings[runs["setting"].isin(found["setting"])], runs["setting"])
    found.insert(0, "experiment", found.pop("setting").map(names))
    return found


def _effect(reference: pd.Series[float], other: pd.Series[float]) -> dict[str, float]:
    """Return the mean of what is compared, and the difference with its interval, over the seeds that both have."""
    both = reference.notna() & other.notna()
    between = paired_difference(other[both], reference[both])
    return {
        "seeds": int(both.sum()),
        REFERENCE: float(reference[both].mean()),
        "difference": between.estimate,
        "low": between.low,
        "high": between.high,
    }


def _names(settings: pd.DataFrame, of: pd.Series[str]) -> dict[str, str]:
    """Return a text for each setting: the parameters in which they differ, or if there is one alone, what it is."""
    differing = [name for name in settings if settings[name].nunique() > 1]
    shown = differing or [name for name in ("experiment", "algorithm", "workload") if name in settings]
    rows = settings[shown].to_dict("records")
    texts = (", ".join(f"{name} {text}" if differing else text for name, text in row.items()) for row in rows)
    return dict(zip(of.loc[settings.index], texts, strict=True))
