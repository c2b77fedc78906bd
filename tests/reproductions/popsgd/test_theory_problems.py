"""The problems and runs behind PopSGD's theorems say what they are."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.popsgd import population
from algorithms.popsgd.population import ClockRate, Complete
from reproductions.harness.runs.context import Context
from reproductions.popsgd.bounds import CLOCK
from reproductions.popsgd.descent import Clocks, PopulationDescent
from reproductions.popsgd.enumeration import cycle, uniform
from reproductions.popsgd.problems import Bowl, Cosines, Flat, Halves, Kink, Ridge

X = np.linspace(-4, 4, 801)


@pytest.mark.parametrize("problem", [Bowl(1, 2.0, 2.0, 0.5), Cosines(1, 2.0, 0.7)])
def test_gradients_are_those_of_the_excess(problem):
    excess = np.array([problem.excess(np.array([x])) for x in X])
    slope = problem.gradient(X[:, None])[:, 0]
    assert np.gradient(excess, X)[1:-1] == pytest.approx(slope[1:-1], abs=1e-3)
    assert excess.min() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    "problem", [Bowl(1, 2.0, 2.0), Cosines(1, 2.0), Kink(1, 2.0, 0.3, 1.2), Ridge(1, 0.1), Flat(1, 3.0)]
)
def test_constants_hold(problem):
    slope = problem.gradient(X[:, None])[:, 0]
    assert abs(np.diff(slope) / np.diff(X)).max() <= problem.lipschitz + 1e-9
    if not isinstance(problem, Bowl):
        assert (slope**2).max() <= problem.steepest(1.0) + 1e-12


def test_gap_of_a_kink():
    problem = Kink(3, 2.0, 0.3, 1.2)
    x = np.linspace(0, 0.3, 30_001)
    assert problem.gap == pytest.approx(-3 * np.trapezoid(problem.gradient(x), x), rel=1e-6)


def test_halves_are_pulled_apart():
    assert Halves(1, 1.0).gradient(np.zeros(1), 0.4) == -Halves(1, 1.0).gradient(np.zeros(1), 0.5) == 1


def test_a_bowl_is_never_left():
    problem = Bowl(2, 0.5, 1.0, 0.25)
    run = PopulationDescent(Complete(4), 400, 0, problem, 1.0, ClockRate(4, 8.0, 8.0))
    found = _logged(run)
    assert 0.25 < found["reach", 400] <= problem.reach(1.0).max()


def test_what_a_descent_logs():
    run = PopulationDescent(Complete(3), 16, 1, Bowl(2, 1.0, 2.0, 1.0), 0.5, ClockRate(3, 5.0, 4.0))
    nodes, means, gradient = population.population(np.zeros((3, 2))), [], run._stochastic()
    potentials = []
    for pair in population.interactions(Complete(3), 1, 0, 16):
        means.append(nodes.mean)
        potentials.append(nodes.potential)
        population.simulate(nodes, [pair], gradient, run.rate)
    found, w = _logged(run), population.weights(5.0, 16)
    assert found["averaged", 16] == pytest.approx(run.problem.excess(population.weighted_mean(np.array(means), 5.0)))
    assert found["mean_excess", 16] == pytest.approx(w @ [run.problem.excess(m) for m in means] / w.sum())
    assert found["gradient", 16] == pytest.approx(np.mean([(run.problem.gradient(m) ** 2).sum() for m in means]))
    assert found["mean_potential", 16] == pytest.approx(np.mean(potentials))
    assert found["potential", 16] == pytest.approx(nodes.potential)


@pytest.mark.parametrize("graph", [Complete(16), cycle(16)])
def test_what_clocks_log(graph):
    run, every = Clocks(graph, 640, 3), population.interactions(graph, 3, 0, 640)
    clock, furthest, ratios = np.zeros(16, np.int64), 0.0, []
    for t, (i, j) in enumerate(every, start=1):
        population.tick(clock, i, j)
        furthest = max(furthest, abs(clock - t / 16).max())
        a = 2 * CLOCK * 16 * np.log(640)
        ratios += list((a + 16 * clock) / (a + t))
    logged = _logged(run)
    assert logged["deviation", 640] == pytest.approx(furthest)
    assert (logged["lowest", 640], logged["highest", 640]) == pytest.approx((min(*ratios, 1), max(*ratios, 1)))
    assert logged["potential", 640] == pytest.approx(2 * np.cosh((clock - 40) / 2).mean())
    if isinstance(graph, population.Edges):
        assert logged["step", 640] == pytest.approx(abs(np.diff(clock, append=clock[0])).mean())


@pytest.mark.parametrize("graph", [Complete(5), cycle(2), cycle(7)])
def test_drawn_pairs_are_uniform(graph):
    assert uniform(graph).outcome == "holds"


def _logged(run):
    context = Context()
    run.execute(context)
    return {(metric, step): value for step, metric, value in context.rows}
