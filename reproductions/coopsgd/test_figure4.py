"""Figure 4(a, b): EASGD with 8 workers and one auxiliary variable, by elasticity alpha."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reproductions.coopsgd.exact import Parabola, expected
from reproductions.coopsgd.floors import LOSS, at_rest, floors, text, where_at_rest
from reproductions.coopsgd.plots import MODEL, panel, tidy
from reproductions.coopsgd.recipes import curve, easgd
from reproductions.experiments.training import Training
from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Run,
    Runs,
    Settings,
    all_of,
    decides,
    exactly,
    less,
    name_of,
    panels,
)

M = 8
LIMIT = 2 / (M + 1)
BEST, EMPIRICAL, SMALL = 2 / (M + 2), 0.9 / M, 0.05
INSIDE, BEYOND = 0.2145, 0.23  # 3.5 % below and above the limit
ALPHAS = (BEST, EMPIRICAL, SMALL, INSIDE, BEYOND)
CHANCE = np.log(10)  # loss of a model that knows nothing


def experiments(settings: Settings) -> dict[float, list[Training]]:
    """Return the curves by alpha."""
    return {alpha: curve(settings, easgd(M, alpha)) for alpha in ALPHAS}


@decides("coopsgd-fig4a-loss-order")
def test_best_alpha_has_a_lower_loss_than_the_empirical_choice(claim: Decider, runs: Runs[Training]) -> None:
    used = runs.only(EMPIRICAL, BEST)
    heights = {alpha: floors(group) for alpha, group in used.items()}
    decision = where_at_rest(at_rest(used, EMPIRICAL, BEST), lambda: claim.follows(heights, BEST))
    nearby = f"at {INSIDE:g} {text([floors(runs[INSIDE])])}"
    claim.decide(decision, f"{text([heights[BEST], heights[EMPIRICAL]])}; {nearby}", runs=used)


@decides("coopsgd-fig4b-discrepancy")
def test_best_alpha_has_the_least_discrepancy(claim: Decider, runs: Runs[Training]) -> None:
    used = runs.only(BEST, EMPIRICAL, SMALL)
    apart = {alpha: floors(group, "discrepancy") for alpha, group in used.items()}
    smallest = less(apart[BEST], apart[SMALL], alpha=claim.alpha)
    nearby = f"at {INSIDE:g} {text([floors(runs[INSIDE], 'discrepancy')])}"
    claim.decide(all_of(claim.follows(apart, BEST), smallest), f"{text(list(apart.values()))}; {nearby}", runs=used)


@decides("coopsgd-fig4-divergence")
def test_beyond_the_limit_it_cannot_converge(claim: Decider, runs: Runs[Training]) -> None:
    used = runs.only(BEST, INSIDE, BEYOND)
    converged = {alpha: [_converged(run) for run in runs[alpha]] for alpha in (BEST, INSIDE, BEYOND)}
    wanted = [alpha < LIMIT for alpha, group in converged.items() for _ in group]
    decision = exactly([each for group in converged.values() for each in group], wanted)
    counts = ", ".join(f"{sum(group)} of {len(group)} at {alpha:g}" for alpha, group in converged.items())
    claim.decide(all_of(decision, _bracketed()), f"converge: {counts}", runs=used)


def _converged(run: Run[Training]) -> bool:
    return bool(floors([run])[0] < CHANCE)  # NaN is not


def _bracketed() -> Decision:
    """Decide that the disagreement on a flat objective settles a thousandth below the limit and grows one above it."""
    steps = 1 << 13
    grows = []
    for alpha in (LIMIT * (1 - 1e-3), LIMIT * (1 + 1e-3)):
        short, long = (expected(easgd(M, alpha), 1.0, Parabola(0.0), k).consensus for k in (steps, 2 * steps))
        grows.append(long > 2 * short)
    return exactly(grows, [False, True])


def test_figure4(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    figure, axes = panels(2, epochs=True)
    frames = [tidy(runs, metric, ["alpha"]) for metric in (LOSS, "discrepancy")]
    for axis, frame, letter in zip(axes, frames, "ab", strict=True):
        axis.set_title(f"({letter})")
        if frame.empty:  # an algorithm of one's own that has no auxiliary variable
            continue
        converging = frame.loc[frame["alpha"] < LIMIT, "value"]
        top = 2 * converging.max()
        outside = frame.groupby("alpha")["value"].transform("min") > top
        panel(axis, frame, "alpha = " + frame["alpha"].map("{:g}".format) + outside.map({True: ", above", False: ""}))
        axis.set(ylim=(0.8 * converging.min(), top))
    figure.suptitle(f"EASGD, {M} workers, {name_of(settings, MODEL, runs.all)}")
    figures.save("figure4ab", figure, pd.concat(frames))
