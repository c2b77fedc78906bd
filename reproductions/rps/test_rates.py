"""Section 5: the rate of Corollary 2, linear speedup, larger networks, constant and decayed step sizes.

On quadratics with different local minima the expectations are known exactly for every n and T. Runs with messages
decide whether the algorithm follows them; the exact values then decide slopes where the leading term leads, far beyond
what can be run.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import sqrt

import numpy as np
import pandas as pd

from algorithms.network import IndependentDrops
from algorithms.rps import ModelAveraging, ReliableAveraging
from algorithms.rps_mixing import Array
from algorithms.schedule import Constant, InverseRoot, Schedule
from reproductions.harness.decisions import Decision, all_of, searched
from reproductions.harness.descent import Descent, by_setting, over_seeds, repeat
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import Slope, at_most_one, increasing, slope_interval, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps import bounds
from reproductions.rps.bounds import Setting
from reproductions.workloads.objectives import Gaussian, Quadratic, Waves

Groups = dict[Descent, list[Run]]

D = 256
NODES = (2, 4, 8, 16)
STEPS = {"smoke": 64, "small": 2048, "paper": 8192}
RATE = Setting(4, 0.2, lipschitz=1.0, sigma=1.2, zeta=1.2, gap=1.0)
STILL = Setting(4, 0.1, lipschitz=1.0, sigma=1e-3, zeta=0.0, gap=4.0)  # next to no noise: the term in 1/T is left
ALIKE = RATE._replace(zeta=0, gap=0.1)  # local minima that differ would move all coordinates of a block together
FLOOR = Constant(0.1)
FAR_STEPS = [4**k for k in range(6, 13)]  # T: the terms in 1/sqrt(nT) are at least 96 % of Corollary 2
FAR_NODES = [2**k for k in range(3, 10)]  # n: 1 - sqrt(beta) and n alpha_2 have come close to their limits


def experiments(settings: Settings) -> list[Descent]:
    """Return all runs of this module."""
    steps = STEPS[settings.scale]
    drafts = [_at_corollary("rate", RATE._replace(n=n), steps) for n in NODES]
    drafts += [_at_corollary("rate", RATE, steps // 8), _at_corollary("rate", RATE, 2 * steps)]
    drafts += [_at_corollary("still", STILL, steps // 2)]
    drafts += [
        _bowl("floor", ALIKE._replace(n=n, p=p, gap=0), steps // 2, FLOOR) for n, p in product(NODES, (0, RATE.p))
    ]
    drafts += [_bowl("constant", ALIKE, 4 * steps, FLOOR), _bowl("decayed", ALIKE, 4 * steps, InverseRoot(0.4))]
    waves, noise = Waves(1.0, centre=2.0, spread=0.8), Gaussian(2.0)
    lossy = Descent("lossy", ModelAveraging(), 8, D, 2 * steps, 0, IndependentDrops(0.1), waves, noise, FLOOR)
    drafts += [lossy, replace(lossy, role="reliable", algorithm=ReliableAveraging())]
    return [run for draft in drafts for run in repeat(draft, settings.seeds)]


def _at_corollary(role: str, s: Setting, steps: int) -> Descent:
    return _bowl(role, s, steps, Constant(bounds.corollary_step(s, steps)))


def _bowl(role: str, s: Setting, steps: int, schedule: Schedule) -> Descent:
    """Return the descent on a quadratic that has the constants of a setting."""
    objective = Quadratic(s.lipschitz, sqrt(2 * s.gap / s.lipschitz / D), s.zeta / sqrt(D))
    network, noise = IndependentDrops(s.p), Gaussian(s.sigma / sqrt(D))
    return Descent(role, ModelAveraging(), s.n, D, steps, 0, network, objective, noise, schedule)


@decides("rps-cor2-rate")
def test_rate(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    noiseless = [STILL._replace(n=2, p=p, gap=1) for p in (0, 0.1, 0.5, 0.9, 0.99)]
    printed = all_of(
        at_most_one(_over_corollary(by_setting(runs, Descent, "still"), printed=True)),
        searched([_expected(s, 10**5) / bounds.corollary(s, 10**5, printed=True) for s in noiseless], "p to 0.99"),
    )
    everywhere = by_setting(runs, Descent, "rate", "still")
    far = [RATE._replace(n=n, p=p) for n, p in product((2, *FAR_NODES), (0.0, 0.01, RATE.p, 0.9))]
    search = searched(
        [_expected(s, t) / bounds.corollary(s, t) for s, t in product(far, (1, 64, *FAR_STEPS))],
        "n to 512, p to 0.9, T to 2^24",
    )
    fit = _slope(FAR_STEPS, [_expected(RATE, t) for t in FAR_STEPS])
    slope = within(fit.interval, -0.52, -0.48)
    corrected = all_of(slope, at_most_one(_over_corollary(everywhere)), search, _follows(runs, "rate", "still"))
    _draw(by_setting(runs, Descent, "rate"), figures)
    text = f"slope {fit.interval.estimate:.4f} in T; as printed {printed.interval.estimate:.2f} times the bound"
    claim.decide_erratum(printed, corrected, text, runs)


@decides("rps-linear-speedup")
def test_speedup(claim: Decider, runs: list[Run]) -> None:
    fit = _slope(FAR_NODES, [_expected(RATE._replace(n=n), FAR_STEPS[-1]) for n in FAR_NODES])
    speedups = {
        run: group for run, group in by_setting(runs, Descent, "rate").items() if run.steps == _equal_steps(runs)
    }
    falling = increasing([np.negative(_final(speedups[run])) for run in sorted(speedups, key=_nodes)], paired=False)
    # on quadratics that share their Hessian workers that never talk have a mean model that speeds up just as well:
    # only the noise floor, which the drops raise, tells them from RPS
    decision = all_of(within(fit.interval, -0.55, -0.45), falling, _follows(runs, "rate", "floor"))
    claim.decide(decision, f"slope {fit.interval.estimate:.3f} in n", runs)


@decides("rps-larger-network-better")
def test_larger_networks(claim: Decider, runs: list[Run]) -> None:
    groups = {
        (run.nodes, bounds.setting(run).p): _final(group) for run, group in by_setting(runs, Descent, "floor").items()
    }
    excess = [groups[n, RATE.p] - groups[n, 0.0] for n in NODES]
    relative = [e.mean() / groups[n, 0.0].mean() for n, e in zip(NODES, excess, strict=True)]
    falls = increasing([-e for e in excess], paired=False)
    found = [f"{e.mean():.4f} ({r:+.0%}) at n = {n}" for n, e, r in zip(NODES, excess, relative, strict=True)]
    text = f"excess {found[0]}, {found[-1]}"
    claim.decide(all_of(falls, _follows(runs, "floor")), text, runs)


@decides("rps-ball-constant-lr")
def test_ball(claim: Decider, runs: list[Run]) -> None:
    (constant,) = by_setting(runs, Descent, "constant").values()
    (decayed,) = by_setting(runs, Descent, "decayed").values()
    gamma, steps = FLOOR.value, constant[0].frame["step"].max()
    last = 2 * bounds.expected(ALIKE, gamma, steps).gradient - bounds.expected(ALIKE, gamma, steps // 2).gradient
    floor = within([_windows(run)[1][-1] / last for run in constant], 0.85, 1.15)
    flat, falling = ([_slope(*_windows(run)).interval.estimate for run in group] for group in (constant, decayed))
    decision = all_of(floor, within(flat, -0.15, 0.15), within(falling, -0.65, -0.35))
    text = f"slope {np.mean(flat):.2f} (constant), {np.mean(falling):.2f} (decayed); floor {last:.4f}"
    claim.decide(decision, text, runs)


@decides("rps-abstract-comparable-rate")
def test_comparable(claim: Decider, runs: list[Run]) -> None:
    ((lossy, ours),) = by_setting(runs, Descent, "lossy").items()
    (reliable,) = by_setting(runs, Descent, "reliable").values()
    s = bounds.setting(lossy)
    allowed = (1 + sqrt(s.n * s.alpha2)) / s.contraction
    steps = [2**k for k in range(4, lossy.steps.bit_length())]
    ratios = [np.divide(over_seeds(ours, "gradient", t), over_seeds(reliable, "gradient", t)) for t in steps]
    means = [float(r.mean()) for r in ratios]
    decision = all_of(*(within(r, 0.9, allowed) for r in reversed(ratios)))
    claim.decide(decision, f"ratio {min(means):.2f} to {max(means):.2f} for T = 16 to {steps[-1]}", runs)


# ---------------------------------------------------------------------------------------------------- measurement


def _expected(s: Setting, steps: int) -> float:
    """Return the exact mean of E |grad f(xbar_t)|^2 with the step size of Corollary 2."""
    return bounds.expected(s, bounds.corollary_step(s, steps), steps).gradient


def _follows(runs: list[Run], *roles: str) -> Decision:
    """Decide whether runs with messages have the exact expectations."""
    decisions = []
    for run, group in by_setting(runs, Descent, *roles).items():
        exact = bounds.expected(bounds.setting(run), run.schedule.lr(0), run.steps).gradient
        decisions.append(within(_final(group) / exact, 0.85, 1.15))
    return all_of(*decisions)


def _over_corollary(groups: Groups, printed: bool = False) -> list[Array]:
    return [_final(group) / bounds.corollary(bounds.setting(run), run.steps, printed) for run, group in groups.items()]


def _final(group: list[Run]) -> Array:
    return np.array([run.final("gradient") for run in group])


def _nodes(run: Descent) -> int:
    return run.nodes


def _equal_steps(runs: list[Run]) -> int:
    """Return the T that all n have in common."""
    return next(run.steps for run in by_setting(runs, Descent, "rate") if run.nodes == NODES[-1])


def _windows(run: Run) -> tuple[list[int], list[float]]:
    """Return the means over (t/2, t] for the last four powers of two, from running means."""
    means = run.series("gradient")
    ends = [int(means.index.max()) >> k for k in (3, 2, 1, 0)]
    return ends, [float(2 * means[t] - means[t // 2]) for t in ends]


def _slope(x: list[int], y: list[float]) -> Slope:
    return slope_interval(np.log(x), np.log(y))


# --------------------------------------------------------------------------------------------------------- figure


def _draw(groups: Groups, figures: FigureFolder) -> None:
    """Draw exact expectations, runs and the corrected bound against nT, and how far they are off a slope of -1/2."""
    figure, (left, right) = panels(2, width=4.6)
    steps = [2**k for k in range(3, 25)]
    rows = []
    for n, colour in zip(NODES, COLOURS, strict=False):
        s = RATE._replace(n=n)
        exact = [_expected(s, t) for t in steps]
        left.loglog(np.multiply(n, steps), exact, color=colour, label=f"exact, n = {n}")
        fit = _slope(FAR_STEPS, [_expected(s, t) for t in FAR_STEPS])
        line = np.exp(fit.intercept) * np.power(steps, fit.interval.estimate)
        right.semilogx(
            steps, np.divide(exact, line) - 1, color=colour, label=f"n = {n}: slope {fit.interval.estimate:.3f}"
        )
        rows += [("exact", n, t, value) for t, value in zip(steps, exact, strict=True)]
    for run, group in groups.items():
        x = len(group) * [run.nodes * run.steps]
        left.plot(x, _final(group), "o", ms=5, mfc="none", color=COLOURS[NODES.index(run.nodes)], label="_")
        rows += [("messages", run.nodes, run.steps, value) for value in _final(group)]
    left.loglog(
        np.multiply(4, steps), [bounds.corollary(RATE, t) for t in steps], "k--", label="bound of Corollary 2, n = 4"
    )
    left.plot([], [], "ko", ms=5, mfc="none", label="messages, each seed")
    left.loglog([1e4, 1e7], [0.004, 0.004 / 10**1.5], "k:", label="slope -1/2")
    left.set(xlabel="nT", title=f"mean |grad f|^2, gamma of Corollary 2, p = {RATE.p}")
    right.axvspan(FAR_STEPS[0], FAR_STEPS[-1], color="black", alpha=0.06, lw=0, label="range of the fit")
    right.set(xlabel="T", ylim=(-0.1, 0.4), title="exact / fitted line - 1")
    for axis in (left, right):
        axis.legend(fontsize=7)
        axis.title.set_fontsize(10)
    figures.save("rate", figure, pd.DataFrame(rows, columns=["kind", "n", "T", "value"]))
