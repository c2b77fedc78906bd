"""What the training figures of the paper have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from algorithms.network import Link
from reproductions.coopsgd.floors import LOSS, OWN
from reproductions.coopsgd.time_model import VGG16, calibrated, fitted_latency_share, iteration_seconds
from reproductions.experiments.training import Training
from reproductions.paper import Runs, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MODEL = "VGG-16"
TITLES = {
    LOSS: "training loss of the average",
    OWN: "training loss\nof the workers' own models",
    "mean_test_accuracy": "test accuracy of the average",
    "discrepancy": "mean |x_i - z|^2",
    "consensus": "mean |x_i - mean|^2",
}
TIME = "modelled time (compute time of an epoch = 1)"


def tidy(runs: Runs[Training], metric: str, names: Sequence[str]) -> pd.DataFrame:
    """Return a metric over epochs, with a column for each part of a label, by the names of the parts.

    The column ``time`` is modelled from ``step``, the finished epochs: compute plus communication of a VGG-16 over the
    link that the paper's two savings fix (see `time_model`), in units of the compute time of an epoch.
    """
    frames = []
    for label in runs:
        frame = runs.only(label).curves(metric).drop(columns="label")
        time = frame["step"] * relative_seconds(runs.experiment(label))
        parts: dict[str, Any] = dict(zip(names, label if isinstance(label, tuple) else (label,), strict=True))
        frames.append(frame.assign(**parts, time=time))
    return pd.concat(frames, ignore_index=True)


def relative_seconds(run: Training, speed: float = 1.0) -> float:
    """Return the modelled seconds of an iteration over those of its compute, on links `speed` times the paper's."""
    compute, link = calibrated(fitted_latency_share())
    faster = Link(link.bandwidth * speed, link.latency / speed)
    return iteration_seconds(run.algorithm, run.nodes, VGG16, compute, faster) / compute


def panel(axis: Axes, frame: pd.DataFrame, label: pd.Series[str], over: str = "step", log: bool = True) -> None:
    """Draw the curves of a frame, named by `label`, over epochs (``step``) or modelled time (``time``)."""
    draw(axis, frame.assign(step=frame[over], label=label))
    xlabel = "epoch" if over == "step" else TIME
    metric = str(frame["metric"].iloc[0])
    axis.set(xlabel=xlabel, ylabel=TITLES[metric], yscale="log" if log else "linear")
    axis.legend(fontsize=7)
