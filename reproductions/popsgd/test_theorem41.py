"""Theorem 4.1, Eq. (1.2), and the sampled global average of section 5."""

from __future__ import annotations

from itertools import product

import numpy as np

from algorithms.popsgd import population
from algorithms.popsgd.population import ClockRate, Complete
from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Runs,
    Settings,
    agree,
    all_of,
    close,
    decides,
    point,
    searched,
    slope_interval,
)
from reproductions.popsgd import exact, plots
from reproductions.popsgd.bounds import Conditions
from reproductions.popsgd.descent import PopulationDescent
from reproductions.popsgd.problems import Bowl
from reproductions.popsgd.readings import seeded
from reproductions.popsgd.strongly_convex import (
    conditions,
    confined,
    descent,
    expected,
    follow,
    over_bound,
    shares,
    stays_at_the_start,
    summed,
)

SLOPED = Bowl(16, 1.0, 4.0, 1.0)  # ell = 1, L = 4, away from the start
ROUND = Bowl(256)  # ell = L = 1, at the start: nothing but noise
NODES, ROUNDS = (2, 8, 32), 256  # n and T/n of the runs
SEARCHED = (2, 8, 32, 128), (16, 256, 1024, 4096)  # n and T/n of the exact expectations
BOWLS = (Bowl(2, 1.0, 4.0, 1.0), Bowl(1, 1.0, 1.0, 1.0), Bowl(1))
RATES = ((4, 256), (16, 64), (16, 256))  # n, T/n of the runs for (1.2)
EXACT_NODES, EXACT_ROUNDS = (4, 8, 16, 32), (1024, 2048, 4096)
FEWEST = 5  # seeds


def experiments(settings: Settings) -> dict[tuple[str, int, int], list[PopulationDescent]]:
    """Return runs with the a and b of the theorem, by what they are for, n and T/n."""
    sloped = {("sloped", n, ROUNDS): descent(SLOPED, Complete(n), n * ROUNDS) for n in NODES}
    rates = {("rate", n, rounds): descent(ROUND, Complete(n), n * rounds) for n, rounds in RATES}
    seeds = max(FEWEST, settings.fewer_seeds().stop)
    return {label: seeded(draft, seeds) for label, draft in {**sloped, **rates}.items()}


@decides("popsgd-theorem41-bound")
def test_theorem41(claim: Decider, runs: Runs[PopulationDescent], figures: FigureFolder) -> None:
    used = runs.only(*(("sloped", n, ROUNDS) for n in NODES))
    grid = [(bowl, n, n * rounds) for bowl, n, rounds in product(BOWLS, *SEARCHED)]
    ratios = [over_bound(conditions(n, T, bowl), bowl, exact.complete) for bowl, n, T in grid]
    bound = searched(ratios, f"exact expectations, n to {SEARCHED[0][-1]}, T to {SEARCHED[1][-1]} n, L/ell 1 and 4")
    still = [
        stays_at_the_start(conditions(n, n * SEARCHED[1][-1], bowl), bowl) for n in SEARCHED[0] for bowl in BOWLS[:2]
    ]
    runs_follow = follow(used, exact.complete)
    plots.theorem41(used, SEARCHED[0], (ROUNDS, SEARCHED[1][-1]), SLOPED, figures)
    of_sums = summed(Complete(8))
    printed = searched([of_sums], "y_T of sums of models, n = 8, all models at x* all the time")
    text = (
        f"at most {max(ratios):.2g} of the bound, models that never move have {min(still):.1f} or more; "
        f"runs {runs_follow.interval.estimate:.3f} of the exact expectation; of sums as printed {of_sums:.1f}"
    )
    power = searched(np.divide(1, still), "bound over f(0) - f* at the largest T")
    claim.decide_misprint(printed, all_of(bound, power, runs_follow, confined(used)), text, used)


@decides("popsgd-T-gg-n")
def test_dominance(claim: Decider) -> None:
    nodes, times = (4, 100, 10**4), (1440, 14_400, 144_000)
    found = {n: [Conditions(n, c * n * n, 1.0, 1.0, 1.0, 1.0, distance=1.0).rest() for c in times] for n in nodes}
    small = searched([5 * values[0] for values in found.values()], "first and third term over the second, times 5")
    slopes = [slope_interval(np.log(times), np.log(values)).interval.estimate for values in found.values()]
    vanish = close(slopes, [-1.0] * len(slopes), rtol=0, atol=0.1)
    early = Conditions(10**4, 10**6, 1.0, 1.0, 1.0, 1.0)
    text = (
        f"the other terms are {max(values[0] for values in found.values()):.3f} of the second at T = {times[0]} n^2, "
        f"fall with the slope {max(slopes):.2f} in T; at T = n^1.5, n = {early.n}, they are {early.rest():.0f} times it"
    )
    readings = {
        "T to infinity at fixed n": all_of(small, vanish, shares(early, 288 * early.n**2)),
        "T/n to infinity alone": searched([early.rest()], "first and third term over the second, T = n^1.5"),
    }
    claim.decide_readings(readings, text)


@decides("popsgd-eq12-rate")
def test_rate(claim: Decider, runs: Runs[PopulationDescent], figures: FigureFolder) -> None:
    used = runs.only(*(("rate", n, rounds) for n, rounds in RATES))
    over_rounds = [_exact(4, 4 * rounds) for rounds in EXACT_ROUNDS]
    over_nodes = [_exact(n, 512 * n) for n in EXACT_NODES]
    slopes = [slope_interval(np.log(x), np.log(y)) for x, y in ((EXACT_ROUNDS, over_rounds), (EXACT_NODES, over_nodes))]
    plots.speedup_in_theory(used, EXACT_NODES, _exact, ROUND.d, figures)
    found = [slope.interval.estimate for slope in slopes]
    rates = close(found, [-1.0, -1.0], rtol=0, atol=0.1)
    left = max(float(abs(slope.residuals).max()) for slope in slopes)
    runs_follow = follow(used, exact.complete)
    text = (
        f"slopes {found[0]:.3f} in T_p, {found[1]:.3f} in n, residuals to {left:.3f}; "
        f"runs {runs_follow.interval.estimate:.3f} of the exact expectation"
    )
    claim.decide(all_of(runs_follow, rates), text, used)


@decides("popsgd-sampled-averaging")
def test_sampled(claim: Decider) -> None:
    from scipy.stats import chisquare

    n, T, s = 4, 16, 3.0
    drawn = np.bincount([population.sampled_time(s, T, seed) for seed in range(4000)], minlength=T)
    law = population.weights(s, T) / population.weights(s, T).sum()
    p = float(chisquare(drawn, 4000 * law).pvalue) if len(drawn) == T else 0.0
    fair = Decision("holds" if p > 1e-3 else "fails", point(p, 4000), f"4000 draws against w_t/S_T: p = {p:.3g}")
    nodes, means = population.population(np.arange(n, dtype=float)[:, None] * np.ones(3)), []
    for pair in population.interactions(Complete(n), 0, 0, T):
        means.append(nodes.mean)
        population.simulate(nodes, [pair], lambda x, *_: x, ClockRate(n, s, 1.0))
    losses = [float((mean**2).sum() / 2) for mean in means]
    left = float(population.weights(s, T) @ losses / population.weights(s, T).sum())
    identity = agree([(left, float(law @ losses))], rtol=1e-12)
    averaged = population.weighted_mean(np.array(means), s)
    jensen = searched([float((averaged**2).sum() / 2) / left], "f(y_T) over the left-hand side of (5.1)")
    claim.decide(all_of(fair, identity, jensen), f"t is drawn with w_t/S_T (p = {p:.2f})")


# ---------------------------------------------------------------------------------------------------- measurement


def _exact(n: int, steps: int) -> float:
    """Return the left-hand side of (5.1) for one coordinate of `ROUND` with unit noise, at global learning rates."""
    return expected(conditions(n, steps, ROUND), ROUND, exact.complete) / ROUND.d
