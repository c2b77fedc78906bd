"""Section 5: Theorem 1 and the step size of Corollary 2."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from algorithms.rps_mixing import Array
from reproductions.harness.decisions import Decision, all_of, close, searched
from reproductions.harness.descent import Descent, by_setting, over_seeds
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import at_most_one
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps import bounds
from reproductions.rps.bounds import Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Groups = dict[Descent, list[Run]]


def experiments(settings: Settings) -> list[Descent]:
    """Return RPS on every problem, at a small and at nearly the largest step size."""
    return bounds.grid(settings)


@decides("rps-theorem1-bound")
def test_theorem1(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    groups = by_setting(runs, Descent)
    _draw(groups, figures)
    simulated = at_most_one(_ratios(run, group, t) for run, group in groups.items() for t in _steps(run))
    bare = by_setting(runs, Descent, "noiseless bowl")
    summed = {run: _ratios(run, group, 1, run.nodes) for run, group in bare.items()}
    steps = {run: run.schedule.lr(0) for run in bare}  # L = 1; by hand, both sides of (7) at T = 1 are:
    by_hand = [gamma * (1 + (1 - gamma) * run.nodes**2) for run, gamma in steps.items()]
    twice = close([ratios.mean() for ratios in summed.values()], by_hand, rtol=1e-9, atol=0)
    search = _search()
    text = f"{simulated.interval.estimate:.3f} of the bound at worst, {search.interval.estimate:.3f} with exact moments"
    claim.decide_erratum(at_most_one(summed.values()), all_of(simulated, search, twice), text, runs)


@decides("rps-cor2-step-size")
def test_step_size(claim: Decider) -> None:
    ratios, largest = [], np.zeros(3)
    constants = product((0.01, 1.0, 100.0), (0.0, 1.0, 100.0), (0.0, 1.0, 100.0))  # L, sigma, zeta
    for n, p, (lipschitz, sigma, zeta) in product((2, 4, 16, 256), (0.0, 0.01, 0.1, 0.5, 0.9, 0.999), constants):
        s = Setting(n, p, lipschitz, sigma, zeta, 1.0)
        for steps in (1, 100, 10**6):
            gamma = bounds.corollary_step(s, steps)
            three = np.array([lipschitz * gamma, s.c1(gamma), 2 + 12 * (lipschitz * gamma) ** 2])
            largest = np.maximum(largest, three)
            ratios.append(float((three / [1, 2, 4]).max()))
    text = "L gamma <= {:.3f}, C_1 <= {:.3f}, 2 + 12 L^2 gamma^2 <= {:.3f}".format(*largest)
    claim.decide(searched(ratios, "n to 256, p to 0.999, L, sigma and zeta over 4 decades, T to 10^6"), text)


def _ratios(run: Descent, group: list[Run], steps: int, workers_summed: int = 1) -> Array:
    """Return the left-hand side of Eq. (7) over its right-hand side; as printed, grad f(X_t) is a sum over workers."""
    s, gamma = bounds.setting(run), run.schedule.lr(0)
    weight = (1 - s.lipschitz * gamma) * workers_summed**2
    left = np.array(over_seeds(group, "gradient", steps)) + weight * np.array(over_seeds(group, "mean_gradient", steps))
    ratios: Array = left / bounds.theorem1(s, gamma, steps)
    return ratios


def _steps(run: Descent) -> list[int]:
    return [2**k for k in range(run.steps.bit_length())]


def _search() -> Decision:
    """Search the exact expectations on quadratics, where |grad f(xbar)|^2 and |mean gradient|^2 are the same."""
    ratios = []
    noises = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, 0.0), (0.1, 0.1, 1.0))  # sigma, zeta, gap
    for n, p, (sigma, zeta, gap) in product((2, 16, 256), (0.0, 0.01, 0.1, 0.5, 0.99), noises):
        s = Setting(n, p, 1.0, sigma, zeta, gap)
        for fraction, steps in product((1e-3, 0.1, 0.6, 0.99), (1, 16, 512, 1 << 20)):
            gamma = fraction * s.edge
            left = (2 - gamma) * bounds.expected(s, gamma, steps).gradient
            ratios.append(left / bounds.theorem1(s, gamma, steps))
    return searched(ratios, "quadratics, n to 256, p to 0.99, gamma to 0.99 of the edge, T to 2^20")


# --------------------------------------------------------------------------------------------------------- figure


def _draw(groups: Groups, figures: FigureFolder) -> None:
    """Draw the bound over what is measured: against gamma for one problem, against T for all."""
    figure, (left, right) = panels(2, width=4.6)
    frames = [_against_gamma(left, groups), _against_steps(right, groups)]
    figures.save("theorem1", figure, pd.concat(frames, ignore_index=True))


def _against_gamma(axis: Axes, groups: Groups) -> pd.DataFrame:
    rows, steps = [], min(bounds.FRACTIONS.values())
    fractions = np.geomspace(0.02, 0.98, 60)
    bowls = [(run, group) for run, group in groups.items() if run.role == "bowl"]
    colours = dict(zip(bounds.NETWORKS, COLOURS, strict=False))
    for (n, p), colour in colours.items():
        run = next(run for run, _ in bowls if run.nodes == n)
        s = bounds.setting(run)
        gammas = fractions * s.edge
        bound = [bounds.theorem1(s, g, steps) / run.d for g in gammas]
        exact = [(2 - g) * bounds.expected(s, g, steps).gradient / run.d for g in gammas]
        axis.loglog(fractions, bound, "--", color=colour, label=f"bound (7), n = {n}, p = {p}")
        axis.loglog(fractions, exact, "-", color=colour, label="exact expectation")
        rows += [("bowl", n, p, f, steps, b, e) for f, b, e in zip(fractions, bound, exact, strict=True)]
    for run, group in bowls:
        s, gamma = bounds.setting(run), run.schedule.lr(0)
        measured = _ratios(run, group, steps) * bounds.theorem1(s, gamma, steps) / run.d
        colour = colours[run.nodes, s.p]
        axis.plot(len(group) * [gamma / s.edge], measured, "o", ms=5, mfc="none", color=colour, label="_")
    axis.plot([], [], "ko", ms=5, mfc="none", label="messages, each seed")
    axis.set(xlabel="gamma / largest gamma allowed", ylabel="per coordinate", ylim=(0.015, 80))
    axis.set_title(f"left side of (7), bowl, T = {steps}", fontsize=10)
    axis.legend(fontsize=7, loc="lower left")
    return pd.DataFrame(rows, columns=["role", "n", "p", "gamma_over_edge", "steps", "bound", "left_side"])


def _against_steps(axis: Axes, groups: Groups) -> pd.DataFrame:
    rows = []
    n, p = bounds.NETWORKS[0]
    for run, group in groups.items():
        if run.nodes == n:
            fraction = round(run.schedule.lr(0) / bounds.setting(run).edge, 3)
            ratios = [_ratios(run, group, t).mean() for t in _steps(run)]
            style, label = ("-", run.role) if fraction < 0.5 else (":", "_")
            colour = COLOURS[list(bounds.PROBLEMS).index(run.role)]
            axis.semilogx(_steps(run), ratios, style, marker=".", color=colour, label=label)
            rows += [(run.role, n, p, fraction, t, 1.0, r) for t, r in zip(_steps(run), ratios, strict=True)]
    axis.axhline(1, color="black", lw=1)
    axis.set(xlabel="T", ylim=(0, 1.08))
    axis.set_title(f"left side of (7) / bound, n = {n}, p = {p}", fontsize=10)
    small, large = bounds.FRACTIONS
    axis.plot([], [], "k-", label=f"{small} of the largest gamma")
    axis.plot([], [], "k:", label=f"{large} of the largest gamma")
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return pd.DataFrame(rows, columns=["role", "n", "p", "gamma_over_edge", "steps", "bound", "left_side"])
