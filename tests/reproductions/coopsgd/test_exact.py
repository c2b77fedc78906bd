"""Exact expectations against independent ways to compute them."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.coopsgd import cooperative as co
from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.topology import ring, uniform
from reproductions.coopsgd import worst_case
from reproductions.coopsgd.exact import Parabola, expected
from reproductions.coopsgd.problems import complete

FAMILY = [
    co.elastic_averaging(4, 0.3),  # by the alternative rule
    co.generalized_elastic(uniform(ring(5)), 0.2, tau=3),
    co.hierarchical_averaging([2, 3], 0.2, 0.1, tau=2),
]


def by_matrices(algorithm: CooperativeSGD, eta: float, problem: Parabola, steps: int) -> list[float]:
    """Return the means that `expected` gives, iteration by iteration, with the matrices written out."""
    n, m, h = len(algorithm.weights), algorithm.workers, problem.curvature
    workers, identity, mean = np.diag((np.arange(n) < m) * 1.0), np.eye(n), np.full(n, 1 / n)
    s, sums = np.full((n, n), problem.start), np.zeros(3)
    for k in range(1, steps + 1):
        sums += h**2 * mean @ s @ mean, np.trace(s) - n * mean @ s @ mean, h**2 * np.trace(workers @ s)
        w = algorithm.W if k % algorithm.tau == 0 else identity
        noise = eta**2 * (problem.sigma**2 * workers + problem.beta * h**2 * workers * np.diag(s))
        local = identity - eta * h * workers
        both = w - eta * h * workers
        s = both.T @ s @ both + noise if algorithm.alternative else w.T @ (local @ s @ local + noise) @ w
    return list(sums / steps)


@pytest.mark.parametrize("algorithm", FAMILY, ids=["EASGD", "generalized elastic", "hierarchical"])
@pytest.mark.parametrize("problem", [Parabola(0.0, 1.3), Parabola(0.7, 1.3, beta=2.0, start=2.0)], ids=str)
def test_powers_of_a_period_are_the_recursion(algorithm: CooperativeSGD, problem: Parabola) -> None:
    assert expected(algorithm, 0.2, problem, 29) == pytest.approx(by_matrices(algorithm, 0.2, problem, 29))


def test_enumeration_on_a_bowl_has_the_exact_moments() -> None:
    bowl = worst_case.Case(np.ones(worst_case.PIECES), 20.0, 0.5, 1.0, 0.2, 1.0)
    algorithm, problem = complete(2, 0.4, v=1, tau=2), Parabola(1.0, 1.0, beta=1.5, start=0.5**2)
    found, exact = worst_case.enumerated(algorithm, bowl, 0.1, 5, 1.5), expected(algorithm, 0.1, problem, 5)
    assert found == pytest.approx((exact.gradient, exact.consensus))
    assert worst_case.gap(bowl) == pytest.approx(problem.gap)


def test_landscapes_end_where_their_minimum_is_known() -> None:
    # the gradient is -1 up to x = 1 and rises to 0 at x = 2: F falls by 1 and by 1/2
    fall = worst_case.Case(np.zeros(worst_case.PIECES), 1.0, -1.0, 1.0, 0.2, 1.0)
    assert worst_case.gap(fall) == pytest.approx(1.0 + 0.5)
