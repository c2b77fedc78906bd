"""Corollary 1, its conditions of Appendix E and the finite horizon of EASGD (section 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import isqrt, sqrt

import numpy as np
import pandas as pd

from algorithms.coopsgd import cooperative as co
from algorithms.coopsgd.cooperative import CooperativeSGD
from reproductions.coopsgd import bounds, problems, worst_case
from reproductions.coopsgd.bounds import Assumptions
from reproductions.coopsgd.exact import Array, Parabola, expected
from reproductions.coopsgd.problems import descent, rule10
from reproductions.experiments.descent import Descent, seeded
from reproductions.harness.verdicts.intervals import Slope
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Runs,
    Settings,
    all_of,
    close,
    decides,
    exactly,
    panels,
    point,
    searched,
    slope_interval,
    within,
)

BOWL = Parabola(1.0, sigma=1.0, start=1.0)  # per coordinate of what runs descend on
SIZES, HORIZONS = (2, 4, 8, 12), [4**k for k in range(8, 14)]  # K to 2^26: (153) is satisfied by all of them
LARGE, RATE = 1 << 26, (-0.52, -0.48)
PAIRS = ((1, 0), (2, 0), (1, 1), (3, 0), (2, 1), (1, 2), (4, 0), (8, 0), (8, 1), (4, 4))  # m and v
ALPHAS = {m: 2 / (m + 2) for m in SIZES}
HORIZON = {"PASGD": co.periodic_averaging(2, 2), "EASGD": rule10(co.elastic_averaging(2, 0.5))}


def experiments(settings: Settings) -> dict[str, list[Descent]]:
    """Return runs on a bowl at the step size of Corollary 1, at the smallest K that it allows."""
    drafts = {}
    for name, algorithm in HORIZON.items():
        s = bounds.assumptions(algorithm)
        steps = s.tau * int(np.ceil(bounds.eq147(s) / s.tau))
        eta = bounds.corollary1_step(s, steps)
        drafts[name] = descent(algorithm, problems.PROBLEMS["bowl"], eta, steps, d=64)
    return {name: seeded(draft, settings.seeds) for name, draft in drafts.items()}


@decides("coopsgd-cor1-bound")
def test_first_part(claim: Decider, runs: Runs[Descent], figures: FigureFolder) -> None:
    _draw(figures, runs)
    conditions, substituted, ratios = [], [], []
    for s in _settings():
        steps = bounds.eq147(s)
        eta = bounds.corollary1_step(s, steps)
        conditions.append(bounds.eq16(s)(eta))
        substituted.append(bounds.theorem1(s, eta, steps) / bounds.corollary1(s, steps))
    for algorithm, periods in product(worst_case.FAMILY, (1, 64)):
        s = bounds.assumptions(algorithm, gap=BOWL.gap)
        steps = s.tau * int(np.ceil(bounds.eq147(s) / s.tau)) * periods
        ratios.append(_at_corollary(algorithm, steps) / bounds.corollary1(s, steps))
    exact = searched(ratios, "quadratics, K from (147) on")
    implied = searched(conditions, "(16) at the K of (147)")
    same = close(substituted, np.ones(len(substituted)), rtol=0, atol=1e-9)
    measured = problems.below_bound(_at_the_end(runs, name, bounds.corollary1) for name in HORIZON)
    slopes = _slopes(_pasgd)
    rate = all_of(*(within(line.interval, *RATE) for line in slopes))
    text = f"{exact.interval.estimate:.3f} of the bound; {_slope_text(*slopes)}"
    claim.decide(all_of(measured, exact, implied, same, rate, _follows(runs)), text, runs=runs.only(*HORIZON))


@decides("coopsgd-cor1-second")
def test_second_part(claim: Decider) -> None:
    bound, condition, ratios = [], [], []
    for s in _settings():
        for steps in (bounds.eq153(s), 100 * bounds.eq153(s)):
            bound.append(bounds.corollary1(s, steps) / bounds.corollary1_second(s, steps))
            condition.append(bounds.eq138(s)(bounds.corollary1_step(s, steps)))  # also where (147) asks for more
    for algorithm in worst_case.FAMILY:
        s = bounds.assumptions(algorithm, gap=BOWL.gap)
        steps = s.tau * int(np.ceil(bounds.eq153(s) / s.tau))
        ratios.append(_at_corollary(algorithm, steps) / bounds.corollary1_second(s, steps))
    exact = searched(ratios, "quadratics, at the K of (153)")
    decision = all_of(
        exact, searched(bound, "(19) over the second bound"), searched(condition, "(138) at the K of (153)")
    )
    claim.decide(decision, f"{exact.interval.estimate:.3f} of the bound on quadratics")


@decides("coopsgd-cor1-tau-range")
def test_largest_period(claim: Decider) -> None:
    found, printed, ratios = [], [], []
    for m, steps in product((1, 2, 4, 8, 16), (10**3, 10**5, 10**7)):
        allowed = [tau for tau in range(1, isqrt(steps) + 2) if bounds.eq153(Assumptions(m, 0, tau, 0.0)) <= steps]
        found.append(max(allowed, default=0))
        printed.append(isqrt(steps // m**3))
        if allowed:
            s = Assumptions(m, 0, found[-1], 0.0, gap=BOWL.gap)
            ratios.append(bounds.corollary1(s, steps) / bounds.corollary1_second(s, steps))
    bounded = searched(ratios, "(19) over C/sqrt(mK) at the largest tau")
    text = f"tau up to {max(found)}, {bounded.interval.estimate:.3f} of C/sqrt(mK) there"
    claim.decide(all_of(exactly(found, printed), bounded), text)


@decides("coopsgd-eq153-threshold")
def test_threshold(claim: Decider) -> None:
    found = [_threshold(s) for s in _settings()]
    stricter = [bounds.eq153(s) > bounds.eq147(s) for s in _settings()]
    used = exactly(stricter, [s.m + s.v >= sqrt(10) for s in _settings()])
    root = close(found, [sqrt(10)] * len(found), rtol=1e-9, atol=0)  # the same for all settings
    printed = all_of(*(claim.within(point(size)) for size in found))
    smallest = min(s.m + s.v for s, strict in zip(_settings(), stricter, strict=True) if strict)
    text = f"{min(found):.4f} to {max(found):.4f} in {len(found)} settings; {smallest} is the smallest whole m + v"
    claim.decide_misprint(printed, all_of(root, used), text)


@decides("coopsgd-easgd-finite-horizon")
def test_finite_horizon_of_elastic_averaging(claim: Decider, runs: Runs[Descent]) -> None:
    in_steps, in_workers = _slopes(_easgd)
    ratios = []
    for m, steps in product(SIZES, HORIZONS):
        s = bounds.assumptions(_easgd(m), gap=BOWL.gap)
        ratios.append(_at_corollary(_easgd(m), steps) / bounds.theorem2(s, bounds.corollary1_step(s, steps), steps))
    decision = all_of(*(claim.within(line.interval) for line in (in_steps, in_workers)), searched(ratios, "(21)"))
    text = _slope_text(in_steps, in_workers)
    claim.decide(all_of(decision, _follows(runs)), text, runs=runs.only(*HORIZON))


# ---------------------------------------------------------------------------------------------------- measurement


def _settings() -> Iterator[Assumptions]:
    """Yield settings with both small and large terms in the numerators; zeta is 0 for a single model."""
    for (m, v), tau, z, (sigma, gap) in product(PAIRS, (1, 2, 20), (0.0, 0.5, 0.99), ((1, 0), (0, 1), (1, 1))):
        if m + v > 1 or z == 0:
            yield Assumptions(m, v, tau, z, 2.0, sigma, gap)


def _threshold(s: Assumptions) -> float:
    """Return the m + v, at the ratio of m to v that `s` has, where (153) becomes more strict than (147)."""
    from scipy.optimize import brentq

    def excess(size: float) -> float:
        share = size / (s.m + s.v)
        scaled = s._replace(m=share * s.m, v=share * s.v)
        return bounds.eq153(scaled) / bounds.eq147(scaled) - 1

    return float(brentq(excess, 1.0, 100.0, xtol=1e-12))


def _at_corollary(algorithm: CooperativeSGD, steps: int) -> float:
    """Return the exact mean of E |grad F(u_k)|^2 at the step size of Corollary 1."""
    eta = bounds.corollary1_step(bounds.assumptions(algorithm), steps)
    return expected(algorithm, eta, BOWL, steps).gradient


def _at_the_end(runs: Runs[Descent], name: str, bound: Callable[[Assumptions, float], float]) -> Array:
    run = runs.experiment(name)
    ratios: Array = problems.measured(runs[name], "gradient", run.steps) / bound(problems.assumptions(run), run.steps)
    return ratios


def _follows(runs: Runs[Descent]) -> Decision:
    return problems.follows(runs[name] for name in HORIZON)


def _easgd(m: int) -> CooperativeSGD:
    return rule10(co.elastic_averaging(m, ALPHAS[m]))


def _pasgd(m: int) -> CooperativeSGD:
    return co.periodic_averaging(m, 4)


def _slopes(family: Callable[[int], CooperativeSGD]) -> tuple[Slope, Slope]:
    """Return the exponents of K, at m = 8, and of m, at the largest K."""
    over_steps = [_at_corollary(family(8), k) for k in HORIZONS]
    over_workers = [_at_corollary(family(m), LARGE) for m in SIZES]
    return (
        slope_interval(np.log(HORIZONS), np.log(over_steps)),
        slope_interval(np.log(SIZES), np.log(over_workers)),
    )


def _slope_text(in_steps: Slope, in_workers: Slope) -> str:
    rest = max(float(abs(line.residuals).max()) for line in (in_steps, in_workers))
    return f"slope {in_steps.interval.estimate:.4f} in K, {in_workers.interval.estimate:.4f} in m, residuals {rest:.1g}"


# --------------------------------------------------------------------------------------------------------- figure


def _draw(figures: FigureFolder, runs: Runs[Descent]) -> None:
    """Draw exact expectations at the step size of Corollary 1 against mK, and how far they are off 1/sqrt(mK)."""
    figure, (left, right) = panels(2, width=4.8, height=3.6)
    rows = []
    steps = [4**k for k in range(3, 14)]
    for (name, family), style in zip({"PASGD": _pasgd, "EASGD": _easgd}.items(), ("-", ":"), strict=True):
        for m, colour in zip(SIZES, COLOURS, strict=False):
            exact = np.array([_at_corollary(family(m), k) for k in steps])
            mk = m * np.array(steps)
            left.loglog(mk, exact, style, color=colour, label=f"{name}, tau = {family(m).tau}, m = {m}")
            right.semilogx(mk, exact * np.sqrt(mk), style, color=colour, label="_")
            s = bounds.assumptions(family(m), gap=BOWL.gap)
            bound = [bounds.corollary1(s, k) for k in steps]
            rows += [(name, s.tau, m, k, x, b) for k, x, b in zip(steps, exact, bound, strict=True)]
            if m == 4 and style == "-":
                left.loglog(mk, bound, "k--", label="bound (19), PASGD, m = 4")
    for name in HORIZON:
        run = runs.experiment(name)
        dots = problems.measured(runs[name], "gradient", run.steps) / run.d
        left.plot(len(dots) * [run.nodes * run.steps], dots, "ko", ms=5, mfc="none", label="_")
    left.plot([], [], "ko", mfc="none", label="runs, each seed")
    left.set(xlabel="mK", ylabel="mean |grad F(u)|^2", title="eta of Corollary 1")
    right.set(xlabel="mK", ylabel="mean |grad F(u)|^2 sqrt(mK)", title="flat is the rate", ylim=(0, None))
    left.legend(fontsize=6.5)
    figures.save("corollary1", figure, pd.DataFrame(rows, columns=["algorithm", "tau", "m", "K", "exact", "bound"]))
