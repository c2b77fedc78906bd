"""What the training figures of the paper have in common."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from reproductions.harness.figures import FigureFolder, curves, draw, name_of, panels
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run


def loss_and_accuracy(
    settings: Settings, figures: FigureFolder, name: str, runs: Sequence[Run], labels: Sequence[str], legend: str
) -> None:
    """Draw training loss and test accuracy of ResNet-20 over epochs, as figures 8 to 10 do."""
    figure, axes = panels(2, epochs=True)
    frames = [curves(runs, labels, metric) for metric in ("train_loss", "test_accuracy")]
    for axis, frame, title in zip(axes, frames, ("training loss", "test accuracy of worker 0"), strict=True):
        draw(axis, frame)
        axis.set(xlabel="epoch", ylabel=title, title=name_of(settings, "ResNet20", runs))
    axes[0].set_yscale("log")
    axes[0].legend(title=legend, fontsize=8)
    figures.save(name, figure, pd.concat(frames))
