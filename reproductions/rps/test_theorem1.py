"""Section 5: Theorem 1 and the step size of Corollary 2."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reproductions.experiments.descent import Descent
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Runs,
    Settings,
    agree,
    all_of,
    at_most_one,
    close,
    decides,
    panels,
    searched,
)
from reproductions.rps import bounds
from reproductions.rps.bounds import CASES, FRACTIONS, NETWORKS, Case, Setting
from reproductions.rps.exact import Array
from reproductions.rps.one_round import ENUMERATED, GAMMA, models, outcomes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STILL = [case for case in CASES if case[0] == "noiseless bowl"]  # all seeds give one number
COLUMNS = ["problem", "n", "p", "gamma_over_edge", "steps", "bound", "left_side"]


def experiments(settings: Settings) -> dict[Case, list[Descent]]:
    """Return RPS on every problem, at a small and at nearly the largest step size."""
    return bounds.grid(settings)


@decides("rps-theorem1-bound")
def test_theorem1(claim: Decider, runs: Runs[Descent], figures: FigureFolder) -> None:
    _draw(runs, figures)
    noisy = [case for case in CASES if case not in STILL]
    simulated = at_most_one(_ratios(runs, case, t) for case in noisy for t in _steps(runs, case))
    still = [_ratios(runs, case, t)[0] for case in STILL for t in _steps(runs, case)]
    without_noise, search = searched(still, "noiseless bowl, with messages"), _search()
    worst = max(simulated.interval.estimate, *still)
    text = f"{worst:.3f} of the bound at worst, {search.interval.estimate:.3f} with exact moments"
    claim.decide(all_of(simulated, without_noise, search), text, runs)


@decides("rps-eq11-mean")
def test_missing_factor(claim: Decider, runs: Runs[Descent]) -> None:
    lemma4 = [(_mean_step(n, p), n) for n, p in ENUMERATED]
    sums, means = (agree([(step, k**power * gbar) for (step, gbar), k in lemma4], 1e-12, 1e-14) for power in (1, 0))
    summed = [_ratios(runs, case, 1, runs.experiment(case).nodes)[0] for case in STILL]
    right = searched([_ratios(runs, case, 1)[0] for case in STILL], "noiseless bowl, T = 1, with the mean")
    twice = close(summed, _by_hand(runs, STILL), rtol=1e-9, atol=0)
    printed = all_of(searched(summed, "noiseless bowl, T = 1, with the sum"), sums)
    text = f"left side of (7) over its right side without 1/n: {max(summed):.2f}"
    claim.decide_misprint(printed, all_of(means, right, twice), text, runs.only(*STILL))


def _mean_step(n: int, p: float) -> tuple[Array, Array]:
    """Return the expected step of the mean model over all losses of a round, and what it is with the mean gradient."""
    x, g, v = models(n)
    step = np.sum([chance * (v @ w - x).mean(axis=1) for chance, w in outcomes(n, p)], axis=0)
    return step, -GAMMA * g.mean(axis=1)


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


def _ratios(runs: Runs[Descent], case: Case, steps: int, workers_summed: int = 1) -> Array:
    """Return the left-hand side of Eq. (7) over its right-hand side; as printed, grad f(X_t) is a sum over workers."""
    run = runs.experiment(case)
    s, gamma = bounds.setting(run), run.schedule.lr(0)
    weight = (1 - s.lipschitz * gamma) * workers_summed**2
    at_mean, mean = (np.array(runs.at(metric, steps, case)) for metric in ("gradient", "mean_gradient"))
    ratios: Array = (at_mean + weight * mean) / bounds.theorem1(s, gamma, steps)
    return ratios


def _by_hand(runs: Runs[Descent], cases: Iterable[Case]) -> list[float]:
    """Return both sides of (7) as printed, one over the other, at T = 1 on a noiseless bowl with L = 1."""
    found = ((run.schedule.lr(0), run.nodes) for run in map(runs.experiment, cases))
    return [gamma * (1 + (1 - gamma) * n**2) for gamma, n in found]


def _steps(runs: Runs[Descent], case: Case) -> list[int]:
    return [2**k for k in range(runs.experiment(case).steps.bit_length())]


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


def _draw(runs: Runs[Descent], figures: FigureFolder) -> None:
    """Draw the bound over what is measured: against gamma for one problem, against T for all."""
    figure, (left, right) = panels(2, width=4.6)
    frames = [_against_gamma(left, runs), _against_steps(right, runs)]
    figures.save("theorem1", figure, pd.concat(frames, ignore_index=True))


def _against_gamma(axis: Axes, runs: Runs[Descent]) -> pd.DataFrame:
    rows, steps = [], min(FRACTIONS.values())
    fractions = np.geomspace(0.02, 0.98, 60)
    for (n, p), colour in zip(NETWORKS.items(), COLOURS, strict=False):
        run = runs.experiment(("bowl", n, min(FRACTIONS)))
        s = bounds.setting(run)
        gammas = fractions * s.edge
        bound = [bounds.theorem1(s, g, steps) / run.d for g in gammas]
        exact = [(2 - g) * bounds.expected(s, g, steps).gradient / run.d for g in gammas]
        axis.loglog(fractions, bound, "--", color=colour, label=f"bound (7), n = {n}, p = {p}")
        axis.loglog(fractions, exact, "-", color=colour, label="exact expectation")
        rows += [("bowl", n, p, f, steps, b, e) for f, b, e in zip(fractions, bound, exact, strict=True)]
        for fraction in FRACTIONS:
            step = fraction * s.edge
            measured = _ratios(runs, ("bowl", n, fraction), steps) * bounds.theorem1(s, step, steps) / run.d
            axis.plot(len(measured) * [fraction], measured, "o", ms=5, mfc="none", color=colour, label="_")
    axis.plot([], [], "ko", ms=5, mfc="none", label="messages, each seed")
    axis.set(xlabel="gamma / largest gamma allowed", ylabel="left side of (7) per coordinate", ylim=(0.015, 80))
    axis.set_title(f"bowl, T = {steps}")
    axis.legend(fontsize=7, loc="lower left")
    return pd.DataFrame(rows, columns=COLUMNS)


def _against_steps(axis: Axes, runs: Runs[Descent]) -> pd.DataFrame:
    rows = []
    n, p = next(iter(NETWORKS.items()))
    styles = dict(zip(FRACTIONS, ("-", ":"), strict=True))
    for (problem, colour), fraction in product(zip(bounds.PROBLEMS, COLOURS, strict=False), FRACTIONS):
        case = (problem, n, fraction)
        ratios = [_ratios(runs, case, t).mean() for t in _steps(runs, case)]
        label = problem if fraction == min(FRACTIONS) else "_"
        axis.semilogx(_steps(runs, case), ratios, styles[fraction], marker=".", color=colour, label=label)
        rows += [(problem, n, p, fraction, t, 1.0, r) for t, r in zip(_steps(runs, case), ratios, strict=True)]
    axis.axhline(1, color="black", lw=1)
    axis.set(xlabel="T", ylabel="left side of (7) / bound", ylim=(0, 1.08), title=f"n = {n}, p = {p}")
    for fraction, style in styles.items():
        axis.plot([], [], f"k{style}", label=f"{fraction} of the largest gamma")
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return pd.DataFrame(rows, columns=COLUMNS)
