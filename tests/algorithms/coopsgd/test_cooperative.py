"""Cooperative SGD: every special case against its own equations, the timing of averaging, bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.coopsgd import cooperative as co
from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.coopsgd.elastic import best_alpha, elastic, hierarchical
from algorithms.network import Link
from algorithms.topology import Matrix, complete, lazy, ring, uniform, value, zeta
from algorithms.world import World
from reproductions.coopsgd.equations import (
    ETA,
    RING,
    STEPS,
    D,
    M,
    direct,
    equation_2,
    equation_3,
    equation_6,
    equation_10,
    equations_4_and_5,
    trajectory,
)

CASES: dict[str, tuple[CooperativeSGD, list[Tensor]]] = {
    "fully synchronous, (2)": (co.fully_synchronous(M), direct(equation_2)),
    "PASGD, (3)": (co.periodic_averaging(M, 3), direct(equation_3(3))),
    "EASGD, (4) and (5)": (co.elastic_averaging(M, 0.125), direct(equations_4_and_5(0.125), v=1)),
    "D-PSGD, (6)": (co.decentralized(RING), direct(equation_6)),
}
DESIGNS = {
    "decentralized periodic": co.decentralized_periodic(RING, 2),
    "EASGD by rule (10)": replace(co.elastic_averaging(M, 0.125, tau=2), alternative=False),
    "generalized elastic, (23)": co.generalized_elastic(RING, 0.25),
    "hierarchical, figure 6": co.hierarchical_averaging([2, 2], 0.25, 0.125, tau=2),
}
CASES |= {name: (algorithm, equation_10(algorithm)) for name, algorithm in DESIGNS.items()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_members_of_the_family_are_their_equations(case: tuple[CooperativeSGD, list[Tensor]]) -> None:
    algorithm, wanted = case
    for k, (got, want) in enumerate(zip(trajectory(algorithm), wanted, strict=True), start=1):
        assert torch.equal(got, want), f"iteration {k}"


def test_models_are_averaged_after_the_gradient_steps_k_that_tau_divides() -> None:
    spread = [bool((x - x.mean(dim=0)).any()) for x in trajectory(co.periodic_averaging(M, 3))]
    assert spread == [True, True, False, True, True, False]  # after k = 3 and k = 6


def test_rules_differ_in_what_is_averaged() -> None:
    ours = replace(co.decentralized(RING), alternative=False)
    assert torch.equal(trajectory(ours)[0], torch.from_numpy(RING) @ trajectory(co.decentralized(RING))[0])


@pytest.mark.parametrize(
    "algorithm",
    [
        co.elastic_averaging(M, 0.3),
        co.elastic_averaging(M, 0.3, tau=3),
        co.generalized_elastic(RING, 0.3, tau=2),
        co.hierarchical_averaging([3, 1], 0.2, 0.1, tau=2),
    ],
    ids=["EASGD", "EASGD, tau = 3", "generalized", "hierarchical"],
)
def test_overlap_changes_no_number(algorithm: CooperativeSGD) -> None:
    blocking, hidden = trajectory(algorithm), trajectory(replace(algorithm, overlap=True))
    assert all(torch.equal(a, b) for a, b in zip(blocking, hidden, strict=True))


# -------------------------------------------------------------------------------------------------------- matrices


@pytest.mark.parametrize("m", [1, 2, 4, 7, 8])
def test_elastic_matrix_is_that_of_equation_11(m: int) -> None:
    alpha = 0.5 / (m + 1)
    w = elastic(np.eye(m), alpha)
    assert np.array_equal(w[:m, :m], (1 - alpha) * np.eye(m))
    assert np.array_equal(w[:m, m], np.full(m, alpha))
    assert w[m, m] == 1 - m * alpha
    if m > 1:  # a single worker has no one to disagree with: zeta(I) is 0
        assert best_alpha(np.eye(m)) == pytest.approx(float(Fraction(2, m + 2)))


def test_hierarchy_of_equal_groups_has_the_stated_eigenvalues() -> None:
    v, s, alpha, beta = 3, 4, 0.15, 0.1
    pairs = [
        np.linalg.eigvalsh([[1 - alpha, alpha * s**0.5], [alpha * s**0.5, 1 - alpha * s - beta * mu]])
        for mu in (0.0, v, v)
    ]
    wanted = np.sort(np.concatenate([*pairs, np.full(v * s - v, 1 - alpha)]))
    assert np.allclose(np.sort(np.linalg.eigvalsh(hierarchical([s] * v, alpha, beta))), wanted, atol=1e-12)


def test_groups_of_a_hierarchy_meet_only_through_their_auxiliaries() -> None:
    w = hierarchical([2, 3], 0.2, 0.1)
    assert np.array_equal(w[:5, :5], 0.8 * np.eye(5))
    assert np.array_equal(w[:5, 5:] != 0, np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], dtype=bool))
    assert zeta(w) < 1


# ---------------------------------------------------------------------------------------------------- traffic ledger

BYTES = 8 * D


@pytest.mark.parametrize(
    ("algorithm", "sent"),
    [
        (co.fully_synchronous(M), STEPS * 2 * (M - 1) * BYTES),  # reduce-scatter and all-gather, all workers together
        (co.periodic_averaging(M, 3), STEPS // 3 * 2 * (M - 1) * BYTES),
        (co.elastic_averaging(M, 0.125), STEPS * 2 * M * BYTES),  # m models up, z down to m
        (co.elastic_averaging(M, 0.125, tau=2, overlap=True), STEPS // 2 * 2 * M * BYTES),
        (co.decentralized(RING), STEPS * 2 * M * BYTES),  # two neighbours each
        (co.generalized_elastic(RING, 0.25), STEPS * (2 * M + 2 * M) * BYTES),
        (co.hierarchical_averaging([2, 2], 0.25, 0.125, tau=2), STEPS // 2 * (2 * M + 2) * BYTES),
    ],
)
def test_bytes_are_those_of_the_formula(algorithm: CooperativeSGD, sent: int) -> None:
    world = World(None, algorithm.workers + algorithm.v)
    x = torch.zeros(world.workers, D, dtype=torch.float64)
    for t in range(STEPS):
        algorithm.step(world, x, torch.zeros_like(x), {}, t, ETA)
    algorithm.settle(world, x)
    assert world.traffic.totals()["sent_bytes"] == world.traffic.totals()["received_bytes"] == sent


def test_link_time_of_a_star_is_set_by_its_centre() -> None:
    world, algorithm = World(None, M + 1), co.elastic_averaging(M, 0.125)
    x = torch.zeros(M + 1, D, dtype=torch.float64)
    algorithm.step(world, x, x.clone(), {}, 0, ETA)
    seconds = Link(bandwidth=8.0).seconds(world.traffic.busiest_messages, world.traffic.busiest_bytes)
    assert seconds == M * BYTES  # one byte a second


# ------------------------------------------------------------------------------------------------------- bad input


def far_from_symmetric() -> Matrix:
    return np.array([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: CooperativeSGD(0, value(RING)), "tau is 0, but a communication period has at least one iteration"),
        (lambda: CooperativeSGD(1, value(2 * RING)), "rows of a mixing matrix sum to one, but row 0 sums to 2"),
        (lambda: CooperativeSGD(1, value(far_from_symmetric())), "W is not symmetric: W\\[0, 1\\] is 0.5 but"),
        (lambda: CooperativeSGD(1, value(np.eye(3)[:2])), "a mixing matrix is n x n with n >= 1, but the shape is"),
        (lambda: CooperativeSGD(1, value(np.eye(4))), "zeta is 1, not below 1: the graph is disconnected"),
        (lambda: CooperativeSGD(1, value(RING), v=4), "v is 4, but a 4 x 4 W leaves room for a worker only if"),
        (lambda: CooperativeSGD(1, value(RING), overlap=True), "only auxiliary variables can be updated while"),
        (lambda: co.elastic_averaging(8, 2 / 9), "alpha is 0.2222.*, but 8 workers need 0 < alpha < 2/\\(m \\+ 1\\)"),
        (lambda: co.elastic_averaging(8, 0.0), "alpha is 0.0, but 8 workers need 0 < alpha"),
        (lambda: co.generalized_elastic(RING, -0.1), "alpha is -0.1, but 4 workers need"),
        (lambda: co.hierarchical_averaging([2, 0], 0.1, 0.1), "every group needs at least one worker"),
        (lambda: co.hierarchical_averaging([2, 2], 0.1, 0.0), "zeta is 1, not below 1: the graph is disconnected"),
    ],
)
def test_bad_input_is_one_sentence(make: Callable[[], Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make()


def test_a_matrix_for_other_workers_is_refused() -> None:
    world = World(None, 3)
    with pytest.raises(ValueError, match="a mixing matrix for 3 workers cannot have the shape \\(4, 4\\)"):
        co.decentralized(RING).step(world, torch.zeros(3, D), torch.zeros(3, D), {}, 0, 0.1)


def test_matrices_beyond_assumption_5_run_if_asked_for() -> None:
    beyond = CooperativeSGD(1, value(elastic(np.eye(M), 0.75)), 1, diverges=True)
    assert trajectory(beyond, steps=40)[-1].abs().max() > 1e6


def test_complete_graph_averages_like_all_reduce() -> None:
    rows = torch.randn(M, 1000)
    mixed, meaned = rows.clone(), rows.clone()
    CooperativeSGD(1, value(uniform(complete(M)))).step(World(None, M), mixed, torch.zeros_like(rows), {}, 0, 0.1)
    World(None, M).mix(meaned, np.full((M, M), 1 / M))
    assert torch.allclose(mixed, meaned)
    assert zeta(lazy(uniform(ring(8)))) == pytest.approx(0.9024, abs=5e-5)
