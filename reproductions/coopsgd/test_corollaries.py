"""Sections 4.3 and 5.1, Appendices A, E and F: finite horizons, the dependence on v, Theorem 2, Corollaries 1 to 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import isqrt

import numpy as np
import pandas as pd

from algorithms import cooperative as co
from algorithms.cooperative import CooperativeSGD
from reproductions.coopsgd import bounds, problems, worst
from reproductions.coopsgd.bounds import Condition, Setting
from reproductions.coopsgd.exact import Array, Quadratic, expected, floor
from reproductions.coopsgd.problems import complete, descent, rule10
from reproductions.harness.decisions import Decision, all_of, close, exactly, searched
from reproductions.harness.descent import Descent, by_setting, repeat
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import Slope, at_most_one, slope_interval, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider

BOWL = Quadratic(1.0, sigma=1.0, start=1.0)  # per coordinate of what runs descend on
SIZES, HORIZONS = (2, 4, 8, 12), [4**k for k in range(8, 14)]  # K to 2^26: (153) is satisfied by all of them
LARGE = 1 << 26
PAIRS = ((1, 0), (2, 0), (1, 1), (3, 0), (2, 1), (1, 2), (4, 0), (8, 0), (8, 1), (4, 4))  # m and v
ALPHAS = {m: 2 / (m + 2) for m in SIZES}


def experiments(settings: Settings) -> list[Descent]:
    """Return runs at the step sizes of the corollaries."""
    drafts = []
    for name, algorithm in RUN.items():
        s = bounds.setting(algorithm)
        steps = s.tau * int(np.ceil(bounds.eq147(s) / s.tau))
        drafts.append(
            descent(name, algorithm, problems.PROBLEMS["bowl"], bounds.corollary1_step(s, steps), steps, d=64)
        )
    for name, (algorithm, condition) in EDGE.items():
        eta = condition(bounds.setting(algorithm, 3.0)).largest
        drafts.append(descent(name, algorithm, problems.PROBLEMS["waves"], eta, 16, d=64))
    return [run for draft in drafts for run in repeat(draft, settings.seeds)]


RUN = {"finite, PASGD": co.periodic_averaging(2, 2), "finite, EASGD": rule10(co.elastic_averaging(2, 0.5))}
EDGE: dict[str, tuple[CooperativeSGD, Callable[[Setting], Condition]]] = {
    "edge, Corollary 2": (co.periodic_averaging(4, 4), bounds.corollary2_condition),
    "edge, Corollary 3": (rule10(co.decentralized(problems.RING8)), bounds.eq27),
    "edge, Theorem 2": (rule10(co.elastic_averaging(4, ALPHAS[4])), bounds.eq16),
}


@decides("coopsgd-cor1-bound")
def test_first_part(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    _draw(figures, runs)
    conditions, substituted, ratios = [], [], []
    for s in _settings():
        steps = bounds.eq147(s)
        eta = bounds.corollary1_step(s, steps)
        conditions.append(bounds.eq16(s)(eta))
        substituted.append(bounds.theorem1(s, eta, steps) / bounds.corollary1(s, steps))
    for algorithm, periods in product(worst.FAMILY, (1, 64)):
        s = bounds.setting(algorithm, gap=BOWL.gap)
        steps = s.tau * int(np.ceil(bounds.eq147(s) / s.tau)) * periods
        ratios.append(_at_corollary(algorithm, steps) / bounds.corollary1(s, steps))
    exact = searched(ratios, "quadratics, K from (147) on")
    implied = searched(conditions, "(16) at the K of (147)")
    same = close(substituted, np.ones(len(substituted)), rtol=0, atol=1e-9)
    measured = at_most_one(_over(run, g, bounds.corollary1) for run, g in by_setting(runs, Descent, *RUN).items())
    slopes = _slopes(_pasgd)
    rate = all_of(*(within(line.interval, -0.52, -0.48) for line in slopes))
    text = f"{exact.interval.estimate:.3f} of the bound; {_slope_text(*slopes)}"
    claim.decide(all_of(measured, exact, implied, same, rate, _follows(runs)), text, runs)


@decides("coopsgd-cor1-second")
def test_second_part(claim: Decider) -> None:
    bound, condition, ratios = [], [], []
    for s in _settings():
        for steps in (bounds.eq153(s), 100 * bounds.eq153(s)):
            bound.append(bounds.corollary1(s, steps) / bounds.corollary1_second(s, steps))
            condition.append(bounds.eq138(s)(bounds.corollary1_step(s, steps)))  # also where (147) asks for more
    for algorithm in worst.FAMILY:
        s = bounds.setting(algorithm, gap=BOWL.gap)
        steps = s.tau * int(np.ceil(bounds.eq153(s) / s.tau))
        ratios.append(_at_corollary(algorithm, steps) / bounds.corollary1_second(s, steps))
    exact = searched(ratios, "quadratics, at the K of (153)")
    decision = all_of(
        exact, searched(bound, "(19) over the second bound"), searched(condition, "(138) at the K of (153)")
    )
    claim.decide(decision, f"{exact.interval.estimate:.3f} of the bound on quadratics; (153) alone suffices")


@decides("coopsgd-cor1-tau-range")
def test_largest_period(claim: Decider) -> None:
    found, printed, ratios = [], [], []
    for m, steps in product((1, 2, 4, 8, 16), (10**3, 10**5, 10**7)):
        allowed = [tau for tau in range(1, isqrt(steps) + 2) if bounds.eq153(Setting(m, 0, tau, 0.0)) <= steps]
        found.append(max(allowed, default=0))
        printed.append(isqrt(steps // m**3))
        if allowed:
            s = Setting(m, 0, found[-1], 0.0, gap=BOWL.gap)
            ratios.append(bounds.corollary1(s, steps) / bounds.corollary1_second(s, steps))
    claim.decide(
        all_of(exactly(found, printed), searched(ratios, "(19) over C/sqrt(mK) at the largest tau")),
        f"tau = {found[4]} at m = 2, K = 10^5; slopes 1/2 in K, -3/2 in m",
    )


@decides("coopsgd-eq153-threshold")
def test_threshold(claim: Decider) -> None:
    low, high = 1.0, 10.0  # of m + v; both conditions have m and the brackets in common
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle**2 < 10 else (low, middle)
    smallest = min(m + v for m, v in PAIRS if bounds.eq153(Setting(m, v, 2, 0.5)) > bounds.eq147(Setting(m, v, 2, 0.5)))
    printed = close([low], [claim.claim.value], rtol=0, atol=0.05)
    corrected = all_of(close([low], [3.16], rtol=0, atol=5e-3), exactly([smallest], [4]))
    claim.decide_erratum(printed, corrected, f"{low:.4f}; m + v >= 4 either way")


@decides("coopsgd-v-dependence")
def test_auxiliary_variables(claim: Decider) -> None:
    counts, eta = (0, 1, 2, 4), 0.05
    holds, floors = [], []
    for z, tau in ((0.0, 1), (0.6, 1), (0.6, 4)):
        family = [complete(4, z, v, tau) for v in counts]
        settings = [bounds.setting(algorithm, gap=1.0) for algorithm in family]
        first = [bounds.synchronous(s._replace(sigma=0.0), eta, 100) for s in settings]
        second = [bounds.synchronous(s._replace(gap=0.0), eta, 100) for s in settings]
        slower = [expected(a, eta, Quadratic(1.0, sigma=0.0, start=1.0), 64).gradient for a in family]
        floors = [floor(algorithm, eta, Quadratic(1.0), 1 << 12).gradient for algorithm in family]
        rising, falling = (first, slower), (second, floors)
        holds += [np.diff(values).min() > 0 for values in rising] + [np.diff(values).max() < 0 for values in falling]
    effective = exactly([eta / Setting(4, v, 1, 0.0).columns for v in (0, 4)], [0.05, 0.025])
    text = f"exact floor falls from {floors[0]:.5f} (v = 0) to {floors[-1]:.5f} (v = 4)"
    claim.decide(all_of(exactly(holds, [True] * len(holds)), effective), text)


@decides("coopsgd-theorem2-bound")
def test_theorem2(claim: Decider, runs: list[Run]) -> None:
    printed, proof, ratios = [], [], []
    for m in (2, 3, 8, 64):
        s = Setting(m, 1, 1, m / (m + 2))
        printed.append(bounds.theorem2(s, 0.1) / bounds.theorem1(s, 0.1))
        proof.append(m**2 / (2 * (m + 1)) / float(bounds.network_error(1, m / (m + 2))))  # v = 0, as Appendix F says
    for m, condition, share in product((2, 4, 8), (bounds.eq16, bounds.eq138), (0.1, 1.0)):
        algorithm = rule10(co.elastic_averaging(m, 2 / (m + 2)))
        s = bounds.setting(algorithm, gap=BOWL.gap)
        eta = share * condition(s).largest
        ratios += [expected(algorithm, eta, BOWL, k).gradient / bounds.theorem2(s, eta, k) for k in (1, 64, 1 << 16)]
    exact = searched(ratios, "quadratics, m = 2, 4, 8")
    same = close([*printed, *proof], np.ones(2 * len(proof)), rtol=0, atol=1e-9)
    measured = _edge(runs, "Theorem 2", bounds.theorem2)
    text = f"(m+1)/2 with v = 1; {measured.interval.estimate:.3f} of the bound in runs"
    claim.decide(all_of(measured, exact, same), text, runs)


@decides("coopsgd-easgd-finite-horizon")
def test_finite_horizon_of_elastic_averaging(claim: Decider, runs: list[Run]) -> None:
    in_steps, in_workers = _slopes(_easgd)
    ratios = []
    for m, steps in product(SIZES, HORIZONS):
        s = bounds.setting(_easgd(m), gap=BOWL.gap)
        ratios.append(_at_corollary(_easgd(m), steps) / bounds.theorem2(s, bounds.corollary1_step(s, steps), steps))
    decision = all_of(
        within(in_steps.interval, -0.52, -0.48), within(in_workers.interval, -0.52, -0.48), searched(ratios, "(21)")
    )
    claim.decide(all_of(decision, _follows(runs)), _slope_text(in_steps, in_workers), runs)


@decides("coopsgd-cor2-pasgd")
def test_periodic_averaging(claim: Decider, runs: list[Run]) -> None:
    family = [co.periodic_averaging(m, tau) for m, tau in product((1, 2, 8), (1, 2, 4, 16))]
    decision = _special(family, bounds.corollary2_condition, bounds.corollary2)
    measured = _edge(runs, "Corollary 2", bounds.corollary2)
    climbs = worst.climb(co.periodic_averaging(2, 2), 4, 0.0, starts=3, moves=120)  # (138) is the condition here
    search = searched([r.theorem for r in climbs], "objectives that are not quadratic, tau = 2")
    text = f"{measured.interval.estimate:.3f} of the bound in runs, {decision.interval.estimate:.3f} on quadratics"
    claim.decide(all_of(measured, decision, search), text, runs)


@decides("coopsgd-cor3-dpsgd")
def test_decentralized(claim: Decider, runs: list[Run]) -> None:
    family = [complete(m, z) for m, z in product((2, 8), (-0.5, 0.0, 0.3, 0.9, 0.99))]
    decision = _special([*family, rule10(co.decentralized(problems.RING8))], bounds.eq27, bounds.corollary3)
    measured = _edge(runs, "Corollary 3", bounds.corollary3)
    text = f"{measured.interval.estimate:.3f} of the bound in runs, {decision.interval.estimate:.3f} on quadratics"
    claim.decide(all_of(measured, decision), text, runs)


# ---------------------------------------------------------------------------------------------------- measurement

Bound = Callable[[Setting, float, float], float]


def _settings() -> Iterator[Setting]:
    """Yield settings with both small and large terms in the numerators; zeta is 0 for a single model."""
    for (m, v), tau, z, (sigma, gap) in product(PAIRS, (1, 2, 20), (0.0, 0.5, 0.99), ((1, 0), (0, 1), (1, 1))):
        if m + v > 1 or z == 0:
            yield Setting(m, v, tau, z, 2.0, sigma, gap)


def _at_corollary(algorithm: CooperativeSGD, steps: int) -> float:
    """Return the exact mean of E |grad F(u_k)|^2 at the step size of Corollary 1."""
    eta = bounds.corollary1_step(bounds.setting(algorithm), steps)
    return expected(algorithm, eta, BOWL, steps).gradient


def _special(family: list[CooperativeSGD], condition: Callable[[Setting], Condition], bound: Bound) -> Decision:
    """Decide that a corollary is (139) with its condition (138), and that quadratics respect it at the edge."""
    same, ratios = [], []
    for algorithm, problem in product(family, (BOWL, Quadratic(0.2))):
        s = bounds.setting(algorithm, 1.0, problem.sigma, problem.gap)
        eta = condition(s).largest
        same += [bounds.eq138(s)(eta), bound(s, eta, 100) / bounds.theorem1(s, eta, 100)]
        for share, periods in product((0.3, 1.0), (1, 16, 1 << 14)):
            k = periods * s.tau
            found = expected(algorithm, share * eta, problem, k).gradient
            ratios.append(found / bound(s, share * eta, k))
    exact = searched(ratios, "quadratics, eta to the edge of its condition")
    return all_of(exact, close(same, np.ones(len(same)), rtol=0, atol=1e-9))


def _edge(runs: list[Run], name: str, bound: Bound) -> Decision:
    ((run, group),) = by_setting(runs, Descent, f"edge, {name}").items()
    s, eta = problems.setting(run), problems.eta(run)
    return at_most_one(problems.measured(group, "gradient", k) / bound(s, eta, k) for k in problems.whole_periods(run))


def _over(run: Descent, group: list[Run], bound: Callable[[Setting, float], float]) -> Array:
    ratios: Array = problems.measured(group, "gradient", run.steps) / bound(problems.setting(run), run.steps)
    return ratios


def _follows(runs: list[Run]) -> Decision:
    """Decide whether runs at the step sizes of Corollary 1 have the exact expectations."""
    decisions = []
    for run, group in by_setting(runs, Descent, *RUN).items():
        exact = expected(problems.member(run), problems.eta(run), BOWL, run.steps).gradient * run.d
        decisions.append(within(problems.measured(group, "gradient", run.steps) / exact, 0.95, 1.05))
    return all_of(*decisions)


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


def _draw(figures: FigureFolder, runs: list[Run]) -> None:
    """Draw exact expectations at the step size of Corollary 1 against mK, and how far they are off 1/sqrt(mK)."""
    figure, (left, right) = panels(2, width=4.8, height=3.6)
    rows = []
    steps = [4**k for k in range(3, 14)]
    for (name, family), style in zip({"PASGD, tau = 4": _pasgd, "EASGD": _easgd}.items(), ("-", ":"), strict=True):
        for m, colour in zip(SIZES, COLOURS, strict=False):
            exact = np.array([_at_corollary(family(m), k) for k in steps])
            mk = m * np.array(steps)
            left.loglog(mk, exact, style, color=colour, label=f"{name}, m = {m}")
            right.semilogx(mk, exact * np.sqrt(mk), style, color=colour, label="_")
            s = bounds.setting(family(m), gap=BOWL.gap)
            bound = [bounds.corollary1(s, k) for k in steps]
            rows += [(name, m, k, x, b) for k, x, b in zip(steps, exact, bound, strict=True)]
            if m == 4 and style == "-":
                left.loglog(mk, bound, "k--", label="bound (19), PASGD, m = 4")
    for run, group in by_setting(runs, Descent, *RUN).items():
        dots = problems.measured(group, "gradient", run.steps) / run.d
        left.plot(len(dots) * [run.nodes * run.steps], dots, "ko", ms=5, mfc="none", label="_")
    left.plot([], [], "ko", mfc="none", label="runs, each seed")
    left.set(xlabel="mK", title="mean |grad F(u)|^2, eta of Corollary 1")
    right.set(xlabel="mK", title="times sqrt(mK): flat is the rate", ylim=(0, None))
    left.legend(fontsize=6.5)
    figures.save("corollary1", figure, pd.DataFrame(rows, columns=["algorithm", "m", "K", "exact", "bound"]))
