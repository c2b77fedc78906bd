"""Figures 2 and 3: alpha_2 and beta = alpha_1 - alpha_2 over n and p, and the orders that section 5 gives them.

Which alpha_1 and alpha_2 the authors drew is not known: the exact ones, which section 4.2 calls too complex, or the
formulas of lemmas 7 and 8, which are bounds. Both are drawn, and both are decided side by side.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Runs,
    Settings,
    all_of,
    decides,
    exactly,
    panels,
    point,
    slope_interval,
    within,
)
from reproductions.rps import exact
from reproductions.rps.exact import Array
from reproductions.rps.mixing import MixingMatrices
from reproductions.rps.observed_moments import closed_form, observed

NODES = (2, 3, 4, 8, 16)
DROPS = (0.01, 0.05, 0.1, 0.2, 0.5)
PLOTTED = (2, 4, 8, 16)
N_GRID, P_GRID = np.meshgrid([2, 3, 4, 8, 16, 64, 256, 512], np.linspace(0.001, 0.999, 999), indexing="ij")
FAR = np.geomspace(1e-9, 0.5, 400)
N_FAR, P_FAR = np.meshgrid(2.0 ** np.arange(1, 21), np.concatenate([FAR, 1 - FAR[::-1]]), indexing="ij")
TAIL = 11  # of N_FAR: from n = 1,024 on, suprema over p have come to their limits
NO_GROWTH = 1e-3  # exponent of n


def experiments(settings: Settings) -> dict[tuple[int, float], list[MixingMatrices]]:
    """Return rounds of unit vectors for every n and p of the figures."""
    return {(n, p): [MixingMatrices(n, p, 200, seed=0)] for n in NODES for p in DROPS}


# --------------------------------------------------------------------------------------------------------- orders


@decides("rps-alpha-ordering")
def test_ordering_of_alphas(claim: Decider) -> None:
    n, p = N_GRID[:-1], P_GRID[:-1]  # up to n = 256
    first, second = exact.alpha1(n, p), exact.alpha2(n, p)
    ordered = (second > 0) & (second < first) & (first < 1)
    claim.decide(exactly(ordered, np.ones(n.shape, bool)), f"{ordered.sum()} of {ordered.size} points in order")


@decides("rps-alpha2-order")
def test_order_of_alpha2(claim: Decider) -> None:
    _decide_order(claim, exact.alpha2(N_FAR, P_FAR) * N_FAR / (P_FAR * (1 - P_FAR)), 3)


@decides("rps-beta-order")
def test_order_of_beta(claim: Decider) -> None:
    _decide_order(claim, exact.beta(N_FAR, P_FAR) / P_FAR, 2)


def _decide_order(claim: Decider, ratio: Array, most: float) -> None:
    """Decide that a ratio to the order of the paper stays below a constant and does not grow with n."""
    suprema = ratio.max(axis=1)
    growth = slope_interval(np.log(N_FAR[-TAIL:, 0]), np.log(suprema[-TAIL:]), of="values").interval
    bounded, flat = within(point(suprema.max(), ratio.size), 0, most), within(growth, -np.inf, NO_GROWTH)
    text = f"at most {suprema.max():.4f}; exponent of n from 1,024 on {growth.estimate:.1g}"
    claim.decide(all_of(bounded, flat), text)


# -------------------------------------------------------------------------------------------------------- figures


@decides("rps-fig2-alpha2-vs-n-p")
def test_figure2(claim: Decider, settings: Settings, runs: Runs[MixingMatrices], figures: FigureFolder) -> None:
    _plot(runs, figures, "figure2", "alpha2", r"$\alpha_2$")
    _only_a_trend(claim, settings)
    readings = {
        "exact": all_of(_shape_of_alpha2(exact.alpha2), observed(runs.all, "alpha2")),
        "printed": _shape_of_alpha2(exact.printed_alpha2),
    }
    near = [float(alpha2(16, 1e-9)) for alpha2 in (exact.alpha2, exact.printed_alpha2)]
    claim.decide_readings(readings, f"n = 16, p = 1e-9: exact {near[0]:.1e}, printed {near[1]:.4f}", runs)


@decides("rps-fig3-beta-vs-n-p")
def test_figure3(claim: Decider, settings: Settings, runs: Runs[MixingMatrices], figures: FigureFolder) -> None:
    _plot(runs, figures, "figure3", "beta", r"$\alpha_1 - \alpha_2$")
    _only_a_trend(claim, settings)
    readings = {
        "exact": all_of(_shape_of_beta(exact.beta), *(observed(runs.all, name) for name in ("alpha1", "alpha2"))),
        "printed": _shape_of_beta(exact.printed_beta),
    }
    small = [float(beta(4, 0.01)) for beta in (exact.beta, exact.printed_beta)]
    claim.decide_readings(readings, f"n = 4, p = 0.01: exact {small[0]:.4f}, printed {small[1]:.4f}", runs)


def _only_a_trend(claim: Decider, settings: Settings) -> None:
    if settings.scale == "paper":
        claim.not_run("needs the picture of the paper: its axes, its numbers and what was plotted are not in the text")


def _shape_of_alpha2(alpha2: exact.Coefficient) -> Decision:
    """Decide that alpha_2 falls with n and vanishes on perfect and on dead networks."""
    falls = np.diff(alpha2(N_GRID, P_GRID), axis=0) < 0
    ends = alpha2(np.array([2, 16, 256]), np.array([[0.0], [1.0]]))
    return all_of(exactly(falls, np.ones_like(falls)), exactly(ends, np.zeros_like(ends)))


def _shape_of_beta(beta: exact.Coefficient) -> Decision:
    """Decide that beta rises with p up to one half and is a factor of contraction, between 0 and 1."""
    half = P_GRID[0] <= 0.5
    found = beta(N_GRID, P_GRID)[:, half]
    rises, inside = np.diff(found, axis=1) > 0, (found > 0) & (found < 1)
    return all_of(exactly(rises, np.ones_like(rises)), exactly(inside, np.ones_like(inside)))


def _plot(runs: Runs[MixingMatrices], figures: FigureFolder, name: str, moment: str, symbol: str) -> None:
    """Draw exact and printed curves over p for several n, and the means of real messages over them."""
    figure, (axis,) = panels(1, width=5.0, height=3.6)
    p = np.linspace(0, 0.6, 121)
    for n in PLOTTED:
        line = axis.plot(p, getattr(exact, moment)(n, p), label=f"n = {n}")[0]
        axis.plot(p, getattr(exact, f"printed_{moment}")(n, p), ":", lw=1, color=line.get_color(), label="_")
        axis.plot(DROPS, [_mean(runs, (n, q), moment) for q in DROPS], "o", ms=4, color=line.get_color(), label="_")
    axis.plot([], [], "k:", lw=1, label="formulas of lemmas 7 and 8")
    axis.plot([], [], "ko", ms=4, label="real messages")
    axis.set(xlabel="drop rate p", ylabel=symbol, title="exact, and means of real messages")
    axis.legend(fontsize=8)
    figures.save(name, figure, _frame(runs, moment))


def _frame(runs: Runs[MixingMatrices], moment: str) -> pd.DataFrame:
    rows = [
        (n, p, _mean(runs, (n, p), moment), closed_form(moment)(n, p), closed_form(f"printed_{moment}")(n, p))
        for n in PLOTTED
        for p in DROPS
    ]
    return pd.DataFrame(rows, columns=["n", "p", "simulated", "exact", "printed"])


def _mean(runs: Runs[MixingMatrices], cell: tuple[int, float], moment: str) -> float:
    if moment == "beta":
        return _mean(runs, cell, "alpha1") - _mean(runs, cell, "alpha2")
    return float(runs[cell][0].series(moment).mean())
