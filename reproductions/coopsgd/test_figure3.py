"""Figure 3: 8 workers, training loss by communication period tau and by zeta of the mixing matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd

from algorithms.cooperative import CooperativeSGD
from reproductions.coopsgd.grids import curve, floors, gossip, periodic
from reproductions.coopsgd.plots import MODEL, by_label, panel
from reproductions.harness.figures import FigureFolder, name_of, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import increasing
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider

M = 8
BY_TAU = periodic(M, 1, 4, 15, 50)
BY_ZETA = {"zeta = 0": BY_TAU["tau = 1"], **gossip(M)}
ALPHA = 0.05 / 2  # Bonferroni over the claims of the figure


def experiments(settings: Settings) -> list[Training]:
    """Return all curves; tau = 1 and zeta = 0 are the same runs."""
    members = dict.fromkeys([*BY_TAU.values(), *BY_ZETA.values()])
    return [training for member in members for training in curve(settings, member)]


def _decide(claim: Decider, settings: Settings, runs: list[Run], members: dict[str, CooperativeSGD]) -> None:
    groups = [floors(select(runs, curve(settings, member))) for member in members.values()]
    used = [run for member in members.values() for run in select(runs, curve(settings, member))]
    text = " ".join(f"{np.mean(group):.4f}" for group in groups)
    claim.decide(increasing(groups, alpha=ALPHA, diverged_fails=True), text, used)


@decides("coopsgd-fig3-tau")
def test_loss_rises_with_tau(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    _decide(claim, settings, runs, BY_TAU)


@decides("coopsgd-fig3-zeta")
def test_loss_rises_with_zeta(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    _decide(claim, settings, runs, BY_ZETA)


def test_figure3(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(2, epochs=True)
    frames = []
    for axis, members, title in zip(axes, (BY_TAU, BY_ZETA), ("(a) zeta = 0", "(b) tau = 1"), strict=True):
        frames.append(by_label(runs, members, "mean_train_loss").assign(panel=title))
        panel(axis, frames[-1])
        axis.set_title(title)
    figure.suptitle(f"{M} workers, {name_of(settings, MODEL, runs)}", fontsize=10)
    figures.save("figure3", figure, pd.concat(frames))
