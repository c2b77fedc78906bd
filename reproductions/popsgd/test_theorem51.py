"""Section 5: PopSGD on a cycle, Theorem 5.1 and the potential behind it; its clocks are in `test_lemma42`."""

from __future__ import annotations

from itertools import product

import numpy as np

from reproductions.paper import (
    Decider,
    FigureFolder,
    Label,
    Runs,
    Settings,
    agree,
    all_of,
    at_most_one,
    close,
    decides,
    searched,
    slope_interval,
)
from reproductions.popsgd import bounds, exact, plots
from reproductions.popsgd.bounds import Conditions
from reproductions.popsgd.descent import PopulationDescent
from reproductions.popsgd.enumeration import Array, cycle, expected, outcomes, potential, still, uniform
from reproductions.popsgd.exact import StepSizes
from reproductions.popsgd.potentials import PROBLEMS, edge, largest_by_recursion, one_step, over_bound, pushing
from reproductions.popsgd.problems import Bowl
from reproductions.popsgd.readings import seeded
from reproductions.popsgd.strongly_convex import (
    conditions,
    confined,
    descent,
    follow,
    shares,
    stays_at_the_start,
    summed,
)
from reproductions.popsgd.strongly_convex import over_bound as over_theorem

CYCLES = (4, 8, 16, 32, 64)
BOWLS = (Bowl(1, 1.0, 1.0, 1.0), Bowl(2, 1.0, 2.0, 1.0))
SEARCHED = (2, 4, 8, 16)  # n of the exact expectations
STEPPED = (2, 3, 4, 8, 16, 32)  # n of the search over single steps
LONG = 4096  # T/n^3
RUNS = (4, 8)  # n of the runs
ROUNDS = 256  # T/n of the runs of the theorem; those of the potential have T = 2 n^3
FEWEST = 5  # seeds


def experiments(settings: Settings) -> dict[Label, list[PopulationDescent]]:
    """Return runs with the a and b of the theorem, and runs of the potential by gradients and n."""
    seeds = max(FEWEST, settings.fewer_seeds().stop)
    drafts: dict[Label, PopulationDescent] = {
        ("cycle", kind, n): PopulationDescent(cycle(n), 2 * n**3, 0, *PROBLEMS[kind], edge(n), every=n)
        for kind in PROBLEMS
        for n in RUNS
    }
    for n in RUNS:
        drafts["theorem", n] = descent(Bowl(64, centre=1.0), cycle(n), n * ROUNDS)
    return {label: seeded(draft, seeds) for label, draft in drafts.items()}


def part(runs: Runs[PopulationDescent], kind: str) -> Runs[PopulationDescent]:
    """Return the runs of the ``theorem``, or those of the potential on the ``cycle``."""
    return runs.where(lambda label: isinstance(label, tuple) and label[0] == kind)


@decides("popsgd-theorem51-bound")
def test_theorem51(claim: Decider, runs: Runs[PopulationDescent]) -> None:
    used = part(runs, "theorem")
    grid = [
        (bowl, conditions(n, T, bowl)) for bowl, n in product(BOWLS, SEARCHED) for T in (16 * n, 256 * n, LONG * n**3)
    ]
    ratios = [over_theorem(s, bowl, exact.cycle, on_cycle=True) for bowl, s in grid]
    bound = searched(ratios, f"exact expectations, n to {SEARCHED[-1]}, T = 16 n, 256 n and {LONG} n^3")
    unmoved = [stays_at_the_start(s, bowl, on_cycle=True) for bowl, s in grid if LONG * s.n**3 == s.T]
    power = searched(np.divide(1, unmoved), f"bound over f(0) - f* at T = {LONG} n^3")
    # C = 8 L (K n^5) n for E Gamma <= K n^5 eta^2 M^2 gives 256 K; the printed 25600 L^2/ell^3 is K = 100, times L/ell
    constant = agree([(2 * 16 * 8 * 100.0, 25600.0)], rtol=0)
    runs_follow = follow(used, exact.cycle)
    of_sums = summed(cycle(8), on_cycle=True)
    printed = searched([of_sums], "y_T of sums of models, n = 8, all models at x* all the time")
    text = (
        f"at most {max(ratios):.2g} of the bound, models that never move have {min(unmoved):.1f} or more; "
        f"runs {runs_follow.interval.estimate:.3f} of the exact expectation; of sums as printed {of_sums:.1f}"
    )
    claim.decide_misprint(printed, all_of(bound, power, runs_follow, confined(used), constant), text, used)


@decides("popsgd-theorem51-Tn3")
def test_dominance_on_cycle(claim: Decider) -> None:
    far = Conditions(32, 32**4, 1.0, 1.0, 1.0, 1.0)
    early = searched([far.rest(True)], "first and third term over the second, n = 32, T = n^4, M = sigma, L = ell")
    enough = [Conditions(n, 4000 * n**6, 1.0, 1.0, 1.0, 1.0, distance=1.0) for n in (2, 3, 32)]
    ends = [s.rest(True) for s in enough]
    late = searched(np.multiply(5, ends), "the same times 5, at T = 4000 n^6, n = 2, 3 and 32")
    times = [4000, 40_000, 400_000]
    later = [Conditions(3, c * 3**6, 1.0, 1.0, 1.0, 1.0, distance=1.0).rest(True) for c in times]
    vanish = close([slope_interval(np.log(times), np.log(later)).interval.estimate], [-1.0], rtol=0, atol=0.1)
    text = f"{far.rest(True):.0f} times the second term at T = n^4, {max(ends):.3f} at T = 4000 n^6"
    readings = {
        "T to infinity at fixed n": all_of(late, vanish, shares(far, 800 * far.n**6, on_cycle=True)),
        "T/n^3 to infinity alone": early,
    }
    claim.decide_readings(readings, text)


@decides("popsgd-cycle-step")
def test_one_step_on_the_cycle(claim: Decider) -> None:
    where = f"n = 2 to {STEPPED[-1]}, any models, gradients up to M, rates in "
    held = searched(np.concatenate([_beyond(n, 1.0, _slowest(n)) for n in STEPPED]), where + "[eta/4, eta]")
    # whatever the constant of O(n^3) is, it grants no less than no contraction at all
    freely = {n: float(_beyond(n, 2.0, 0.0).max()) for n in STEPPED}
    fast = searched(list(freely.values()), where + "[eta/2, 2 eta], without the contraction")
    worst = ", ".join(f"{freely[n]:.2f} at n = {n}" for n in STEPPED[-3:])
    text = f"{held.interval.estimate:.3f} of what it adds at rates up to eta_t; at up to 2 eta_t {worst}"
    claim.decide_readings({"eta_t is the largest rate": held, "rates up to 2 eta_t": fast}, text)


@decides("popsgd-cycle-contraction")
def test_contraction(claim: Decider) -> None:
    gaps = [_gap(n) for n in CYCLES]
    closed = close(gaps, [_slowest(n) for n in CYCLES], rtol=1e-9, atol=0)
    scaled = np.array(gaps) * np.power(CYCLES, 3)
    limit = all_of(close(scaled[-1:], [2 * np.pi**2], rtol=2e-3, atol=0), uniform(cycle(8)))
    slope = slope_interval(np.log(CYCLES[1:]), np.log(gaps[1:])).interval
    rate = close([slope.estimate], [-3.0], rtol=0, atol=0.05)
    text = ", ".join(f"{value:.2f}" for value in scaled) + " = n^3 x gap"
    claim.decide(all_of(closed, limit, rate), text)


@decides("popsgd-cycle-gamma")
def test_cycle_gamma(claim: Decider, runs: Runs[PopulationDescent], figures: FigureFolder) -> None:
    used = part(runs, "cycle")
    plots.potential(used, "cycle", RUNS[-1], PROBLEMS, figures)
    measured = at_most_one(over_bound(used, bounds.cycle_potential))
    one_f = searched([_of_one_f(n) for n in CYCLES], f"one convex f, exact expectations, n to {CYCLES[-1]}, a = 18 n")
    any_gradients, fast = (
        [largest_by_recursion(n, _slowest(n), 18 * n, 100 * n**5, fastest) for n in (3, *CYCLES)]
        for fastest in (1.0, 2.0)
    )
    recursion = searched(
        [*any_gradients, *fast],
        f"per-step bound with the exact gap, to eta_t and 2 eta_t, n to {CYCLES[-1]}, a = 18 n",
    )
    closed = close([_noise(n) for n in CYCLES], [exact.cycle_noise(n) for n in CYCLES], rtol=1e-3, atol=0)
    noise = slope_interval(np.log(CYCLES[2:]), np.log([exact.cycle_noise(n) for n in CYCLES[2:]])).interval
    halves = slope_interval(np.log(CYCLES[1:]), np.log([_pulled_apart(n) for n in CYCLES[1:]])).interval
    orders = close([noise.estimate, halves.estimate], [2.0, 5.0], rtol=0, atol=0.2)
    text = (
        f"slope {noise.estimate:.2f} in n for one convex f, {halves.estimate:.2f} if halves are pulled apart; "
        f"the per-step bound allows {any_gradients[2] * 100:.3f} n^5 at n = {CYCLES[1]}, "
        f"{any_gradients[-1] * 100:.3f} n^5 at n = {CYCLES[-1]}, {fast[-1] * 100:.3f} n^5 there at rates up to 2 eta_t"
    )
    claim.decide(all_of(measured, one_f, recursion, closed, orders), text, used)


# ---------------------------------------------------------------------------------------------------- measurement


def _gap(n: int) -> float:
    """Return 1 - the largest factor by which an interaction on the cycle keeps Gamma in expectation."""
    maps = [w for _, w in outcomes(np.eye(n), cycle(n), still, [0.1] * n)]
    kept = np.mean([w.T @ w for w in maps], axis=0) - 1 / n
    return 1 - float(np.linalg.eigvalsh(kept).max())


def _slowest(n: int) -> float:
    """Return the same in closed form."""
    return float(1 - np.cos(2 * np.pi / n)) / n


def _beyond(n: int, fastest: float, shrink: float) -> Array:
    """Return what E Gamma_{t+1} exceeds (1 - `shrink`) Gamma_t by on the cycle, over what the paper adds.

    Rates are at most `fastest` times eta_t.
    """
    x, push, etas, noise = one_step(n, fastest, waves=True)
    before = potential(x)
    after = expected(outcomes(x, cycle(n), pushing(push), list(etas), noise), potential)
    return np.asarray((after - (1 - shrink) * before) / bounds.drift43(n, before, 1.0, 1.0))


def _of_one_f(n: int) -> float:
    """Return the largest E Gamma_t/(100 n^5 eta_t^2 M^2) at t = 2^k to 2 n^3, for parabolas with unit noise."""
    rate, times = edge(n), [2**k for k in range(1, round(np.log2(2 * n**3)) + 1)]
    schedule, ratios = StepSizes(rate.a, rate.b), list[float]()
    for h, t in product((0.0, 1.0), times):
        gamma = exact.cycle(n, h, 1.0, 1.0, t, schedule).potential
        ratios.append(gamma / bounds.cycle_potential(n, rate.b / (rate.a + t), (1 + h) ** 0.5))
    return max(ratios)


def _noise(n: int) -> float:
    """Return E Gamma/eta^2 of noise alone with variance 1 at a constant rate, after 4 n^3 interactions."""
    return exact.cycle(n, 0.0, 1.0, 0.0, 4 * n**3, StepSizes(1.0, 1.0, falls=0)).potential


def _pulled_apart(n: int) -> float:
    """Return Gamma of the stationary E[X - mu], a lower bound on E Gamma, for gradients of `Halves`, eta = M = 1."""
    push = lambda row, node: np.full_like(row, 1.0 if node < n / 2 else -1.0)  # noqa: E731
    start = np.concatenate([np.eye(n), np.zeros((n, 1))], axis=1)
    after = expected(outcomes(start, cycle(n), push, [1.0] * n), lambda x: x)
    shift = after[:, -1]
    matrix = after[:, :-1] - shift[:, None]
    settled = np.linalg.lstsq(np.eye(n) - matrix + 1 / n, shift - shift.mean(), rcond=None)[0]
    return float(((settled - settled.mean()) ** 2).sum())
