"""How much depends on the step size, which the paper does not print: drops at a quarter of ours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from reproductions.harness.figures import FigureFolder, name_of, panels
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.rps.grids import final, recipe

FACTORS = (0.25, 1.0)
ARRIVALS = (1.0, 0.8)


def experiments(settings: Settings) -> list[Training]:
    """Return the ends of figure 4(b) at every step size, with three seeds."""
    return [training for factor in FACTORS for arrival in ARRIVALS for training in _curve(settings, factor, arrival)]


def _curve(settings: Settings, factor: float, arrival: float) -> list[Training]:
    ours = recipe(settings, "ResNet20")
    scaled = replace(ours, base_lr=factor * ours.base_lr)
    return [scaled.training(arrival, seed) for seed in range(min(settings.seeds, 3))]


def test_drops_raise_the_loss_at_every_step_size(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    """The order of figure 4 does not hang on our choice of gamma; how far the curves are apart does."""
    rows, decisions = [], []
    for factor in FACTORS:
        losses = {a: np.array(final(select(runs, _curve(settings, factor, a)), "train_loss")) for a in ARRIVALS}
        decisions.append(less(losses[1.0], losses[0.8]))
        rows += [
            {"factor": factor, "arrival": a, "train_loss": losses[a].mean(), "sd": losses[a].std()} for a in ARRIVALS
        ]
    frame = pd.DataFrame(rows)
    figure, (axis,) = panels(1)
    for arrival, part in frame.groupby("arrival", sort=False):
        axis.errorbar(part["factor"], part["train_loss"], yerr=part["sd"], marker="o", label=f"{arrival:.0%}")
    axis.set(xlabel="step size over ours", ylabel="final training loss", title=name_of(settings, "ResNet20", runs))
    axis.legend(title="arrival", fontsize=8)
    figures.save("sensitivity", figure, frame)
    assert all(decision.outcome != "fails" for decision in decisions)
