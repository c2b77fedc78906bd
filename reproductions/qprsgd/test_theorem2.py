"""Section IV-B: Theorem 2, Corollary 2.1, the rate by gossip, the effect of K and Table I's row of this paper.

On quadratics the expectations are known exactly for every N, far beyond what can be run; runs with messages decide
whether the algorithm follows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from algorithms.network import Lossless
from algorithms.qprsgd import GossipQPRSGD
from algorithms.topology import Matrix, complete, ring, uniform, value
from reproductions.harness.decisions import Decision, agree, all_of, close, searched
from reproductions.harness.descent import Constant, Descent, by_setting, repeat
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import Slope, at_most_one, slope_interval, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.qprsgd import expectations
from reproductions.qprsgd.bounds import Gossip
from reproductions.qprsgd.expectations import Problem, relative_noise
from reproductions.qprsgd.rounding import Array, Levels
from reproductions.qprsgd.theory import (
    PROBLEMS,
    GossipDescent,
    gossip_grid,
    gossip_setting,
    measured,
    spectrum,
    syncs_of,
)
from reproductions.workloads.objectives import Gaussian, Quadratic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UPDATES = (1, 2, 4, 8, 16)
WORKERS = (4, 8, 16)
FAR = 10**20  # N that satisfies the condition of Corollary 2.1 on rings of 4 and 8 workers
NEAR = 1e-3  # gap / L: the start is so close to the minimum that the noise decides


def experiments(settings: Settings) -> list[Descent]:
    """Return the grid of Theorem 2, its counter-example, and descents at the step size (14) for all K."""
    runs = gossip_grid(settings)
    everyone, noise = value(uniform(complete(2))), Gaussian(1.0)
    algorithm = GossipQPRSGD(1, Levels(1000), everyone)
    quadratic = Quadratic(1.0, pattern="outlier")
    draft = GossipDescent("missing", algorithm, 2, 200, 128, 0, Lossless(), quadratic, noise, Constant(0.05))
    runs += repeat(draft, settings.seeds)
    for M, K in [(4, 1), (4, 4), (8, 1)]:
        algorithm = GossipQPRSGD(K, Levels(200), value(uniform(ring(M))))
        objective = Quadratic(1.0, centre=0.5, pattern="outlier")
        start = GossipDescent("rate", algorithm, M, 128, 32 * K, 0, Lossless(), objective, noise, Constant(0.0))
        runs += repeat(replace(start, schedule=Constant(gossip_setting(start).step14(32))), settings.seeds)
    return runs


@decides("qprsgd-theorem2-bound")
def test_theorem2(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    ((missing, group),) = by_setting(runs, Descent, "missing").items()
    printed = at_most_one([_ratios(missing, group, printed=True)[:, -1]])
    grid = by_setting(runs, Descent, *PROBLEMS)
    simulated = at_most_one(column for run, g in [*grid.items(), (missing, group)] for column in _ratios(run, g).T)
    search = _search()
    # the same by hand: at the floor E |xbar|^2 = gamma sigma^2 / (M (2 - gamma)), against D_5' sigma^2 alone
    s, gamma = gossip_setting(missing)._replace(sigma=1.0), 0.01
    floor = gamma / (s.M * (2 - gamma))
    far = expectations.gossip(Problem(s.M, 1, 1.0, 1.0, 0.0), 1e-12, uniform(complete(2)), gamma, 10**9)
    by_hand = close(far, floor, rtol=1e-6, atol=0)
    follows = _follows(runs, "missing", "rate")
    share = floor / s.theorem2(gamma, 10**9, printed=True)
    _draw(grid, missing, group, figures)
    text = f"{share:.2f} times the bound as printed at gamma = 0.01; {simulated.interval.estimate:.3f} corrected"
    claim.decide_erratum(printed, all_of(simulated, search, by_hand, follows), text, runs)


@decides("qprsgd-cor21-rate")
def test_corollary21(claim: Decider, runs: list[Run]) -> None:
    printed = [_expected(s := _far(K), FAR) / s.corollary21(FAR, printed=True) for K in UPDATES]
    assert all(_allowed(_far(K), FAR) for K in UPDATES), "all conditions of Corollary 2.1 have to hold"
    settings = [_far(K, M, gap, d) for K, M, gap, d in product(UPDATES, (4, 8), (NEAR, 1.0, 100.0), (100, 1600))]
    corrected = [_expected(s, FAR) / s.corollary21(FAR) for s in settings if _allowed(s, FAR)]
    leading = [(_expected(s, FAR), _leading(s, FAR)) for s in settings]
    decision = all_of(
        searched(corrected, f"{len(corrected)} quadratics on rings, K to 16, N = 1e20"),
        agree(leading, rtol=0.02),
        _follows(runs, "rate"),
    )
    failure = searched(printed, "quadratics near the minimum, K = 1 to 16, N = 1e20, all conditions satisfied")
    text = f"up to {max(printed):.1f} times the bound as printed, {max(corrected):.2f} corrected"
    claim.decide_erratum(failure, decision, text, runs)


@decides("qprsgd-abstract-rate", "qprsgd-table1-this-paper")
def test_rate_in_k(claim: Decider, runs: list[Run]) -> None:
    at_14 = _slope(UPDATES, [_expected(_far(K), FAR) for K in UPDATES])
    best = _slope(UPDATES, [_best(_far(K, gap=1.0), 2**40) for K in UPDATES])
    in_n = _slope(range(40, 61, 4), [_expected(_far(4), 2**k) for k in range(40, 61, 4)], of=2.0)
    in_m = _slope(WORKERS, [_expected(_far(4, M), FAR) for M in WORKERS])
    printed = within(at_14.interval, -1.05, -0.95)
    corrected = all_of(
        within(at_14.interval, -0.05, 0.05),
        within(best.interval, -0.55, -0.45),
        within(in_n.interval, -0.52, -0.48),
        within(in_m.interval, -0.52, -0.48),
        _follows(runs, "rate"),
    )
    names = zip(("K at (14)", "K at the best step size", "N", "M"), (at_14, best, in_n, in_m), strict=True)
    text = "slopes " + ", ".join(f"{s.interval.estimate:.3f} in {name}" for name, s in names)
    claim.decide_erratum(printed, corrected, text, runs)


@decides("qprsgd-effect-K-optimal")
def test_effect_of_k(claim: Decider, runs: list[Run]) -> None:
    total = 2**70  # N K, local updates
    at_14 = [_expected(_far(K, gap=20.0), total // K) for K in UPDATES]
    tuned = [_best(_far(K, gap=20.0), 2**40 // K) for K in UPDATES]
    noisy = [_expected(_far(K), total // K) for K in UPDATES]
    exists = searched([min(at_14[1:]) / at_14[0]], "best K > 1 over K = 1 at equal N K and step size (14)")
    text = (
        f"K = {UPDATES[int(np.argmin(at_14))]}: {min(at_14) / at_14[0]:.2f} of that at K = 1 far from the minimum; "
        f"K = 16: {noisy[-1] / noisy[0]:.1f} times near it, {tuned[-1] / tuned[0]:.3f} times at the best step sizes"
    )
    claim.decide(all_of(exists, _follows(runs, "rate")), text, runs)


@decides("qprsgd-consistent-dcd")
def test_consistent_with_dcd(claim: Decider, runs: list[Run]) -> None:
    s = _far(1, gap=1.0)
    powers = range(60, 100, 4)
    leading = (2 * s.gap + 2 * s.lipschitz + s.lipschitz * s.d2) * s.sigma / sqrt(s.M)  # of 1/sqrt(N), by hand
    rest = [s.theorem2(s.step14(2**k), 2**k) - leading / 2 ** (k / 2) for k in powers]
    first = _slope(powers, [s.theorem2(s.step14(2**k), 2**k) for k in powers], of=2.0)
    next_term = _slope(powers[:6], rest[:6], of=2.0)
    runs_in_n = _slope(range(20, 61, 4), [_expected(s, 2**k) for k in range(20, 61, 4)], of=2.0)
    decision = all_of(
        within(first.interval, -0.51, -0.49),
        within(next_term.interval, -1.02, -0.98),  # a term N^(-2/3) would show here
        within(runs_in_n.interval, -0.52, -0.48),
        _follows(runs, "rate"),
    )
    slopes = (first.interval.estimate, next_term.interval.estimate)
    claim.decide(decision, "corrected bound: N^({:.3f}), then N^({:.3f})".format(*slopes), runs)


# ---------------------------------------------------------------------------------------------------- measurement


def _ratios(run: Descent, group: list[Run], printed: bool = False) -> Array:
    """Return the left-hand side of (12) over its right-hand side, (seeds, N = 1, 2, 4, ...)."""
    s, gamma, m = gossip_setting(run), run.schedule.lr(0), measured(group)
    bounds = np.array([s.theorem2(gamma, n, printed) for n in syncs_of(run)])
    both = np.stack([m["gradient"], m["mean_gradient"]])
    left = np.apply_along_axis(lambda pair: s.theorem2_left(gamma, pair[0], pair[1], printed), 0, both)
    ratios: Array = left / bounds
    return ratios


def _search() -> Decision:
    """Search exact expectations on bowls with the corrected bound, compressions as noisy as Lemma 5 allows."""
    ratios = []
    noises = ((0.0, 1.0), (1.0, 0.0), (1.0, 1.0))  # sigma, gap
    for M, K, x, (sigma, gap) in product((2, 4, 16), (1, 2, 4, 16), (1e-4, 0.01, 0.02), noises):
        for W in (uniform(complete(M)), uniform(ring(M)) if M > 2 else uniform(complete(M))):
            d = 1000
            levels = int(sqrt(d / (4 * x)))
            s = Gossip(M, K, d, levels, *spectrum(W), 1.0, sigma, 0.0, gap)
            for fraction, syncs in product((0.01, 0.3, 0.9) if s.precondition > 0 else (), (1, 4, 1 << 20)):
                gamma = fraction * s.edge
                both = expectations.gossip(Problem(M, K, 1.0, sigma, gap), d / (4 * levels**2), W, gamma, syncs)
                ratios.append(s.theorem2_left(gamma, both, both) / s.theorem2(gamma, syncs))
    return searched(ratios, "bowls, rings and complete graphs, M and K to 16, gamma to 0.9 of the edge, N to 2^20")


def _follows(runs: list[Run], *roles: str) -> Decision:
    """Decide whether runs with messages have the exact expectations."""
    decisions = []
    for run, group in by_setting(runs, Descent, *roles).items():
        algorithm = run.algorithm
        assert isinstance(algorithm, GossipQPRSGD)
        exact = _exact(gossip_setting(run), algorithm.W, run.schedule.lr(0), syncs_of(run)[-1])
        decisions.append(within(measured(group)["gradient"][:, -1] / exact, 0.85, 1.15))
    return all_of(*decisions)


def _exact(s: Gossip, W: Matrix, gamma: float, syncs: int) -> float:
    problem = Problem(s.M, s.K, s.lipschitz, s.sigma, s.gap)
    return expectations.gossip(problem, relative_noise(s.d, s.s), W, gamma, syncs)


def _far(K: int, M: int = 4, gap: float = NEAR, d: int = 100) -> Gossip:
    """Return a quadratic on a ring with L = sigma = 1 and so many levels that Corollary 2.1 allows K to 16."""
    return Gossip(M, K, d, 20_000, *spectrum(uniform(ring(M))), 1.0, 1.0, 0.0, gap)


def _allowed(s: Gossip, syncs: int) -> bool:
    """Say whether all conditions of Corollary 2.1 and Theorem 2 hold."""
    return s.fewest_syncs <= syncs and s.most_updates >= s.K and s.allows(s.step14(syncs))


def _expected(s: Gossip, syncs: int) -> float:
    """Return the exact mean of E |grad F(xbar_n)|^2 with the step size (14)."""
    return _exact(s, uniform(ring(s.M)), s.step14(syncs), syncs)


def _best(s: Gossip, syncs: int) -> float:
    """Return the same with the best constant step size, by golden-section search in its logarithm."""
    W = uniform(ring(s.M))

    def at(exponent: float) -> float:
        return _exact(s, W, 2.0**exponent, syncs)

    low, high = -40.0, -5.0 - np.log2(s.K)
    golden = (sqrt(5) - 1) / 2
    for _ in range(60):
        width = golden * (high - low)
        low, high = (low, low + width) if at(high - width) < at(low + width) else (high - width, high)
    return at((low + high) / 2)


def _leading(s: Gossip, syncs: int) -> float:
    """Return sigma (L/2 + gap/K) / sqrt(N M): what a small constant step size leaves on a quadratic, by hand.

    A descent by a factor (1 - gamma L)^2 a local update costs 2 L gap / (2 gamma L K N), and the floor is
    gamma L sigma^2 / (2 M), with gamma = sqrt(M/N)/sigma as (14) tends to.
    """
    return s.sigma * (s.lipschitz / 2 + s.gap / s.K) / sqrt(syncs * s.M)


def _slope(x: Sequence[int], y: Sequence[float], of: float = 0.0) -> Slope:
    """Fit log y against log x, or against x log `of` if x are exponents."""
    return slope_interval(np.multiply(x, np.log(of)) if of else np.log(x), np.log(y))


# --------------------------------------------------------------------------------------------------------- figure


def _draw(grid: dict[Descent, list[Run]], missing: Descent, group: list[Run], figures: FigureFolder) -> None:
    """Draw Theorem 2 at the counter-example, its ratios on all problems, and the rate against K."""
    figure, (left, middle, right) = panels(3, width=4.4)
    frames = [_counter_example(left, missing, group), _all_problems(middle, grid), _against_updates(right)]
    for axis in (left, middle, right):
        axis.title.set_fontsize(10)
        axis.legend(fontsize=7)
    figures.save("theorem2", figure, pd.concat(frames, ignore_index=True))


def _counter_example(axis: Axes, run: Descent, group: list[Run]) -> pd.DataFrame:
    s, gamma, m = gossip_setting(run), run.schedule.lr(0), measured(group)
    far = [2**k for k in range(17)]
    for printed, style in ((False, "k-"), (True, "k--")):
        bound = [s.theorem2(gamma, n, printed) for n in far]
        axis.loglog(far, bound, style, label="(12) as printed" if printed else "(12) with the variance term")
    exact = [_exact(s, uniform(complete(2)), gamma, n) for n in far]
    axis.loglog(far[1:], exact[1:], color=COLOURS[0], label="exact expectation")
    rows = []
    for n, column in list(zip(syncs_of(run), m["gradient"].T, strict=True))[1:]:
        axis.plot([n] * len(column), column, "o", ms=3, mfc="none", color=COLOURS[1], label="_")
        rows += [("missing", s.K, n, v) for v in column]
    axis.plot([], [], "o", ms=4, mfc="none", color=COLOURS[1], label="messages, each seed")
    axis.set(xlabel="N", title=f"|grad F|^2 from the minimum, K = 1, gamma = {gamma}")
    return pd.DataFrame(rows, columns=["role", "K", "N", "value"])


def _all_problems(axis: Axes, grid: dict[Descent, list[Run]]) -> pd.DataFrame:
    rows = []
    for run, group in grid.items():
        s = gossip_setting(run)
        if run.schedule.lr(0) / s.edge < 0.5:
            values = _ratios(run, group).mean(axis=0)
            colour = COLOURS[list(PROBLEMS).index(run.role)]
            label = run.role if s.K == 1 else "_"
            axis.semilogx(syncs_of(run), values, ":" if s.K > 1 else "-", marker=".", color=colour, label=label)
            rows += [(run.role, s.K, n, v) for n, v in zip(syncs_of(run), values, strict=True)]
    axis.axhline(1, color="black", lw=1)
    axis.plot([], [], "k-", label="6 neighbours, K = 1")
    axis.plot([], [], "k:", label="ring of 4, K = 3")
    axis.set(xlabel="N", ylim=(0, 1.08), title="left side of (12) / corrected bound")
    axis.set_xticks(ticks := syncs_of(next(iter(grid))), [str(n) for n in ticks], minor=False)
    axis.minorticks_off()
    return pd.DataFrame(rows, columns=["role", "K", "N", "value"])


def _against_updates(axis: Axes) -> pd.DataFrame:
    rows = []
    for name, values, colour in (
        ("(14), gap = 0.001 L", [_expected(_far(K), FAR) for K in UPDATES], COLOURS[0]),
        ("(14), gap = 5 L", [_expected(_far(K, gap=5.0), FAR) for K in UPDATES], COLOURS[1]),
        ("best step size, gap = L", [_best(_far(K, gap=1.0), 2**40) for K in UPDATES], COLOURS[2]),
    ):
        axis.loglog(UPDATES, np.divide(values, values[0]), ".-", color=colour, label=name)
        rows += [(name, K, FAR, v) for K, v in zip(UPDATES, values, strict=True)]
    axis.loglog(UPDATES, 1 / np.array(UPDATES), "k--", label="1/K, as printed")
    axis.loglog(UPDATES, 1 / np.sqrt(UPDATES), "k:", label="1/sqrt(K)")
    axis.set(xlabel="K", title="mean |grad F|^2 over its value at K = 1, N fixed")
    return pd.DataFrame(rows, columns=["role", "K", "N", "value"])
