"""Plots of what another JPEG does to training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reproductions.harness.figures import COLOURS, FigureFolder, draw, panels
from reproductions.harness.statistics import mean_interval, paired_difference
from reproductions.harness.store import Run

SLOPE = "slope"
TITLES = {
    "late_loss": "late training loss",
    "middle_loss": "training loss half-way",
    "mean_train_loss": "loss on all training images",
    "test_loss": "test loss",
    "test_accuracy": "test accuracy",
}


def distances(figures: FigureFolder, known: Sequence[Run], off: float) -> None:
    """Draw estimated over known distances, and the band in which they agree."""
    figure, (axis,) = panels(1)
    rows = []
    for run, offset in zip(known, ((-14, 4), (4, -9)), strict=False):
        workload = str(run.provenance["workload"])
        x, y = run.series("known"), run.series("estimated")
        axis.plot(x, y, "o", ms=4, label=workload)
        for quality in x.index:
            axis.annotate(str(quality), (x[quality], y[quality]), textcoords="offset points", xytext=offset, fontsize=7)
            rows += [(workload, quality, "known", x[quality]), (workload, quality, "estimated", y[quality])]
    line = np.array([0.0, 1.1 * max(run.series("known").max() for run in known)])
    axis.plot(line, line, color="0.5", lw=1)
    axis.fill_between(line, (1 - off) * line, (1 + off) * line, color="0.5", alpha=0.15, lw=0)
    axis.set(xlabel="known distance from the originals", ylabel="estimate from the JPEG images alone")
    axis.legend(fontsize=8, title="grey levels at each JPEG quality", title_fontsize=8)
    figures.save("jpeg-distances", figure, pd.DataFrame(rows, columns=["label", "quality", "metric", "value"]))


def levels(figures: FigureFolder, frame: pd.DataFrame, title: str, first: float, off: float) -> None:
    """Draw late loss and test accuracy over the distance that was added, and where the first JPEG's distance lies.

    Parameters
    ----------
    frame
        Columns label, quality, step (distance in grey levels), seed, metric, value.
    title
        What was loaded.
    first, off
        The distance of the data from their originals as estimated, and how far it may be off, relatively.
    """
    figure, axes = panels(2)
    for axis, metric in zip(axes, ("late_loss", "test_accuracy"), strict=True):
        draw(axis, frame[frame["metric"] == metric], marker="o", ms=4)
        _first(axis, first, off)
        axis.set(xlabel="added distance, grey levels", ylabel=TITLES[metric], title=title, ylim=(0, None))
    axes[0].legend(title="training images", fontsize=8)
    figures.save("jpeg", figure, frame)


def changes(
    figures: FigureFolder, frame: pd.DataFrame, title: str, first: float, band: float, confidence: float
) -> None:
    """Draw by how much losses differ from those on the data as they are, paired by seed; see `levels`, `changed`."""
    table = changed(frame, first, confidence)
    figure, axes = panels(2)
    for axis, metric in zip(axes, ("late_loss", "test_loss"), strict=True):
        for k, (label, rows) in enumerate(table[table["metric"] == metric].groupby("label", sort=False)):
            for by_slope, part in rows.groupby(rows["quality"] == SLOPE):
                errors = [part["change"] - part["low"], part["high"] - part["change"]]
                name, marker = ("its straight line, first JPEG", "D") if by_slope else (str(label), "o-")
                x = part["step"] + 0.3 * (k - 0.5)  # beside each other
                axis.errorbar(x, part["change"], errors, fmt=marker, capsize=3, color=COLOURS[k], label=name)
        axis.axhline(0, color="0.5", lw=1)
        axis.set(xlabel="added distance, grey levels", ylabel=f"change of the {TITLES[metric]}", title=title)
    axes[0].axhspan(-band, band, color="0.5", alpha=0.15, lw=0)
    handles = axes[0].get_legend_handles_labels()
    title = f"training images, {confidence:.1%} intervals"
    figure.legend(*handles, loc="outside lower center", ncols=4, fontsize=8, title=title, title_fontsize=8)
    figures.save("jpeg-changes", figure, table)


def changed(frame: pd.DataFrame, first: float, confidence: float) -> pd.DataFrame:
    """Return mean, and the change from the data as they are with its interval, of every label, quality and metric.

    One more row of each gives what a straight line through all qualities of a seed says of the distance `first`.
    """
    return pd.DataFrame(_changes(frame, first, confidence))


def _changes(frame: pd.DataFrame, first: float, confidence: float) -> Iterable[dict[str, object]]:
    for (label, metric), rows in frame.groupby(["label", "metric"], sort=False):
        by_distance = rows.pivot_table(index="step", columns="seed", values="value")
        for distance, quality in rows.drop_duplicates("step")[["step", "quality"]].to_numpy():
            after = by_distance.loc[distance]
            row = {"label": label, "quality": quality, "step": distance, "metric": metric, "mean": after.mean()}
            interval = paired_difference(after, by_distance.loc[0.0], confidence)
            yield row | {"change": interval.estimate, "low": interval.low, "high": interval.high}
        slopes = np.polyfit(by_distance.index, by_distance.to_numpy(), 1)[0]
        interval = mean_interval(slopes * first, confidence)
        row = {"label": label, "quality": SLOPE, "step": first, "metric": metric, "mean": float("nan")}
        yield row | {"change": interval.estimate, "low": interval.low, "high": interval.high}


def _first(axis: Axes, first: float, off: float) -> None:
    axis.axvspan((1 - off) * first, (1 + off) * first, color="0.5", alpha=0.15, lw=0)
    axis.axvline(first, color="0.5", ls=":", lw=1)
    axis.annotate("first JPEG", (first, 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize=8)
