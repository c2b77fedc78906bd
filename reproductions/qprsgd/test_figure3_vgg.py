"""Figure 3(c, g) for VGG, which the text names beside ResNet and the caption does not."""

from __future__ import annotations

import pandas as pd

from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Label, Runs, Settings, decides, draw, name_of, panels
from reproductions.qprsgd.recipes import METHODS, PARADIGMS, VGG, methods, trainings
from reproductions.qprsgd.test_figure3_methods import curves, overlapping, rounds


def experiments(settings: Settings) -> dict[Label, list[Training]]:
    """Return the four methods on both paradigms, by paradigm and method."""
    return trainings(settings, METHODS, VGG)


@decides("qprsgd-fig3c-overlap-vgg", "qprsgd-fig3g-overlap-vgg")
def test_quantization_changes_no_curve_of_vgg(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    overlapping(claim, rounds(curves(settings, runs, VGG), claim), runs)


def test_figure3_vgg(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    figure, axes = panels(2)
    found, frames = curves(settings, runs, VGG), []
    for axis, letter, paradigm in zip(axes, "cg", PARADIGMS, strict=True):
        frames.append(found.frame([(paradigm, name) for name in methods(paradigm)]))
        draw(axis, frames[-1])
        found.draw_level(axis)
        axis.set(title=f"({letter}) {paradigm}", xlabel="round", ylabel="training loss", yscale="log")
    axes[0].legend(fontsize=7)
    figure.suptitle(name_of(settings, VGG, runs.all))
    figures.save("figure3cg_vgg", figure, pd.concat(frames).rename(columns={"label": "method"}))
