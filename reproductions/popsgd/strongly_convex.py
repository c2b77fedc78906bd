"""What the tests of Theorems 4.1 and 5.1 share: exact expectations on parabolas, bounds, and runs beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from algorithms.popsgd import population
from algorithms.popsgd.population import ClockRate, Graph
from reproductions.paper import Decision, Runs, agree, all_of, searched, within
from reproductions.popsgd.bounds import Conditions
from reproductions.popsgd.descent import PopulationDescent
from reproductions.popsgd.exact import Course, StepSizes
from reproductions.popsgd.problems import Bowl

Moments = Callable[[int, float, float, float, int, StepSizes], Course]  # `exact.complete` or `exact.cycle`
CLOSE = 0.15  # of runs to the exact expectation, which has the true time in the place of the clocks


def conditions(n: int, steps: int, problem: Bowl, noise: float = 1.0) -> Conditions:
    """Return what the bounds depend on, for noise of this size and random sign in every coordinate."""
    variance = problem.d * noise**2
    M = (problem.steepest(noise) + variance) ** 0.5
    return Conditions(n, steps, problem.low, problem.high, variance**0.5, M, problem.d * problem.centre**2)


def descent(problem: Bowl, graph: Graph, steps: int) -> PopulationDescent:
    """Return a run with the a and b of the theorems."""
    n, s = graph.nodes, conditions(graph.nodes, steps, problem)
    return PopulationDescent(graph, steps, 0, problem, 1.0, ClockRate(n, s.a, s.b), max(2, n // 4))


def expected(s: Conditions, problem: Bowl, moments: Moments) -> float:
    """Return the left-hand side of (5.1), which is at least that of the theorems, exactly, for unit noise."""
    courses = [moments(s.n, h, 1.0, problem.centre, s.T, StepSizes(s.a, s.b)) for h in np.unique(problem.curvature)]
    values = dict(zip(np.unique(problem.curvature), (course.averaged for course in courses), strict=True))
    return float(sum(h * values[h] / 2 for h in problem.curvature))


def over_bound(s: Conditions, problem: Bowl, moments: Moments, on_cycle: bool = False) -> float:
    """Return the left-hand side of (5.1) over the right-hand side of its theorem."""
    return expected(s, problem, moments) / sum(s.terms(on_cycle))


def stays_at_the_start(s: Conditions, problem: Bowl, on_cycle: bool = False) -> float:
    """Return f(0) - f*, which models that never move have at all times, over the right-hand side of a theorem."""
    return problem.excess(np.zeros(problem.d)) / sum(s.terms(on_cycle))


def summed(graph: Graph, on_cycle: bool = False) -> float:
    """Return both sides' ratio for mu_t = sum_i X_t^i, as printed, with M, sigma -> 0 and all models at x* = 1.

    Models that start at x* stay there, so that the printed mu_t is n x* for all t.
    """
    n, T = graph.nodes, 1 << 15
    s = Conditions(n, T, 1.0, 1.0, 0.0, 0.0, distance=(n - 1.0) ** 2)
    nodes, pairs = population.population(np.ones((n, 1))), population.interactions(graph, 0, 0, 64)
    population.simulate(nodes, pairs, lambda x, *_: x - 1, ClockRate(n, s.a, s.b))
    y = float(nodes.x.sum())  # of all times
    return (y - 1) ** 2 / 2 / sum(s.terms(on_cycle))


def follow(runs: Runs[PopulationDescent], moments: Moments) -> Decision:
    """Decide that runs have the exact expectation of the left-hand side of (5.1), label by label."""
    decisions = []
    for label in runs:
        run = runs.experiment(label)
        wanted = expected(conditions(run.graph.nodes, run.steps, _bowl(run)), _bowl(run), moments)
        decisions.append(within(np.divide(runs.final("mean_excess", label), wanted), 1 - CLOSE, 1 + CLOSE))
    return all_of(*decisions)


def confined(runs: Runs[PopulationDescent]) -> Decision:
    """Decide that no model went where its gradients could exceed M."""
    ratios = []
    for label in runs:
        run = runs.experiment(label)
        ratios += [reach / float(_bowl(run).reach(run.noise).max()) for reach in runs.final("reach", label)]
    return searched(ratios, "distance to x* over that which M is for")


def _bowl(run: PopulationDescent) -> Bowl:
    assert isinstance(run.problem, Bowl)
    return run.problem


def shares(s: Conditions, C: float, on_cycle: bool = False) -> Decision:
    """Decide that third over second term is also what C and B add up to in the recursion of Lemma 4.6, B = 16.

    C is 288 n^2 M^2 L, or 800 n^6 M^2 L^2/ell on the cycle: with a_t = 0 both are all that is left.
    """
    t = s.a + np.arange(s.T, dtype=np.float64)
    summed = C * s.T * 16 / (16 * 4 * float(t.sum()))
    _, second, third = s.terms(on_cycle)
    return agree([(summed, third / second)], rtol=1e-4)
