"""How much depends on what the paper does not print: step size, update rule, and whether workers share their data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from algorithms.coopsgd.cooperative import periodic_averaging
from reproductions.coopsgd.floors import Array, floors
from reproductions.coopsgd.plots import MODEL
from reproductions.coopsgd.recipes import Recipe, easgd, gossip, recipe
from reproductions.experiments.training import Training
from reproductions.harness.verdicts.power import holm
from reproductions.paper import FigureFolder, Runs, Settings, less, name_of, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

M, SEEDS = 8, 3
Case = tuple[str, str, str]  # figure, variant, and which of the two

VARIANTS: dict[str, Callable[[Recipe], Recipe]] = {
    "ours": lambda ours: ours,
    "step size / 2": lambda ours: replace(ours, lr=ours.lr / 2),
    "rule (6)": lambda ours: replace(ours, alternative=True),
    "sorted shards": lambda ours: replace(ours, sampling="sorted"),
}
PAIRS = {
    "3(a)": (periodic_averaging(M, 1), periodic_averaging(M, 15)),
    "3(b)": (periodic_averaging(M, 1), gossip()[0.9024]),
    "4(a)": (easgd(M, 0.2), easgd(M, 0.1125)),
}
VARIED = {"3(a)": ("tau", 1, 15), "3(b)": ("zeta", 0, 0.9024), "4(a)": ("alpha", 0.2, 0.1125)}
ENDS = ("low", "high")


def experiments(settings: Settings) -> dict[Case, list[Training]]:
    """Return both ends of every pair in every variant."""
    seeds, runs = range(min(settings.seeds, SEEDS)), {}
    for (pair, members), (variant, change) in product(PAIRS.items(), VARIANTS.items()):
        changed = change(recipe(settings))
        for end, member in zip(ENDS, members, strict=True):
            runs[pair, variant, end] = [changed.training(member, seed) for seed in seeds]
    return runs


def test_orders_of_the_figures_do_not_hang_on_our_choices(
    settings: Settings, runs: Runs[Training], figures: FigureFolder
) -> None:
    gaps = {case: _gaps(runs, *case) for case in product(PAIRS, VARIANTS)}
    frame = pd.DataFrame(
        [
            (pair, *VARIED[pair], variant, seed, gap)
            for (pair, variant), found in gaps.items()
            for seed, gap in enumerate(found)
        ],
        columns=["figure", "parameter", "low", "high", "variant", "seed", "gap"],
    )
    figure = _drawn(frame)
    figure.suptitle(name_of(settings, MODEL, runs.all))
    figures.save("sensitivity", figure, frame)
    assert not (found := reversed_orders(gaps)), f"these orders are the other way round: {found}"


def reversed_orders(gaps: Mapping[tuple[str, str], Array], alpha: float = 0.05) -> list[tuple[str, str]]:
    """Return the cases whose mean difference is below 0, by one-sided t tests and Holm's procedure over all of them."""
    tests = {case: less(found, 0 * found).p_holds for case, found in gaps.items()}
    adjusted = holm([1.0 if p is None else p for p in tests.values()])
    return [case for case, p in zip(tests, adjusted, strict=True) if p < alpha]


def _drawn(frame: pd.DataFrame) -> Figure:
    figure, axes = panels(len(PAIRS))
    for axis, pair in zip(axes, PAIRS, strict=True):
        part = frame[frame["figure"] == pair]
        axis.plot(part["variant"].map(list(VARIANTS).index), part["gap"], "o", mfc="none", label="each seed")
        axis.set_xticks(range(len(VARIANTS)), [fill(variant, 11) for variant in VARIANTS])
        axis.margins(x=0.15)
        axis.axhline(0, color="black", lw=0.8, label="no difference")
        axis.set_title("figure {}: {} = {} against {}".format(pair, *VARIED[pair]))
        axis.set_ylabel("difference of the floors")
        axis.tick_params(axis="x", labelsize=7)
    axes[0].legend(fontsize=7)
    return figure


def _gaps(runs: Runs[Training], pair: str, variant: str) -> Array:
    low, high = (np.array(floors(runs[pair, variant, end])) for end in ENDS)
    return np.asarray(high - low)
