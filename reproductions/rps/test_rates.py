"""Section 5: the rate of Corollary 2, linear speedup, larger networks, constant and decayed step sizes.

On quadratics the expectations are known exactly for every n and T. Runs decide whether the algorithm follows them, and
show the rates where the leading term already leads; exact values show them far beyond what can be run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from math import sqrt

import numpy as np
import pandas as pd

from algorithms.network import IndependentDrops
from algorithms.rps.averaging import ModelAveraging, ReliableAveraging
from algorithms.schedule import Constant, InverseRoot, Schedule
from reproductions.experiments.descent import Descent, seeded
from reproductions.harness.verdicts.intervals import Slope
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Label,
    Run,
    Runs,
    Settings,
    all_of,
    at_most_one,
    close,
    decides,
    increasing,
    panels,
    searched,
    slope_interval,
    within,
)
from reproductions.rps import bounds
from reproductions.rps.bounds import Setting
from reproductions.rps.exact import Array
from reproductions.rps.masked import MaskedAveraging
from reproductions.workloads.objectives import Gaussian, Quadratic, Waves

D, MANY = 256, 1024  # coordinates, and those of the runs that show a slope
NODES = (2, 4, 8, 16)
STEPS = {"smoke": 64, "small": 2048, "paper": 8192}
RATE = Setting(4, 0.2, lipschitz=1.0, sigma=1.2, zeta=1.2, gap=1.0)
STILL = Setting(4, 0.1, lipschitz=1.0, sigma=1e-3, zeta=0.0, gap=4.0)  # next to no noise: the term in 1/T is left
ALIKE = RATE._replace(zeta=0, gap=0.1)  # local minima that differ would move all coordinates of a block together
FLOOR = Constant(0.1)
# settings in which the leading term leads early: the exact slopes of these runs are -0.501 in T and -0.47 in n
LEADING, LEADING_STEPS = Setting(4, 0.2, lipschitz=1.0, sigma=4.0, zeta=0.0, gap=1.0), (256, 1024, 2048)
WIDE, WIDE_NODES, WIDE_STEPS = LEADING._replace(p=0.1, gap=0.05), (8, 16, 32, 64), 512
FEW = 3  # seeds of these runs, which are long and whose coordinates are many samples
FAR_STEPS = [4**k for k in range(6, 13)]  # T: the terms in 1/sqrt(nT) are at least 96 % of Corollary 2
FAR_NODES = [2**k for k in range(3, 10)]  # n: 1 - sqrt(beta) and n alpha_2 have come close to their limits


def experiments(settings: Settings) -> dict[Label, list[Descent]]:
    """Return all runs of this module: ("rate", n, T), ("floor", n, p) and single words."""
    steps = STEPS[settings.scale]
    rates = [(n, steps) for n in NODES] + [(RATE.n, steps // 8), (RATE.n, 2 * steps)]
    runs: dict[Label, Descent] = {("rate", n, t): _at_corollary(RATE._replace(n=n), t) for n, t in rates}
    runs["still"] = _at_corollary(STILL, steps // 2)
    for n, p in product(NODES, (0, RATE.p)):
        runs["floor", n, p] = _bowl(ALIKE._replace(n=n, p=p, gap=0), steps // 2, FLOOR)
    runs["constant"] = _bowl(ALIKE, 4 * steps, FLOOR)
    runs["decayed"] = _bowl(ALIKE, 4 * steps, InverseRoot(0.4))
    waves, noise, network = Waves(1.0, centre=2.0, spread=0.8), Gaussian(2.0), IndependentDrops(0.1)
    for name, algorithm in (("lossy", ModelAveraging()), ("reliable", ReliableAveraging())):
        runs[name] = Descent(algorithm, 8, D, 2 * steps, 0, network, waves, noise, FLOOR)
    return {label: seeded(run, settings.seeds) for label, run in runs.items()} | _slopes(settings)


def _slopes(settings: Settings) -> dict[Label, list[Descent]]:
    """Return the runs that show a slope: ("leading", T), ("wide", n), and "messages" for the smallest n of these."""
    runs: dict[Label, Descent] = {("leading", t): _at_corollary(LEADING, t) for t in LEADING_STEPS}
    for n in WIDE_NODES:
        wide = _at_corollary(WIDE._replace(n=n), WIDE_STEPS, MANY)
        runs["wide", n] = replace(wide, algorithm=MaskedAveraging())
    runs["messages"] = _at_corollary(WIDE._replace(n=WIDE_NODES[0]), WIDE_STEPS, MANY)
    return {label: seeded(run, settings.seeds)[: max(FEW, 3 * settings.seeds // 8)] for label, run in runs.items()}


def _at_corollary(s: Setting, steps: int, d: int = D) -> Descent:
    return _bowl(s, steps, Constant(bounds.corollary_step(s, steps)), d)


def _bowl(s: Setting, steps: int, schedule: Schedule, d: int = D) -> Descent:
    """Return the descent on a quadratic that has the constants of a setting."""
    objective = Quadratic(s.lipschitz, sqrt(2 * s.gap / s.lipschitz / d), s.zeta / sqrt(d))
    network, noise = IndependentDrops(s.p), Gaussian(s.sigma / sqrt(d))
    return Descent(ModelAveraging(), s.n, d, steps, 0, network, objective, noise, schedule)


@decides("rps-cor2-rate")
def test_rate(claim: Decider, runs: Runs[Descent], figures: FigureFolder) -> None:
    used = runs.only(*_labels(runs, "leading"), *_labels(runs, "rate"))
    _draw(used, figures)
    slopes = _slopes_of(runs, "leading", LEADING_STEPS)
    far = _slope(FAR_STEPS, [_expected(RATE, t) for t in FAR_STEPS]).interval
    measured = claim.within(slopes)
    decision = all_of(measured, within(far, -0.52, -0.48), at_most_one(_over_corollary(used)), _follows(used))
    text = f"slope {np.mean(slopes):.3f} of runs in T, {far.estimate:.4f} of exact values far out"
    claim.decide(decision, text, used)


@decides("rps-appc-constants")
def test_constants(claim: Decider, runs: Runs[Descent]) -> None:
    noiseless = [STILL._replace(n=2, p=p, gap=1) for p in (0, 0.1, 0.5, 0.9, 0.99)]
    exact = [_expected(s, 10**5) / bounds.corollary(s, 10**5, printed=True) for s in noiseless]
    still = runs.only("still")
    as_printed, measured = (_all(_over_corollary(still, printed)) for printed in (True, False))
    printed = all_of(searched(as_printed, "runs almost without noise"), searched(exact, "p to 0.99, no noise"))
    far = [RATE._replace(n=n, p=p) for n, p in product((2, *FAR_NODES), (0.0, 0.01, RATE.p, 0.9))]
    corrected = searched(
        [_expected(s, t) / bounds.corollary(s, t) for s, t in product([*far, *noiseless], (1, 64, *FAR_STEPS))],
        "n to 512, p to 0.99, with and without noise, T to 2^24",
    )
    text = f"{corrected.interval.estimate:.2f} of the bound at worst; as printed {printed.interval.estimate:.2f} of it"
    holds = all_of(corrected, searched(measured, "runs almost without noise"), _follows(still))
    claim.decide_erratum(printed, holds, text, still)


@decides("rps-linear-speedup")
def test_speedup(claim: Decider, runs: Runs[Descent]) -> None:
    slopes = _slopes_of(runs, "wide", WIDE_NODES)
    far = _slope(FAR_NODES, [_expected(RATE._replace(n=n), FAR_STEPS[-1]) for n in FAR_NODES]).interval
    # on quadratics that share their Hessian workers that never talk have a mean model that speeds up just as well:
    # only the noise floor, which the drops raise, tells them from RPS
    used = runs.only(*_labels(runs, "wide"), "messages", *_labels(runs, "floor"))
    twin = close(runs.final("gradient", "messages"), runs.final("gradient", ("wide", WIDE_NODES[0])), 1e-9, 0)
    decision = all_of(claim.within(slopes), within(far, -0.55, -0.45), _follows(used), twin)
    claim.decide(
        decision, f"slope {np.mean(slopes):.3f} of runs in n, {far.estimate:.3f} of exact values far out", used
    )


@decides("rps-larger-network-better")
def test_larger_networks(claim: Decider, runs: Runs[Descent]) -> None:
    reliable, lossy = ([np.array(runs.final("gradient", ("floor", n, p))) for n in NODES] for p in (0, RATE.p))
    excess = [high - low for low, high in zip(reliable, lossy, strict=True)]
    relative = [e / low.mean() for low, e in zip(reliable, excess, strict=True)]
    found = [f"{e.mean():.4f} ({r.mean():+.0%}) at n = {n}" for n, e, r in zip(NODES, excess, relative, strict=True)]
    used = runs.only(*_labels(runs, "floor"))
    falls, relatively = (increasing([-each for each in by_size], paired=False) for by_size in (excess, relative))
    readings = {"absolute": all_of(falls, _follows(used)), "relative": relatively}
    claim.decide_readings(readings, f"excess {found[0]}, {found[-1]}", used)


@decides("rps-ball-constant-lr")
def test_ball(claim: Decider, runs: Runs[Descent]) -> None:
    constant, decayed = runs["constant"], runs["decayed"]
    gamma, steps = FLOOR.value, runs.experiment("constant").steps
    last = 2 * bounds.expected(ALIKE, gamma, steps).gradient - bounds.expected(ALIKE, gamma, steps // 2).gradient
    floor = within([_windows(run)[1][-1] / last for run in constant], 0.85, 1.15)
    flat, falling = ([_slope(*_windows(run)).interval.estimate for run in group] for group in (constant, decayed))
    decision = all_of(floor, within(flat, -0.15, 0.15), within(falling, -0.65, -0.35))
    text = f"slope {np.mean(flat):.2f} (constant), {np.mean(falling):.2f} (decayed); floor {last:.4f}"
    claim.decide(decision, text, runs.only("constant", "decayed"))


@decides("rps-abstract-comparable-rate")
def test_comparable(claim: Decider, runs: Runs[Descent]) -> None:
    lossy = runs.experiment("lossy")
    s = bounds.setting(lossy)
    allowed = (1 + sqrt(s.n * s.alpha2)) / s.contraction
    steps = [2**k for k in range(4, lossy.steps.bit_length())]
    ratios = [np.divide(runs.at("gradient", t, "lossy"), runs.at("gradient", t, "reliable")) for t in steps]
    means = [float(r.mean()) for r in ratios]
    decision = all_of(*(within(r, 0.9, allowed) for r in reversed(ratios)))
    text = f"ratio {min(means):.2f} to {max(means):.2f} for T = 16 to {steps[-1]}"
    claim.decide(decision, text, runs.only("lossy", "reliable"))


# ---------------------------------------------------------------------------------------------------- measurement


def _labels(runs: Runs[Descent], kind: str) -> list[Label]:
    return [label for label in runs if isinstance(label, tuple) and label[0] == kind]


def _slopes_of(runs: Runs[Descent], kind: str, x: Sequence[int]) -> list[float]:
    """Return the slope of every seed's mean |grad f(xbar)|^2 over x, both in logarithms."""
    found = np.array([runs.final("gradient", (kind, each)) for each in x])
    return [_slope(x, list(column)).interval.estimate for column in found.T]


def _expected(s: Setting, steps: int) -> float:
    """Return the exact mean of E |grad f(xbar_t)|^2 with the step size of Corollary 2."""
    return bounds.expected(s, bounds.corollary_step(s, steps), steps).gradient


def _follows(runs: Runs[Descent]) -> Decision:
    """Decide whether runs with messages have the exact expectations."""
    decisions = []
    for label, found in runs.final("gradient").items():
        run = runs.experiment(label)
        exact = bounds.expected(bounds.setting(run), run.schedule.lr(0), run.steps).gradient
        decisions.append(within(np.array(found) / exact, 0.85, 1.15))
    return all_of(*decisions)


def _over_corollary(runs: Runs[Descent], printed: bool = False) -> Iterable[Array]:
    for label, found in runs.final("gradient").items():
        run = runs.experiment(label)
        yield np.array(found) / bounds.corollary(bounds.setting(run), run.steps, printed)


def _all(groups: Iterable[Array]) -> Array:
    return np.concatenate(list(groups))


def _windows(run: Run) -> tuple[list[int], list[float]]:
    """Return the means over (t/2, t] for the last four powers of two, from running means."""
    means = run.series("gradient")
    ends = [int(means.index.max()) >> k for k in (3, 2, 1, 0)]
    return ends, [float(2 * means[t] - means[t // 2]) for t in ends]


def _slope(x: Sequence[int], y: list[float]) -> Slope:
    return slope_interval(np.log(x), np.log(y))


# --------------------------------------------------------------------------------------------------------- figure


def _draw(runs: Runs[Descent], figures: FigureFolder) -> None:
    """Draw exact expectations, runs and the corrected bound against nT, and how far they are off a slope of -1/2."""
    figure, (left, right) = panels(2, width=4.6)
    steps = [2**k for k in range(3, 25)]
    rows: list[tuple[object, ...]] = []
    for n, colour in zip(NODES, COLOURS, strict=False):
        s = RATE._replace(n=n)
        exact = [_expected(s, t) for t in steps]
        left.loglog(np.multiply(n, steps), exact, color=colour, label=f"exact, n = {n}")
        fit = _slope(FAR_STEPS, [_expected(s, t) for t in FAR_STEPS])
        line = np.exp(fit.intercept) * np.power(steps, fit.interval.estimate)
        right.semilogx(
            steps, np.divide(exact, line) - 1, color=colour, label=f"n = {n}: slope {fit.interval.estimate:.3f}"
        )
        rows += [("exact", s.sigma, s.zeta, n, t, value) for t, value in zip(steps, exact, strict=True)]
    s, own = LEADING, f"n = {LEADING.n}, sigma = {LEADING.sigma:g}, zeta = {LEADING.zeta:g}"
    exact = [_expected(s, t) for t in steps]
    left.loglog(np.multiply(s.n, steps), exact, color=COLOURS[len(NODES)], label=f"exact, {own}")
    rows += [("exact", s.sigma, s.zeta, s.n, t, value) for t, value in zip(steps, exact, strict=True)]
    for label, found in runs.final("gradient").items():
        run = runs.experiment(label)
        leading = label in _labels(runs, "leading")
        s, colour = (LEADING, COLOURS[len(NODES)]) if leading else (RATE, COLOURS[NODES.index(run.nodes)])
        x, marker = len(found) * [run.nodes * run.steps], "s" if leading else "o"
        left.plot(x, found, marker, ms=5, mfc="none", color=colour, label="_")
        rows += [("messages", s.sigma, s.zeta, run.nodes, run.steps, value) for value in found]
    left.loglog(
        np.multiply(4, steps), [bounds.corollary(RATE, t) for t in steps], "k--", label="bound of Corollary 2, n = 4"
    )
    left.plot([], [], "ko", ms=5, mfc="none", label="messages, each seed")
    left.plot([], [], "s", ms=5, mfc="none", color=COLOURS[len(NODES)], label=f"messages, {own}")
    left.loglog([1e4, 1e7], [0.004, 0.004 / 10**1.5], "k:", label="slope -1/2")
    left.set(
        xlabel="nT", ylabel="mean |grad f|^2", title=f"gamma of Corollary 2, p = {RATE.p}, sigma = {RATE.sigma} = zeta"
    )
    right.axvspan(FAR_STEPS[0], FAR_STEPS[-1], color="black", alpha=0.06, lw=0, label="range of the fit")
    right.set(xlabel="T", ylim=(-0.1, 0.4), ylabel="exact / fitted line - 1")
    for axis in (left, right):
        axis.legend(fontsize=7)
    figures.save("rate", figure, pd.DataFrame(rows, columns=["kind", "sigma", "zeta", "n", "T", "value"]))
