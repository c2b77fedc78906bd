"""The compiled simulation against the loop that specifies it.

In float64 results agree to 1e-12 of the models' size: the same operations in the same order, but for the order of the
terms in dot products. Clocks, steps and rows agree exactly.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from algorithms.popsgd import population
from algorithms.popsgd.loops import draw_rows
from algorithms.popsgd.population import ClockRate, Complete, constant, edges_of, interactions
from algorithms.popsgd.simulation import Samples, Simulation

N, D, M, T = 23, 9, 57, 1500


def samples(batch=1, loss="squares", dtype=np.float64):
    rng = np.random.default_rng(1)
    a = rng.standard_normal((M, D)).astype(dtype)
    y = a @ np.arange(D) + rng.standard_normal(M)
    return Samples(a, (np.sign(y) if loss == "logistic" else y).astype(dtype), batch, loss, seed=5)


def compiled(s, graph=None, averaging="symmetric", rate=None):
    graph = graph or Complete(N)
    nodes = population.population(np.ones((graph.nodes, D), s.a.dtype))
    return Simulation(nodes, graph, s, rate or ClockRate(N, 40.0 * N, 2.0 * N), averaging, seed=2)


def specified(simulation, last):
    nodes = population.population(np.ones_like(simulation.nodes.x))
    pairs = interactions(simulation.graph, simulation.seed, 0, last)
    population.simulate(nodes, pairs, simulation.samples.gradient, simulation.rate, simulation.averaging)
    return nodes


@pytest.mark.parametrize("averaging", ["symmetric", "one-sided", "none"])
@pytest.mark.parametrize("loss", ["squares", "logistic"])
@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("graph", [Complete(N), edges_of(nx.cycle_graph(5)), Complete(1)], ids=["all", "cycle", "one"])
def test_equals_the_loop(averaging, loss, batch, graph):
    fast = compiled(samples(batch, loss), graph, averaging)
    fast.to_time(T)
    slow = specified(fast, T)
    np.testing.assert_allclose(fast.nodes.x, slow.x, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(fast.nodes.clock, slow.clock)
    np.testing.assert_array_equal(fast.nodes.steps, slow.steps)


def test_equals_the_loop_in_single_precision():
    fast = compiled(samples(3, dtype=np.float32), rate=constant(0.02))
    fast.to_time(T)
    np.testing.assert_allclose(fast.nodes.x, specified(fast, T).x, rtol=1e-4, atol=1e-4)
    assert fast.nodes.x.dtype == np.float32


def test_does_not_depend_on_where_it_pauses():
    whole, parts = compiled(samples()), compiled(samples())
    whole.to_time(9000)
    for steps in (1, 2, 30, 31, 100):
        parts.to_step(3, steps)
        assert steps <= parts.nodes.steps[3] <= steps + 1
    for t in (4095, 4096, 9000):
        parts.to_time(t)
        assert parts.t == parts.nodes.clock.sum() == t
    np.testing.assert_array_equal(whole.nodes.x, parts.nodes.x)


def test_pauses_right_after_the_step():
    simulation = compiled(samples())
    simulation.to_step(0, 10)
    assert 0 in interactions(simulation.graph, 2, simulation.t - 1, simulation.t)


def test_rows_are_uniform_and_independent_of_each_other():
    rows, drawn = np.empty(5, np.int64), []
    for step in range(4000):
        draw_rows(3, step, 10, np.uint64(7), rows)
        drawn.append(rows.copy())
    counts = np.bincount(np.concatenate(drawn))
    assert abs(counts - 2000).max() < 220  # 5 standard deviations
    table = np.histogram2d(np.ravel(drawn)[:-1], np.ravel(drawn)[1:], bins=10)[0]
    assert abs(table - 200).max() < 75
    draw_rows(3, 1, 10, np.uint64(7), rows[:2])
    np.testing.assert_array_equal(rows[:2], drawn[1][:2])  # a larger batch begins like a smaller one


def test_philox_known_answer():
    rows = np.empty(4, np.int64)
    draw_rows(0, 0, 2**32 - 1, np.uint64(0), rows)
    np.testing.assert_array_equal(rows, [0x6627E8D4, 0xE169C58C, 0xBC57AC4B, 0x9B00DBD7])  # less one: w m / 2^32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Samples(np.ones((3, 2)), np.ones(2)), r"not \(3, 2\) and \(2,\)"),
        (lambda: Samples(np.ones((0, 2)), np.ones(0)), r"not \(0, 2\)"),
        (lambda: Samples(np.ones((3, 2)), np.ones(3, np.float32)), "share a float type"),
        (lambda: Samples(np.ones((3, 2)), np.ones(3), 0), "batch is 0"),
        (lambda: Samples(np.ones((3, 2)), np.ones(3), 1, "hinge"), "loss is 'hinge'"),
        (lambda: compiled(samples(), averaging="both"), "averaging is 'both'"),
        (
            lambda: Simulation(population.population(np.ones((2, D))), Complete(3), samples(), constant(1)),
            "the graph has 3 nodes, but there are 2 models",
        ),
        (
            lambda: Simulation(population.population(np.ones((3, 2))), Complete(3), samples(), constant(1)),
            "models are float64 of 2 weights, samples float64 of 9",
        ),
    ],
)
def test_bad_input_gets_one_clear_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()
