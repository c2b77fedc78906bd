"""Theorems 3 and 4 with Lemmas 21 and 22: bounds, rates, rounds, and where skewed noise breaks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from math import exp, log1p, sqrt

import numpy as np
import pandas as pd

from algorithms.clustersgd.agreement import MID_EXTREMES, rounds
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.sgd import GeneralSGD
from algorithms.schedule import Constant
from reproductions.clustersgd import general, loose, two_camps
from reproductions.clustersgd.bounds import BoundConstants
from reproductions.clustersgd.descents import Descents
from reproductions.clustersgd.skewed import Array, Effective, Exact, normal, normal_midrange, skewed
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Label,
    Runs,
    Settings,
    Slope,
    agree,
    all_of,
    at_most_one,
    close,
    decides,
    exactly,
    panels,
    searched,
    slope_interval,
    within,
)

MANY, CHANCE = 25, 0.03  # n and p of the counter-example
TIMES = [2**k for k in range(10, 21, 2)]  # T, where the initial error is gone
LONG = 10**6


def experiments(settings: Settings) -> dict[Label, list[Descents]]:
    """Return algorithm 2 with normal noise on waves, with one round of agreement and with q = eta/4; and for rates."""
    return general.grid(settings) | general.agreed(settings) | general.rates(settings)


@decides("clustersgd-theorem3-bound")
def test_theorem3(claim: Decider, runs: Runs[Descents], figures: FigureFolder) -> None:
    _draw(figures)
    used = runs.only("uniform", "two camps")
    found = [(general.constants(used.experiment(label)), general.largest_spread(used[label])) for label in used]
    friendly = _over(used, [c.theorem3(spread) for c, spread in found])
    sizes = [used.experiment(label).workers for label in used]
    spread_out = _over(used, [c.corrected_theorem3(n, s) for (c, s), n in zip(found, sizes, strict=True)])
    corrected = lambda run, n: run.constants.corrected_theorem3(n)  # noqa: E731
    _decide_bound(claim, used, lambda run: run.constants.theorem3(), corrected, friendly, spread_out)


@decides("clustersgd-lemma22-bound")
def test_lemma22(claim: Decider, runs: Runs[Descents]) -> None:
    used = runs.only("agreed")
    bound = general.constants(used.experiment("agreed")).lemma22()
    corrected = lambda run, n: run.constants.corrected_lemma22(n)  # noqa: E731
    _decide_bound(claim, used, lambda run: run.constants.lemma22(), corrected, _over(used, [bound]))


@decides("clustersgd-theorem4-bound")
def test_theorem4(claim: Decider) -> None:
    C = max(run.rounds / (run.T * np.log2(run.T)) for run in _everywhere())
    printed = [run.smallest_gradient / run.theorem4(C) for run in _counter_examples()]
    corrected = [run.smallest_gradient / run.corrected_theorem4(C, run.n) for run in _everywhere()]
    friendly = []
    for T in TIMES:
        run = normal(T, normal_midrange(MANY).variance)
        friendly.append(run.smallest_gradient / run.theorem4(C))
    search = searched([*corrected, *friendly], "two values, n to 101, p to 0.001, T to 10^5, and normal noise")
    text = f"C = {C:.1f}: as printed {max(printed):.1f} at T = 10^6; corrected {max(corrected):.3f}"
    needed = _needs_n(lambda run: run.corrected_theorem4(C, 1))
    claim.decide_erratum(_printed(printed), all_of(search, needed, two_camps.follows_midranges()), text)


@decides("clustersgd-R-rounds")
def test_rounds(claim: Decider) -> None:
    found = [_rounds(T, N) for T, N in ((10**4, 4), (10**6, 4), (10**6, 16))]
    decision = exactly(found, [1_250_000, 179_000_000, 163_000_000])
    claim.decide(decision, ", ".join(f"{count:,}" for count in found))


@decides("clustersgd-lemma21-diameter")
def test_lemma21(claim: Decider) -> None:
    sizes, chances, eta = (5, MANY, 101), (0.5, 0.03, 0.001), two_camps.ETA
    printed = [loose.over_lemma21(n, p, eta) for n, p in product(sizes, chances)]
    ratios = [loose.over_lemma21(n, p, e) / n for n, p, e in product(sizes, chances, (0.02, eta))]
    contracted, inside = loose.contractions()
    agreement = all_of(searched(contracted, "random schedules"), exactly(inside, [True] * len(inside)))
    kept = [(loose.left(n, rare), loose.share(eta / 4) ** 2) for n, rare in ((5, (0,)), (5, (1, 2)), (13, (7,)))]
    p = 0.001  # outcomes in which exactly one of 13 processes has the rare gradient, by that execution
    by_runs = 13 * (1 - p) ** 11 * kept[-1][0] / (2 * eta)
    enormous = 4.0**51  # what algorithm 3 itself needs
    far = _over_lemma21(enormous, 1e-3 / enormous, 0.5)
    halves = [(sum(two_camps.kicked(5, r)), 4 * 0.25**r) for r in (1, 2, 3)]  # all but the shared process
    twice = all_of(agree([*kept, *halves], rtol=1e-9), exactly([by_runs > 1, far > 1], [True] * 2))
    search = searched(ratios, "an agreement that contracts by q, n to 101, over n times the bound")
    text = (
        f"as printed {max(printed):.1f} for n = 101 (executions alone: {by_runs:.2f} for n = 13), with algorithm 3 "
        f"{far:.1f} for n = 4^51; corrected {max(ratios):.3f}"
    )
    claim.decide_erratum(
        searched(printed, "an agreement that contracts by q, eta = 1/4"), all_of(search, agreement, twice), text
    )


@decides("clustersgd-theorem3-simplified")
def test_rate(claim: Decider, runs: Runs[Descents]) -> None:
    flat = _slope(TIMES, [skewed(MANY, T, CHANCE, start=-1.0).smallest_gradient for T in TIMES])
    in_t = _slope(TIMES, [normal(T, normal_midrange(MANY).variance).smallest_gradient for T in TIMES])
    executed = {name: _executed(runs, *parts) for name, parts in {"T": (0, 1), "N": (1, 512)}.items()}
    linear = [BoundConstants(1.0, 1.0, 1.0, 1, T, 1.0, 1.0) for T in TIMES]
    delta = _slope(TIMES, [c.theorem3(1e6) - c.theorem3() for c in linear])
    halves = [_half(slope) for slope in (in_t, *executed.values())]
    decision = all_of(*halves, within(delta.interval, 0.98, 1.02), two_camps.follows_midranges())
    slopes = [slope.interval.estimate for slope in (*executed.values(), in_t, flat)]
    text = "slopes of runs {:.3f} in T, {:.3f} in N; closed forms {:.3f} in T, skewed {:.3f}".format(*slopes)
    claim.decide_erratum(_half(flat), decision, text, runs.where(_for_rates))


@decides("clustersgd-theorem4-simplified")
def test_rate_in_rounds(claim: Decider) -> None:
    flat = _per_round([skewed(MANY, T, CHANCE, start=-1.0) for T in TIMES])
    symmetric = _per_round([normal(T, normal_midrange(MANY).variance) for T in TIMES])
    text = f"slope {symmetric.interval.estimate:.3f} in R; skewed {flat.interval.estimate:.3f}"
    claim.decide_erratum(_half(flat), all_of(_half(symmetric), two_camps.follows_midranges()), text)


@decides("clustersgd-external-eps2")
def test_external_rounds(claim: Decider) -> None:
    target = 0.01
    run = skewed(MANY, LONG, CHANCE)  # R is then 19,500 times epsilon^-2
    printed = searched([run.smallest_gradient / target], f"epsilon = {target}, R = {run.rounds:,}")
    errors = [normal(T, 1 / 2) for T in TIMES]
    found = [e.smallest_gradient for e in errors]
    slope = _slope(found, [e.rounds / np.log2(1 / error) for e, error in zip(errors, found, strict=True)])
    text = f"exponent {slope.interval.estimate:.3f}; skewed noise stays at {run.smallest_gradient:.4f}"
    claim.decide_erratum(printed, all_of(within(slope.interval, -2.1, -1.9), two_camps.follows_midranges()), text)


@decides("clustersgd-internal-exponent")
def test_internal_rounds(claim: Decider) -> None:
    N, sigma2 = 4, 1.0
    deltas = [2 * sigma2 * sqrt(N / T) ** 3 / N for T in TIMES]  # Lemma 21
    slope = _slope(deltas, [_rounds(T, N) / np.log2(T) for T in TIMES])
    solved = [(2 * sigma2 * sqrt(N) / delta) ** (2 / 3) for delta in deltas]
    twice = close(solved, TIMES, rtol=1e-9, atol=0)
    printed, used = within(slope.interval, -1.55, -1.45), within(slope.interval, -0.70, -0.63)
    claim.decide_misprint(printed, all_of(used, twice), f"exponent {slope.interval.estimate:.3f}")


# ---------------------------------------------------------------------------------------------------- measurement


@cache
def _counter_examples() -> tuple[Exact, ...]:
    return tuple(skewed(MANY, T, CHANCE) for T in (2000, 10_000, LONG))


@cache
def _everywhere() -> tuple[Exact, ...]:
    """Return runs with noise of two values that satisfy T >= 16 L^2 and T >= 16 of the corrected Lemma 22, N = 1."""
    cases = product((3, 9, 25, 101), (0.5, 0.03, 0.001), (16, 1000, 10**5), (None, -1.0))
    return tuple(skewed(n, T, p, start=start) for n, p, T, start in cases)


def _over(runs: Runs[Descents], bounds: Sequence[float]) -> list[Array]:
    """Return the smallest gradients over a bound for each label, (seeds,) each."""
    groups = zip(runs.values(), bounds, strict=True)
    return [np.divide(general.smallest_gradient(group), bound) for group, bound in groups]


def _decide_bound(
    claim: Decider,
    runs: Runs[Descents],
    printed: Callable[[Exact], float],
    corrected: Callable[[Exact, int], float],
    friendly: Sequence[Array],
    spread_out: Sequence[Array] = (),
) -> None:
    """Decide a bound as printed and, for n processes, as corrected.

    `runs` are those behind `friendly`, their ratios to the former, and `spread_out`, those to the latter.
    """
    literal = [run.smallest_gradient / printed(run) for run in _counter_examples()]
    found = [run.smallest_gradient / corrected(run, run.n) for run in _everywhere()]
    search = searched(found, "two values, n to 101, p to 0.001, T to 10^5")
    needed = _needs_n(lambda run: corrected(run, 1))
    decision = all_of(search, needed, at_most_one([*friendly, *spread_out]), two_camps.follows_midranges())
    text = f"as printed {max(literal):.1f} at T = 10^6; corrected {max(found):.3f}, normal {_largest(friendly):.3f}"
    text += f" of the printed bound, {_largest(spread_out):.3f} of the corrected one" if spread_out else ""
    claim.decide_erratum(_printed(literal), decision, text, runs)


def _printed(ratios: Sequence[float]) -> Decision:
    return searched(ratios, f"n = {MANY}, p = {CHANCE}, N = 1, T = 2,000 to 10^6")


def _needs_n(without: Callable[[Exact], float]) -> Decision:
    """Decide that a corrected bound without its number of processes is violated: with it, it is no empty statement."""
    run = skewed(10_001, 10**7, 3e-4)
    return exactly([run.smallest_gradient > without(run)], [True])


def _over_lemma21(n: float, p: float, eta: float) -> float:
    """Return E |x_i - x_j|^2 over Lemma 21 in two camps, from outcomes with one rare gradient."""
    contraction = 0.25 ** rounds(eta / 4, MID_EXTREMES.clustered)
    return (n - 1) * exp((n - 2) * log1p(-p)) * contraction / (2 * eta)


def _rounds(T: int, N: int) -> int:
    """Return R = T times the rounds of agreement that algorithm 2 makes with q = eta/4."""
    eta = sqrt(N / T)
    algorithm = GeneralSGD(Clusters.even(N, N), T, N, Constant(eta), contraction=eta / 4, output=T)
    return T * algorithm.agreement.rounds


def _per_round(runs: Sequence[Exact]) -> Slope:
    """Fit the slope in R of the error, the logarithm of Theorem 4 taken out: R is T log T."""
    return _slope([r.rounds for r in runs], [r.smallest_gradient / sqrt(np.log2(r.rounds)) for r in runs])


def _for_rates(label: Label) -> bool:
    return isinstance(label, tuple)


def _executed(runs: Runs[Descents], varied: int, fixed: int) -> Slope:
    """Fit the slope of |grad Q(x_tau)|^2 in T (0) or N (1) where the other is `fixed`."""
    rated = runs.where(_for_rates)
    labels = [label for label in rated if isinstance(label, tuple) and label[1 - varied] == fixed]
    points = [(label[varied], value) for label in labels for value in rated.final("output_gradient", label)]
    return _slope(*zip(*points, strict=True))


def _half(slope: Slope) -> Decision:
    return within(slope.interval, -0.55, -0.45)


def _largest(samples: Sequence[Sequence[float] | np.ndarray]) -> float:
    return max(float(np.mean(s)) for s in samples)


def _slope(x: Sequence[float], y: Sequence[float]) -> Slope:
    return slope_interval(np.log(x), np.log(y))


# --------------------------------------------------------------------------------------------------------- figure


def _draw(figures: FigureFolder) -> None:
    """Draw the smallest gradient against T and Theorem 3, with skewed and with normal noise."""
    figure, (left, right) = panels(2, width=4.6)
    times, rows = [2**k for k in range(4, 19)], []
    for n, colour in zip((3, 9, 25), COLOURS, strict=False):
        exact = [skewed(n, T, CHANCE, start=-1.0).smallest_gradient for T in times]
        left.loglog(times, exact, color=colour, label=f"n = {n}")
        rows += [("two values", n, T, e) for T, e in zip(times, exact, strict=True)]
    printed = [skewed(n, T, CHANCE, start=-1.0).constants.theorem3() for T in times]  # the same for every n
    left.loglog(times, printed, "k--", lw=1, label="Theorem 3 as printed")
    left.set(xlabel="T", title=f"skewed noise (p = {CHANCE}), N = 1")
    for n, colour in zip((3, 9, 25), COLOURS, strict=False):
        unit = normal_midrange(n).variance
        exact = [Exact(n, T, Effective(0.0, unit), 1.0).smallest_gradient for T in times]
        right.loglog(times, exact, color=colour, label=f"n = {n}")
        rows += [("normal", n, T, e) for T, e in zip(times, exact, strict=True)]
    right.loglog(times, [normal(T, 1.0).constants.theorem3() for T in times], "k--", lw=1, label="Theorem 3")
    right.set(xlabel="T", title="normal noise, N = 1")
    for axis in (left, right):
        axis.set_ylabel("min E |grad Q|^2")
        axis.legend(fontsize=7)
    figures.save("theorem3", figure, pd.DataFrame(rows, columns=["noise", "n", "T", "gradient"]))
