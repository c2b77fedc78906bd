"""What the training figures of the paper have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from reproductions.experiments.training import Training
from reproductions.paper import FigureFolder, Runs, Settings, draw, name_of, panels

PANELS = {"train_loss": "training loss", "test_accuracy": "test accuracy of worker 0"}


def percent(arrival: float) -> str:
    """Return an arrival probability as the paper writes it."""
    return f"{arrival:.0%}"


def shown(frame: pd.DataFrame, text: Callable[[Any], str]) -> pd.DataFrame:
    """Return a frame of curves with its labels as the legend has them."""
    return frame.assign(label=frame["label"].map(text))


def loss_and_accuracy(
    settings: Settings,
    figures: FigureFolder,
    name: str,
    runs: Runs[Training],
    parameter: str = "arrival",
    text: Callable[[Any], str] = percent,
    printed: tuple[Any, float, str] | None = None,
) -> None:
    """Draw training loss and test accuracy of ResNet-20 over epochs, as figures 8 to 10 do.

    Parameters
    ----------
    settings, figures, name, runs
        Where the figure goes, its name and its curves.
    parameter, text
        What the labels of the runs are, as a column of the saved frame and as words of the legend.
    printed
        The label of a curve, the points of accuracy that the paper prints below its end, and what it says of them.
    """
    figure, axes = panels(2, epochs=True)
    frames = [runs.curves(metric) for metric in PANELS]
    for axis, frame, title in zip(axes, frames, PANELS.values(), strict=True):
        draw(axis, shown(frame, text))
        axis.set(xlabel="epoch", ylabel=title)
    figure.suptitle(name_of(settings, "ResNet20", runs.all))
    if printed:
        label, points, words = printed
        end = runs.only(label).curves("test_accuracy").query("step == step.max()")
        x, top = 1.03 * end["step"].iloc[0], end["value"].mean()
        axes[1].plot([x, x], [top - points / 100, top], "_-", color="grey", label=f"printed: {words}")
        axes[1].legend(*(entries[-1:] for entries in axes[1].get_legend_handles_labels()), fontsize=8)
    axes[0].set_yscale("log")
    axes[0].legend(title=parameter, fontsize=8)
    figures.save(name, figure, pd.concat(frames).rename(columns={"label": parameter}))
