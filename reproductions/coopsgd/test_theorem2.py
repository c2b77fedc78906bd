"""What follows from Theorem 1 for single members: Theorem 2, Corollaries 2 and 3, and the dependence on v."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from algorithms.coopsgd import cooperative as co
from algorithms.coopsgd.cooperative import CooperativeSGD
from reproductions.coopsgd import bounds, problems, worst_case
from reproductions.coopsgd.bounds import Assumptions, Condition
from reproductions.coopsgd.exact import Parabola, expected, floor
from reproductions.coopsgd.problems import complete, descent, rule10
from reproductions.experiments.descent import Descent, seeded
from reproductions.paper import (
    Decider,
    Decision,
    Runs,
    Settings,
    all_of,
    close,
    decides,
    exactly,
    searched,
)

Bound = Callable[[Assumptions, float, float], float]
BOWL = Parabola(1.0, sigma=1.0, start=1.0)  # per coordinate of what runs descend on
EDGE: dict[str, tuple[CooperativeSGD, Callable[[Assumptions], Condition]]] = {
    "Corollary 2": (co.periodic_averaging(4, 4), bounds.corollary2_condition),
    "Corollary 3": (rule10(co.decentralized(problems.RING8)), bounds.eq27),
    "Theorem 2": (rule10(co.elastic_averaging(4, 1 / 3)), bounds.eq16),
}


def experiments(settings: Settings) -> dict[str, list[Descent]]:
    """Return runs on waves at the largest step size that the condition of each statement allows."""
    runs = {}
    for name, (algorithm, condition) in EDGE.items():
        eta = condition(bounds.assumptions(algorithm, 3.0)).largest
        runs[name] = seeded(descent(algorithm, problems.PROBLEMS["waves"], eta, 16, d=64), settings.seeds)
    return runs


@decides("coopsgd-v-dependence")
def test_auxiliary_variables(claim: Decider) -> None:
    counts, eta = (0, 1, 2, 4), 0.05
    holds, floors = [], []
    for z, tau in ((0.0, 1), (0.6, 1), (0.6, 4)):
        family = [complete(4, z, v, tau) for v in counts]
        settings = [bounds.assumptions(algorithm, gap=1.0) for algorithm in family]
        first = [bounds.synchronous(s._replace(sigma=0.0), eta, 100) for s in settings]
        second = [bounds.synchronous(s._replace(gap=0.0), eta, 100) for s in settings]
        slower = [expected(a, eta, Parabola(1.0, sigma=0.0, start=1.0), 64).gradient for a in family]
        floors = [floor(algorithm, eta, Parabola(1.0), 1 << 12).gradient for algorithm in family]
        rising, falling = (first, slower), (second, floors)
        holds += [np.diff(values).min() > 0 for values in rising] + [np.diff(values).max() < 0 for values in falling]
    effective = exactly([eta / Assumptions(4, v, 1, 0.0).columns for v in (0, 4)], [0.05, 0.025])
    text = f"exact floor falls from {floors[0]:.5f} (v = 0) to {floors[-1]:.5f} (v = 4)"
    claim.decide(all_of(exactly(holds, [True] * len(holds)), effective), text)


@decides("coopsgd-theorem2-bound")
def test_theorem2(claim: Decider, runs: Runs[Descent]) -> None:
    printed, proof, ratios = [], [], []
    for m in (2, 3, 8, 64):
        s = Assumptions(m, 1, 1, m / (m + 2))
        printed.append(bounds.theorem2(s, 0.1) / bounds.theorem1(s, 0.1))
        proof.append(m**2 / (2 * (m + 1)) / float(bounds.network_error(1, m / (m + 2))))  # v = 0, as Appendix F says
    for m, condition, share in product((2, 4, 8), (bounds.eq16, bounds.eq138), (0.1, 1.0)):
        algorithm = rule10(co.elastic_averaging(m, 2 / (m + 2)))
        s = bounds.assumptions(algorithm, gap=BOWL.gap)
        eta = share * condition(s).largest
        ratios += [expected(algorithm, eta, BOWL, k).gradient / bounds.theorem2(s, eta, k) for k in (1, 64, 1 << 16)]
    exact = searched(ratios, "quadratics, m = 2, 4, 8")
    same = close([*printed, *proof], np.ones(2 * len(proof)), rtol=0, atol=1e-9)
    measured = _edge(runs, "Theorem 2", bounds.theorem2)
    text = f"(m+1)/2 with v = 1; {measured.interval.estimate:.3f} of the bound in runs"
    claim.decide(all_of(measured, exact, same), text, runs=runs.only("Theorem 2"))


@decides("coopsgd-cor2-pasgd")
def test_periodic_averaging(claim: Decider, runs: Runs[Descent]) -> None:
    family = [co.periodic_averaging(m, tau) for m, tau in product((1, 2, 8), (1, 2, 4, 16))]
    decision = _special(family, bounds.corollary2_condition, bounds.corollary2)
    measured = _edge(runs, "Corollary 2", bounds.corollary2)
    climbs = worst_case.climb(co.periodic_averaging(2, 2), 4, 0.0, starts=3, moves=120)  # (138) is the condition here
    search = searched([r.theorem for r in climbs], "objectives that are not quadratic, tau = 2")
    text = f"{measured.interval.estimate:.3f} of the bound in runs, {decision.interval.estimate:.3f} on quadratics"
    claim.decide(all_of(measured, decision, search), text, runs=runs.only("Corollary 2"))


@decides("coopsgd-cor3-dpsgd")
def test_decentralized(claim: Decider, runs: Runs[Descent]) -> None:
    family = [complete(m, z) for m, z in product((2, 8), (-0.5, 0.0, 0.3, 0.9, 0.99))]
    decision = _special([*family, rule10(co.decentralized(problems.RING8))], bounds.eq27, bounds.corollary3)
    measured = _edge(runs, "Corollary 3", bounds.corollary3)
    text = f"{measured.interval.estimate:.3f} of the bound in runs, {decision.interval.estimate:.3f} on quadratics"
    claim.decide(all_of(measured, decision), text, runs=runs.only("Corollary 3"))


# ---------------------------------------------------------------------------------------------------- measurement


def _special(family: list[CooperativeSGD], condition: Callable[[Assumptions], Condition], bound: Bound) -> Decision:
    """Decide that a corollary is (139) with its condition (138), and that quadratics respect it at the edge."""
    same, ratios = [], []
    for algorithm, problem in product(family, (BOWL, Parabola(0.2))):
        s = bounds.assumptions(algorithm, 1.0, problem.sigma, problem.gap)
        eta = condition(s).largest
        same += [bounds.eq138(s)(eta), bound(s, eta, 100) / bounds.theorem1(s, eta, 100)]
        for share, periods in product((0.3, 1.0), (1, 16, 1 << 14)):
            k = periods * s.tau
            found = expected(algorithm, share * eta, problem, k).gradient
            ratios.append(found / bound(s, share * eta, k))
    exact = searched(ratios, "quadratics, eta to the edge of its condition")
    return all_of(exact, close(same, np.ones(len(same)), rtol=0, atol=1e-9))


def _edge(runs: Runs[Descent], name: str, bound: Bound) -> Decision:
    group, run = runs[name], runs.experiment(name)
    s, eta = problems.assumptions(run), problems.eta(run)
    return problems.below_bound(
        problems.measured(group, "gradient", k) / bound(s, eta, k) for k in problems.whole_periods(run)
    )
