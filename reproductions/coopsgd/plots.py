"""What the training figures of the paper have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from algorithms.cooperative import CooperativeSGD
from reproductions.coopsgd.times import VGG16, calibrated, fitted_latency_share, iteration_seconds
from reproductions.harness.figures import curves, draw
from reproductions.harness.store import Run
from reproductions.harness.training import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MODEL = "VGG-16"
TITLES = {
    "mean_train_loss": "training loss of the average",
    "mean_test_accuracy": "test accuracy of the average",
    "discrepancy": "mean |x_i - z|^2",
}
TIME = "modelled time (compute time of an epoch = 1)"


def by_label(
    runs: Sequence[Run], members: Mapping[str, CooperativeSGD], metric: str, lr: float | None = None
) -> pd.DataFrame:
    """Return the curves of a metric under the labels of members, of one step size if it is given.

    The column ``time`` is modelled from ``step``, the finished epochs: compute plus communication of a VGG-16 over the
    link that the paper's two savings fix (see `times`), in units of the compute time of an epoch.
    """
    compute, link = calibrated(fitted_latency_share())
    frames = []
    for label, member in members.items():
        mine = [run for run in runs if _belongs(run, member, lr)]
        frame = curves(mine, [label] * len(mine), metric)
        frames.append(frame.assign(time=frame["step"] * iteration_seconds(member, VGG16, compute, link) / compute))
    return pd.concat(frames, ignore_index=True)


def panel(axis: Axes, frame: pd.DataFrame, over: str = "step", log: bool = True) -> None:
    """Draw curves over epochs (``step``) or modelled time (``time``)."""
    draw(axis, frame.assign(step=frame[over]))
    xlabel = "epoch" if over == "step" else TIME
    metric = str(frame["metric"].iloc[0])
    axis.set(xlabel=xlabel, ylabel=TITLES[metric], yscale="log" if log else "linear")
    axis.legend(fontsize=7)


def _belongs(run: Run, member: CooperativeSGD, lr: float | None) -> bool:
    experiment = run.experiment
    assert isinstance(experiment, Training)
    return experiment.algorithm == member and (lr is None or experiment.schedule.lr(0) == lr)
