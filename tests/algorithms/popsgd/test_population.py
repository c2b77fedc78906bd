"""Algorithm 1, its clock, its interactions and its averages."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from algorithms.popsgd import population
from algorithms.popsgd.population import CHUNK, ClockRate, Complete, Edges, constant, edges_of, interactions


def to_own_target(x, node, step):
    """Return the gradient of |x - node - step|^2/2, which depends on all that a gradient may depend on."""
    return x - node - step


def started(n=3, d=2):
    return population.population(np.arange(n * d, dtype=np.float64).reshape(n, d))


def test_one_interaction_is_algorithm_1_by_hand():
    nodes = started()
    population.interact(nodes, 0, 2, to_own_target, constant(0.5))
    x0, x2 = np.array([0.0, 0.5]), np.array([4.0, 5.0]) - 0.5 * np.array([2.0, 3.0])
    np.testing.assert_array_equal(nodes.x, [(x0 + x2) / 2, [2, 3], (x0 + x2) / 2])
    assert nodes.clock.tolist() == [1, 0, 0]
    assert nodes.steps.tolist() == [1, 0, 1]


def test_a_self_interaction_is_two_steps_of_one_node():
    nodes = started(1)
    population.interact(nodes, 0, 0, to_own_target, constant(0.5))
    np.testing.assert_array_equal(nodes.x, [[0.5, 0.75]])  # (0, 1) -> (0, 0.5) -> (0.5, 0.75)
    assert (nodes.clock[0], nodes.steps[0]) == (1, 2)


def test_one_node_is_sequential_sgd_with_two_steps_an_interaction():
    nodes, x, rate = started(1), started(1).x[0], ClockRate(1, 3.0, 1.0)
    population.simulate(nodes, interactions(Complete(1), 0, 0, 50), to_own_target, rate)
    for step in range(100):
        x = x - rate(step // 2) * to_own_target(x, 0, step)
    np.testing.assert_array_equal(nodes.x[0], x)


def test_a_reader_leaves_its_partner_alone():
    nodes = started()
    population.simulate(nodes, [(0, 2)], to_own_target, constant(0.5), "one-sided")
    np.testing.assert_array_equal(nodes.x, [[2, 2.75], [2, 3], [4, 5]])
    assert nodes.steps.tolist() == nodes.clock.tolist() == [1, 0, 0]
    nodes.clock[0] = 5  # ahead
    population.read(nodes, 0, 2, to_own_target, constant(0.5))
    assert nodes.clock[0] == 5


def test_rates_are_those_of_the_clocks_before_the_interaction():
    nodes, seen = started(), []

    def rate(clock):
        seen.append(clock)
        return 0.0

    nodes.clock[:] = 7, 0, 4
    population.interact(nodes, 0, 2, to_own_target, rate)
    assert seen == [7, 4]
    assert nodes.clock.tolist() == [7, 0, 5]


@pytest.mark.parametrize("graph", [Complete(7), edges_of(nx.cycle_graph(7))], ids=["complete", "cycle"])
def test_interactions_do_not_depend_on_how_they_are_asked_for(graph):
    whole = interactions(graph, 3, 0, 3 * CHUNK)
    cuts = [0, 1, 5, CHUNK - 1, CHUNK, CHUNK + 7, 3 * CHUNK]
    parts = [interactions(graph, 3, lo, hi) for lo, hi in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert interactions(graph, 3, 9, 9).shape == (0, 2)
    assert (interactions(graph, 4, 0, 100) != whole[:100]).any()


def test_pairs_are_uniform_with_replacement_or_over_edges_in_both_directions():
    pairs = interactions(Complete(3), 0, 0, 90_000)
    counts = np.bincount(3 * pairs[:, 0] + pairs[:, 1], minlength=9)
    assert abs(counts - 10_000).max() < 500  # 5 standard deviations
    path = interactions(edges_of(nx.path_graph(["a", "b", "c"])), 0, 0, 40_000)
    assert {(0, 1), (1, 0), (1, 2), (2, 1)} == set(map(tuple, path.tolist()))
    assert abs(np.bincount(3 * path[:, 0] + path[:, 1])[[1, 3, 5, 7]] - 10_000).max() < 500


def test_clocks_add_up_to_time():
    nodes = population.population(np.zeros((16, 1)))
    population.simulate(nodes, interactions(Complete(16), 1, 0, 500), lambda x, *_: x, constant(0.1))
    assert nodes.clock.sum() == 500
    assert nodes.steps.sum() == 1000
    assert np.ptp(nodes.clock) < 12


def test_rates_follow_the_clock():
    assert ClockRate(10, 4.0, 2.0)(3) == 2 / 34
    assert constant(0.25)(10**9) == 0.25


def test_weighted_averages():
    assert population.weights(2.0, 3).tolist() == [4, 9, 16]
    assert population.weighted_mean(np.array([[1.0], [2.0], [3.0]]), 2.0)[0] == (4 + 18 + 48) / 29
    drawn = [population.sampled_time(2.0, 3, seed) for seed in range(2000)]
    np.testing.assert_allclose(np.bincount(drawn) / 2000, np.array([4, 9, 16]) / 29, atol=0.05)


def test_mean_and_potential():
    nodes = population.population(np.array([[0.0, 1.0], [4.0, 1.0]]))
    assert nodes.mean.tolist() == [2, 1]
    assert nodes.potential == 8
    assert nodes.nodes == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Complete(0), "nodes is 0, but a population has at least one node"),
        (lambda: Complete(-3), "nodes is -3"),
        (lambda: Edges(0, ()), "nodes is 0"),
        (lambda: Edges(3, ((0, 1),)), "node 2 of 3 is isolated"),
        (lambda: Edges(2, ((0, 2),)), "an edge has node 2, but the nodes are 0 to 1"),
        (lambda: edges_of(nx.empty_graph(["lonely"])), "node 'lonely' of .* is isolated"),
        (lambda: edges_of(nx.DiGraph([(0, 1)])), "is directed"),
        (lambda: ClockRate(2, 0.0, 1.0), "needs n >= 0, a > 0 and b >= 0"),
        (lambda: population.population(np.zeros((0, 3))), r"the shape is \(0, 3\)"),
        (lambda: population.weights(1.0, 0), "T is 0"),
        (lambda: interactions(Complete(2), 0, 5, 3), "times go from 5 to 3"),
        (lambda: population.simulate(started(), [], to_own_target, constant(1), "both"), "averaging is 'both'"),
    ],
)
def test_bad_input_gets_one_clear_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()
