"""Exact second moments are those of the algorithm: every outcome of one and of two interactions, enumerated."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.popsgd import population
from algorithms.popsgd.population import Complete
from algorithms.streams import stream
from reproductions.popsgd import exact
from reproductions.popsgd.enumeration import cycle, outcomes
from reproductions.popsgd.exact import StepSizes

ETA, H, NOISE = 0.3, 1.3, 0.7


def enumerated(graph, steps):
    """Return E |mu|^2 and E Gamma after interactions of models that all start at 1."""
    every = [(1.0, np.ones((graph.nodes, 1)))]
    for _ in range(steps):
        slope = lambda row, node: H * row  # noqa: E731
        every = [
            (chance * then, after)
            for chance, x in every
            for then, after in outcomes(x, graph, slope, [ETA] * graph.nodes, NOISE)
        ]
    mean = sum(chance * float(x.mean()) ** 2 for chance, x in every)
    return mean, sum(chance * float(((x - x.mean()) ** 2).sum()) for chance, x in every)


@pytest.mark.parametrize(("n", "steps"), [(2, 2), (3, 2), (4, 2), (5, 1), (8, 1)])
@pytest.mark.parametrize(("graph", "moments"), [(Complete, exact.complete), (cycle, exact.cycle)])
def test_moments_are_those_of_the_algorithm(graph, moments, n, steps):
    mean, potential = enumerated(graph(n), steps)
    course = moments(n, H, NOISE**2, 1.0, steps, StepSizes(1.0, ETA, falls=0))
    assert (course.mean, course.potential) == pytest.approx((mean, potential), rel=1e-12, abs=1e-14)


def test_rates_fall_and_means_are_weighted():
    a, b, seen = 5.0, 2.0, []
    for steps in range(4):
        seen.append(exact.complete(3, 1.0, 0.0, 1.0, steps, StepSizes(a, b)).mean if steps else 1.0)
    w = population.weights(a, 4)
    averaged = exact.complete(3, 1.0, 0.0, 1.0, 4, StepSizes(a, b)).averaged
    assert averaged == pytest.approx(float(w @ seen / w.sum()))
    fixed = exact.complete(3, 1.0, 0.0, 1.0, 1, StepSizes(a, b / a, falls=0)).mean
    assert seen[1] == pytest.approx(fixed)
    assert seen[2] > exact.complete(3, 1.0, 0.0, 1.0, 2, StepSizes(a, b / a, falls=0)).mean


@pytest.mark.parametrize("n", [2, 3, 8, 16])
def test_noise_on_a_cycle_settles_at_the_closed_form(n):
    settled = exact.cycle(n, 0.0, 1.0, 0.0, 20 * n**3, StepSizes(1.0, 1.0, falls=0)).potential
    assert settled == pytest.approx(exact.cycle_noise(n), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_moments_of_figure_3_are_those_of_algorithm_1_on_gaussian_rows(n):
    d, eta, rng = 6, 0.05, stream(0, "rows")
    nodes, s, mean = population.population(np.zeros((n, d))), [], []

    def gradient(x, node, step):
        a = rng.standard_normal(d)
        return a * (a @ x - rng.standard_normal())

    for i, j in population.interactions(population.Complete(n), 0, 0, 12_000):
        population.interact(nodes, int(i), int(j), gradient, population.constant(eta))
        s.append((nodes.x**2).sum(axis=1).mean())
        mean.append((nodes.mean**2).sum())
    settled = slice(50 * n, None)
    assert np.mean(s[settled]) / 2 == pytest.approx(exact.excess(n, d, eta), rel=0.12)
    assert np.mean(mean[settled]) / 2 == pytest.approx(exact.mean_excess(n, d, eta), rel=0.12)


def test_moments_of_one_node_by_hand():
    assert exact.excess(1, 32, 1e-3) == pytest.approx(0.5 * 1e-6 * 32 / (2e-3 - 34e-6))
    with pytest.raises(ValueError, match=r"bounded only if eta < 0\.05882"):
        exact.moments(2, 32, 0.06)
