"""Section IV-B: Corollary 2.1, the rate by gossip, the effect of K and Table I's row of this paper.

Corollary 2.1 asks for N beyond 10^19, which nobody can run. On quadratics the expectations are known exactly for every
N, and runs with messages have to follow them; `rates` measures the rates by messages on a non-convex problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import sqrt

import numpy as np
import pandas as pd

from algorithms.network import Lossless
from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.schedule import Constant
from algorithms.topology import ring, uniform, value
from reproductions.experiments.descent import Descent, seeded
from reproductions.harness.verdicts.intervals import Slope
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Label,
    Runs,
    Settings,
    agree,
    all_of,
    decides,
    panels,
    searched,
    slope_interval,
    within,
)
from reproductions.qprsgd import exact, rates
from reproductions.qprsgd.bounds import Gossip
from reproductions.qprsgd.exact import SkewedQuadratic
from reproductions.qprsgd.problems import (
    GossipDescent,
    gossip_exact,
    gossip_follows,
    gossip_setting,
    problem_of,
    spectrum,
)
from reproductions.qprsgd.rounding import Levels
from reproductions.workloads.objectives import Gaussian, Quadratic

UPDATES = (1, 2, 4, 8, 16)
WORKERS = (4, 8, 16)
FAR = 10**20  # N that satisfies the condition of Corollary 2.1 on rings of 4 and 8 workers
UPDATES_IN_ALL = 2**70  # N K
FEW = 80  # levels that are felt and satisfy the precondition on rings of 4 and 8 workers
NEAR = 1e-3  # gap / L: the start is so close to the minimum that the noise decides


def experiments(settings: Settings) -> dict[Label, list[Descent]]:
    """Return short descents on a quadratic at the step size (14) by M and K, and those that measure the rates."""
    objective, noise = Quadratic(1.0, centre=0.5, pattern="outlier"), Gaussian(1.0)
    runs: dict[Label, list[Descent]] = {}
    for M, K in [(4, 1), (4, 4), (8, 1)]:
        algorithm = GossipQPRSGD(K, Levels(200), value(uniform(ring(M))))
        draft = GossipDescent(algorithm, M, 128, 32 * K, 0, Lossless(), objective, noise, Constant(0.0))
        step = Constant(gossip_setting(draft).step14(32))
        runs["quadratic", M, K] = seeded(replace(draft, schedule=step), settings.seeds)
    return {**runs, **rates.this_paper("gossip")}


@decides("qprsgd-cor21-rate")
def test_corollary21(claim: Decider, runs: Runs[Descent], figures: FigureFolder) -> None:
    _draw(figures)
    printed = [_expected(s := _far(K), FAR) / s.corollary21(FAR, printed=True) for K in UPDATES]
    assert all(_allowed(_far(K), FAR) for K in UPDATES), "all conditions of Corollary 2.1 have to hold"
    settings = [_far(K, M, gap, d) for K, M, gap, d in product(UPDATES, (4, 8), (NEAR, 1.0, 100.0), (100, 1600))]
    corrected = [_expected(s, FAR) / s.corollary21(FAR) for s in settings if _allowed(s, FAR)]
    leading = [(_expected(s, FAR), _leading(s, FAR)) for s in settings]
    decision = all_of(
        searched(corrected, f"{len(corrected)} quadratics on rings, K to 16, N = 1e20"),
        agree(leading, rtol=0.02),
        _follows(runs),
    )
    failure = searched(printed, "quadratics near the minimum, K = 1 to 16, N = 1e20, all conditions satisfied")
    text = f"up to {max(printed):.1f} times the bound as printed, {max(corrected):.2f} corrected"
    claim.decide_erratum(failure, decision, text, runs)


@decides("qprsgd-abstract-rate", "qprsgd-table1-this-paper")
def test_rate_in_k(claim: Decider, runs: Runs[Descent]) -> None:
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
        _follows(runs),
        *(rates.follows(runs, "gossip", axis) for axis in rates.AXES),
    )
    names = zip(("K at (14)", "K at the best step size", "N", "M"), (at_14, best, in_n, in_m), strict=True)
    text = "exact slopes " + ", ".join(f"{s.interval.estimate:.3f} in {name}" for name, s in names)
    claim.decide_erratum(printed, corrected, f"{text}; by messages {rates.listed(runs, 'gossip')}", runs)


@decides("qprsgd-linear-speedup-gossip")
def test_linear_speedup(claim: Decider, runs: Runs[Descent]) -> None:
    in_k = _slope(UPDATES, [_best(_far(K, gap=1.0), 2**40) for K in UPDATES])
    in_m = _slope(WORKERS, [_best(_far(4, M, gap=1.0), 2**40) for M in WORKERS])
    exactly = [within(s.interval, -0.55, -0.45) for s in (in_k, in_m)]
    measured = [rates.follows(runs, "gossip", axis) for axis in rates.AXES]
    exponents = ", ".join(f"{s.interval.estimate:.3f}" for s in (in_k, in_m))
    text = f"by messages {rates.listed(runs, 'gossip')}; exact {exponents} in K and M at the best step size"
    claim.decide(all_of(*exactly, *measured, _follows(runs)), text, runs)


@decides("qprsgd-effect-K-optimal")
def test_some_k_beats_one(claim: Decider, runs: Runs[Descent]) -> None:
    at_14 = [_expected(_far(K, gap=20.0), UPDATES_IN_ALL // K) for K in UPDATES]
    exists = searched([min(at_14[1:]) / at_14[0]], "best K > 1 over K = 1 at equal N K and step size (14)")
    text = f"K = {UPDATES[int(np.argmin(at_14))]}: {min(at_14) / at_14[0]:.2f} of that at K = 1 far from the minimum"
    claim.decide(all_of(exists, _follows(runs)), text, runs)


@decides("qprsgd-effect-K-larger-better")
def test_larger_k_is_not_better(claim: Decider, runs: Runs[Descent]) -> None:
    assert all(_allowed(_far(K), UPDATES_IN_ALL // K) for K in UPDATES), "every K has to be within the boundary"
    noisy = [_expected(_far(K), UPDATES_IN_ALL // K) for K in UPDATES]
    printed = searched(np.divide(noisy[1:], noisy[:-1]), "a larger K over the next smaller one, equal N K, (14)")
    # by hand: near the minimum only the floor gamma L sigma^2/(2 M) is left, with gamma about sqrt(M K/(N K))/sigma
    floors = [_leading(_far(K, gap=0.0), UPDATES_IN_ALL // K) for K in UPDATES]
    by_hand = agree([(np.divide(noisy, noisy[0]), np.divide(floors, floors[0]))], rtol=0.02)
    tuned = [_best(_far(K, gap=20.0), 2**40 // K) for K in UPDATES]
    never = searched(tuned[0] / np.array(tuned), "K = 1 over K > 1 at equal N K, each at its best step size")
    text = (
        f"K = 16 is {noisy[-1] / noisy[0]:.1f} times worse than K = 1 near the minimum, within the boundary of "
        f"{_far(1).most_updates:.0f}; at the best step sizes {tuned[-1] / tuned[0]:.3f} times"
    )
    claim.decide_erratum(printed, all_of(by_hand, never, _follows(runs)), text, runs)


@decides("qprsgd-quantization-helps")
def test_quantization_does_not_help(claim: Decider, runs: Runs[Descent]) -> None:
    cases = [_far(K, M, gap)._replace(s=FEW) for K, M, gap in product(UPDATES, (4, 8), (NEAR, 1.0, 100.0))]
    pairs = [(_noisy(s, 2**k, 1.0), _noisy(s, 2**k, 0.0)) for s, k in product(cases, (10, 30, 60))]
    with_it, without = ([_best(_far(K, gap=1.0)._replace(s=s), 2**40) for K in UPDATES] for s in (FEW, 10**9))
    ratios = np.array([a / b for a, b in [*pairs, *zip(with_it, without, strict=True)]])
    printed = searched(ratios, "mean squared gradient with quantization over that without, K to 16")
    corrected = searched(1 / ratios, "mean squared gradient without quantization over that with it, K to 16")
    slopes = [_slope(UPDATES, values) for values in (with_it, without)]
    rate = all_of(*(within(s.interval, -0.55, -0.45) for s in slopes))
    exponents = " and ".join(f"{s.interval.estimate:.3f}" for s in slopes)
    text = (
        f"{ratios.min():.3f} to {ratios.max():.3f} times the mean squared gradient; slopes in K {exponents} without it"
    )
    claim.decide_erratum(printed, all_of(corrected, rate, _follows(runs)), text, runs)


@decides("qprsgd-consistent-dcd")
def test_consistent_with_dcd(claim: Decider, runs: Runs[Descent]) -> None:
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
        _follows(runs),
        rates.follows(runs, "gossip", "N"),
    )
    slopes = (first.interval.estimate, next_term.interval.estimate)
    text = "corrected bound: N^({:.3f}), then N^({:.3f})".format(*slopes)
    claim.decide(decision, f"{text}; by messages {rates.listed(runs, 'gossip', 'N')}", runs)


# ---------------------------------------------------------------------------------------------------- measurement


def _follows(runs: Runs[Descent]) -> Decision:
    """Decide whether runs with messages on a quadratic have the exact expectations."""
    return gossip_follows(runs.where(lambda label: problem_of(label) == "quadratic"))


def _far(K: int, M: int = 4, gap: float = NEAR, d: int = 100) -> Gossip:
    """Return a quadratic on a ring with L = sigma = 1 and so many levels that Corollary 2.1 allows K to 16."""
    return Gossip(M, K, d, 20_000, *spectrum(uniform(ring(M))), 1.0, 1.0, 0.0, gap)


def _allowed(s: Gossip, syncs: int) -> bool:
    """Say whether all conditions of Corollary 2.1 and Theorem 2 hold."""
    return s.fewest_syncs <= syncs and s.most_updates >= s.K and s.allows(s.step14(syncs))


def _expected(s: Gossip, syncs: int) -> float:
    """Return the exact mean of E |grad F(xbar_n)|^2 with the step size (14)."""
    return gossip_exact(s, uniform(ring(s.M)), s.step14(syncs), syncs)


def _noisy(s: Gossip, syncs: int, share: float) -> float:
    """Return the same with a share of the noise of compression."""
    problem, gamma = SkewedQuadratic(s.M, s.K, s.lipschitz, s.sigma, s.gap), s.step14(syncs)
    return exact.gossip(problem, share * exact.relative_noise(s.d, s.s), uniform(ring(s.M)), gamma, syncs)


def _best(s: Gossip, syncs: int) -> float:
    """Return the same with the best constant step size, by golden-section search in its logarithm."""
    W = uniform(ring(s.M))

    def at(exponent: float) -> float:
        return gossip_exact(s, W, 2.0**exponent, syncs)

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


def _draw(figures: FigureFolder) -> None:
    """Draw exact expectations against K, for the step size of the paper and the best one."""
    figure, (axis,) = panels(1, width=5.2, height=3.8)
    rows = []
    for step_size, gap, N, values, colour in (
        ("(14)", 0.001, FAR, [_expected(_far(K), FAR) for K in UPDATES], COLOURS[0]),
        ("(14)", 5.0, FAR, [_expected(_far(K, gap=5.0), FAR) for K in UPDATES], COLOURS[1]),
        ("best", 1.0, 2**40, [_best(_far(K, gap=1.0), 2**40) for K in UPDATES], COLOURS[2]),
    ):
        name = f"{step_size} step size, gap = {gap:g} L"
        axis.loglog(UPDATES, np.divide(values, values[0]), ".-", color=colour, label=name)
        rows += [(step_size, gap, K, float(N), v) for K, v in zip(UPDATES, values, strict=True)]
    axis.loglog(UPDATES, 1 / np.array(UPDATES), "k--", label="1/K, as printed")
    axis.loglog(UPDATES, 1 / np.sqrt(UPDATES), "k:", label="1/sqrt(K)")
    axis.set(xlabel="K", ylabel="mean |grad F|^2 over its value at K = 1", title="N fixed")
    axis.legend(fontsize=8)
    figures.save("gossip_rate", figure, pd.DataFrame(rows, columns=["step_size", "gap_over_L", "K", "N", "value"]))
