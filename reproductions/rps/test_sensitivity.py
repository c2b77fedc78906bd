"""How much depends on the step size, which the paper does not print: drops at a quarter of ours."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from reproductions.experiments.training import Training
from reproductions.paper import FigureFolder, Runs, Settings, less, name_of, panels
from reproductions.rps.recipes import recipe

FACTORS = (0.25, 1.0)
ARRIVALS = (1.0, 0.8)


def experiments(settings: Settings) -> dict[tuple[float, float], list[Training]]:
    """Return the ends of figure 4(b) by step size over ours and arrival probability, with three seeds."""
    return {(factor, arrival): _curve(settings, factor, arrival) for factor, arrival in product(FACTORS, ARRIVALS)}


def _curve(settings: Settings, factor: float, arrival: float) -> list[Training]:
    ours = recipe(settings, "ResNet20")
    scaled = replace(ours, base_lr=factor * ours.base_lr)
    return [scaled.training(arrival, seed) for seed in range(min(settings.seeds, 3))]


def test_drops_raise_the_loss_at_every_step_size(
    settings: Settings, runs: Runs[Training], figures: FigureFolder
) -> None:
    """The order of figure 4 does not hang on our choice of gamma; how far the curves are apart does."""
    losses = {(f, a): runs.final("train_loss", (f, a)) for f, a in product(FACTORS, ARRIVALS)}
    rows = [(f, a, np.mean(found), np.std(found)) for (f, a), found in losses.items()]
    frame = pd.DataFrame(rows, columns=["factor", "arrival", "train_loss", "sd"])
    figure, (axis,) = panels(1)
    for arrival, part in frame.groupby("arrival", sort=False):
        axis.errorbar(part["factor"], part["train_loss"], yerr=part["sd"], marker="o", label=f"{arrival:.0%}")
    axis.set(xlabel="step size over ours", ylabel="final training loss", title=name_of(settings, "ResNet20", runs.all))
    axis.legend(title="arrival", fontsize=8)
    figures.save("sensitivity", figure, frame)
    assert all(less(losses[factor, 1.0], losses[factor, 0.8]).outcome != "fails" for factor in FACTORS)
