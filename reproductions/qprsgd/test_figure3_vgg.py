"""Figure 3(c, g) for VGG, which the text names beside ResNet and the caption does not."""

from __future__ import annotations

import pandas as pd

from reproductions.harness.figures import FigureFolder, draw, name_of, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.qprsgd.grids import VGG, by_round, curve, curves_of
from reproductions.qprsgd.test_figure3_methods import METHODS, overlapping, rounds_to_target


def experiments(settings: Settings) -> list[Training]:
    """Return the four methods on both paradigms."""
    return curves_of(settings, [method for members in METHODS.values() for method in members.values()], VGG)


@decides("qprsgd-fig3c-overlap-vgg", "qprsgd-fig3g-overlap-vgg")
def test_quantization_changes_no_curve_of_vgg(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    paradigm = "RAR" if "fig3c" in claim.claim.id else "gossip"
    overlapping(claim, rounds_to_target(settings, runs, paradigm, VGG), runs)


def test_figure3_vgg(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(2)
    frames = []
    for axis, letter, (paradigm, members) in zip(axes, "cg", METHODS.items(), strict=True):
        for name, method in members.items():
            frame = by_round(settings, select(runs, curve(settings, method, VGG)), name, method, VGG)
            frames.append(frame.assign(paradigm=paradigm))
        draw(axis, pd.concat(frames[-4:], ignore_index=True))
        axis.set(title=f"({letter}) {paradigm}", xlabel="round", ylabel="training loss", yscale="log")
    axes[0].legend(fontsize=7)
    figure.suptitle(name_of(settings, VGG, runs), fontsize=10)
    figures.save("figure3cg_vgg", figure, pd.concat(frames))
