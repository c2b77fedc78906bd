"""Lemmas 4.3 and 4.4: the potential Gamma_t on the complete graph."""

from __future__ import annotations

from itertools import product

import numpy as np

from algorithms.popsgd.population import Complete, Graph, constant, edges_of
from algorithms.streams import stream
from algorithms.topology import complete
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
    within,
)
from reproductions.popsgd import bounds, plots
from reproductions.popsgd.descent import PopulationDescent
from reproductions.popsgd.enumeration import expected, outcomes, potential, still, uniform
from reproductions.popsgd.potentials import ETA, PROBLEMS, edge, largest_by_recursion, one_step, over_bound, pushing
from reproductions.popsgd.readings import seeded

FEWEST = 8  # seeds: Gamma at one time varies by its own size
NODES = (4, 10, 36)  # n of the runs; without the last at falling rates
ROUNDS = 64  # T/n


def experiments(settings: Settings) -> dict[Label, list[PopulationDescent]]:
    """Return runs at the edge of Lemma 4.4, a = 18 n, and at a constant rate, by graph or rate, gradients and n."""
    drafts: dict[Label, PopulationDescent] = {
        ("complete", kind, n): PopulationDescent(Complete(n), ROUNDS * n, 0, *PROBLEMS[kind], edge(n), every=n)
        for kind in PROBLEMS
        for n in NODES[:2]
    }
    for n in NODES:
        run = PopulationDescent(Complete(n), ROUNDS * n, 0, *PROBLEMS["noise"], constant(ETA), every=n)
        drafts["constant", "noise", n] = run
    return {label: seeded(draft, max(settings.seeds, FEWEST)) for label, draft in drafts.items()}


def part(runs: Runs[PopulationDescent], kind: str) -> Runs[PopulationDescent]:
    """Return the runs at falling rates, ``complete``, or at a ``constant`` one."""
    return runs.where(lambda label: isinstance(label, tuple) and label[0] == kind)


@decides("popsgd-gamma-averaging-only")
def test_averaging_only(claim: Decider) -> None:
    factors = []
    for n in (2, 3, 8, 32):
        x = stream(0, "models", n).standard_normal((n, 4))
        for graph, wanted in ((Complete(n), 1 - 1 / n), (_simple(n), 1 - 1 / (n - 1))):
            after = expected(outcomes(x, graph, still, [ETA] * n), potential)
            factors.append((after / potential(x), np.full(4, wanted)))
    fair = all_of(*(uniform(graph(n)) for n in (2, 3, 8, 32) for graph in (Complete, _simple)))
    text = f"{factors[4][0][0]:.6f} at n = 8 with replacement, {factors[5][0][0]:.6f} without"
    claim.decide(all_of(agree(factors, rtol=1e-9), fair), text)


@decides("popsgd-lemma43-bound")
def test_lemma43(claim: Decider) -> None:
    ratios, alone = [], []
    for n in (2, 3, 4, 6):
        x, push, etas, noise = one_step(n)
        after = expected(outcomes(x, Complete(n), pushing(push), list(etas), noise), potential)
        ratios.append((after - (1 - 1 / n) * potential(x)) / bounds.drift43(n, potential(x), 1.0, 1.0))
        # (B.7): nodes at one place, pushed alike at twice eta_t, that meet themselves
        alone.append((_meets_itself(n), 16 * (1 - 1 / n)))
    search = searched(np.concatenate(ratios), "n = 2 to 6, any models, gradients up to M, rates in [eta/2, 2 eta]")
    text = f"{search.interval.estimate:.3f} of what it adds to (1 - 1/n) Gamma at worst"
    claim.decide(all_of(search, agree(alone, rtol=1e-9)), text)


@decides("popsgd-lemma44-gamma")
def test_lemma44(claim: Decider, runs: Runs[PopulationDescent], figures: FigureFolder) -> None:
    plots.potential(runs, "complete", NODES[1], PROBLEMS, figures)
    decision = at_most_one(over_bound(part(runs, "complete"), bounds.lemma44))
    recursion = searched(
        [largest_by_recursion(n, 1 / n, 18 * n, 36 * n) for n in (2, 3, 8, 64, 512)], "Lemma 4.3 at a = 18 n"
    )
    constant_rate = searched([bounds.SETTLED / 36], "fixed point of Lemma 4.3 at a constant rate")
    text = f"{decision.interval.estimate:.3f} of the bound at worst, {recursion.interval.estimate:.3f} by Lemma 4.3"
    claim.decide(all_of(decision, recursion, constant_rate), text, part(runs, "complete"))


@decides("popsgd-gamma-order")
def test_order(claim: Decider, runs: Runs[PopulationDescent]) -> None:
    one_step = []
    for n, eta in product((2, 3, 5, 8), (0.01, 0.1, 1.0)):
        x = stream(0, "models", n).standard_normal((n, 3))
        after = expected(outcomes(x, Complete(n), still, [eta] * n, 1.0), potential)
        one_step.append((after, (1 - 1 / n) * potential(x) + (1 - 1 / n) * eta**2))
    step = agree(one_step, rtol=1e-9)  # so the fixed point is (n - 1) eta^2 sigma^2
    found = {n: runs.final("mean_potential", ("constant", "noise", n)) for n in NODES}
    ratios = []
    for n, values in found.items():
        run = runs.experiment(("constant", "noise", n))
        looks = np.arange(0, run.steps, run.every)
        mean = (n - 1) * (ETA * run.sigma) ** 2 * (1 - (1 - 1 / n) ** looks).mean()
        ratios.append(within(np.divide(values, mean), 0.8, 1.2))
    measured = [np.mean(values) for values in found.values()]
    slope = slope_interval(np.log(np.subtract(NODES, 1)), np.log(measured)).interval
    near = close([slope.estimate], [1.0], rtol=0, atol=0.1)
    means = ", ".join(f"{decision.interval.estimate:.2f}" for decision in ratios)
    text = f"{means} of (n - 1) eta^2 sigma^2 for n = {NODES}, slope {slope.estimate:.3f} in n - 1"
    claim.decide(all_of(step, *ratios, near), text, part(runs, "constant"))


# ---------------------------------------------------------------------------------------------------- measurement


def _simple(n: int) -> Graph:
    """Return the complete graph without self-interactions: pairs drawn without replacement."""
    return edges_of(complete(n))


def _meets_itself(n: int) -> float:
    """Return E[Delta_t^i] / (eta_t M)^2 where (B.7) has no more than 8."""
    x = np.zeros((n, 1))
    every = outcomes(x, Complete(n), lambda row, node: np.ones_like(row), [2.0] * n)
    grown = [potential(after)[0] for _, after in every if np.count_nonzero(after) == 1]
    return float(np.mean(grown))
