"""How much depends on what the paper does not print: step size, batch, and which update rule EASGD follows."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from reproductions.coopsgd.grids import easgd, floors, periodic, recipe
from reproductions.coopsgd.plots import MODEL
from reproductions.harness.figures import FigureFolder, name_of, panels
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training

M = 8
VARIANTS = {"ours": (1.0, 1), "step size / 2": (0.5, 1), "batch x 2": (1.0, 2)}  # factors of step size and batch
PAIRS = {
    "tau = 1 against 15": (periodic(M, 1)["tau = 1"], periodic(M, 15)["tau = 15"]),
    "alpha = 0.2 against 0.1125, alternative rule": (easgd(M, 0.2, True), easgd(M, 0.1125, True)),
}
CASES = list(product(PAIRS, VARIANTS))


def experiments(settings: Settings) -> list[Training]:
    """Return both ends of every pair in every variant."""
    return [
        run for pair in PAIRS for variant in VARIANTS for end in (0, 1) for run in _curve(settings, pair, variant, end)
    ]


def _curve(settings: Settings, pair: str, variant: str, end: int) -> list[Training]:
    ours, (lr, batch) = recipe(settings), VARIANTS[variant]
    changed = replace(ours, lr=ours.lr * lr, batch=ours.batch * batch)
    return [changed.training(PAIRS[pair][end], seed) for seed in range(min(settings.seeds, 3))]


def test_orders_of_the_figures_do_not_hang_on_our_choices(
    settings: Settings, runs: list[Run], figures: FigureFolder
) -> None:
    rows, outcomes = [], []
    for pair, variant in CASES:
        low, high = (np.array(floors(select(runs, _curve(settings, pair, variant, end)))) for end in (0, 1))
        outcomes.append(less(low, high).outcome)
        rows += [{"pair": pair, "variant": variant, "gap": gap} for gap in high - low]
    frame = pd.DataFrame(rows)
    figure, axes = panels(len(PAIRS))
    for axis, pair in zip(axes, PAIRS, strict=True):
        part = frame[frame["pair"] == pair]
        axis.plot(part["variant"], part["gap"], "o", mfc="none")
        axis.axhline(0, color="black", lw=0.8)
        axis.set(title=pair, ylabel="difference of the final losses")
        axis.title.set_fontsize(9)
    figure.suptitle(name_of(settings, MODEL, runs), fontsize=10)
    figures.save("sensitivity", figure, frame)
    assert "fails" not in outcomes
