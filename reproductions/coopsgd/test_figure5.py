"""Figure 5: decentralized periodic averaging (tau = 15, zeta = 0.75) against PASGD (tau = 50) and D-PSGD, 7 workers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reproductions.coopsgd.grids import curve, floors, gossip_on_ring, periodic
from reproductions.coopsgd.plots import MODEL, by_label, panel
from reproductions.harness.figures import FigureFolder, name_of, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider

M = 7  # the ring of 7 with weights 1/3 has zeta = 0.749
MEMBERS = {
    "decentralized periodic, tau = 15": gossip_on_ring(M, 15),
    "PASGD, tau = 50": periodic(M, 50)["tau = 50"],
    "D-PSGD": gossip_on_ring(M, 1),
}


def experiments(settings: Settings) -> list[Training]:
    """Return the three curves."""
    return [training for member in MEMBERS.values() for training in curve(settings, member)]


@decides("coopsgd-fig5-loss")
def test_loss_is_below_that_of_a_large_period(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    ours, large, _ = (floors(select(runs, curve(settings, member))) for member in MEMBERS.values())
    used = [run for run in runs if run.experiment.algorithm != MEMBERS["D-PSGD"]]  # type: ignore[attr-defined]
    claim.decide(less(ours, large, diverged_fails=True), f"{np.mean(ours):.4f}, PASGD {np.mean(large):.4f}", used)


def test_figure5(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(2)
    frame = by_label(runs, MEMBERS, "mean_train_loss")
    for axis, over in zip(axes, ("step", "time"), strict=True):
        panel(axis, frame, over)
    figure.suptitle(f"{M} workers, {name_of(settings, MODEL, runs)}", fontsize=10)
    figures.save("figure5", figure, pd.DataFrame(frame))
