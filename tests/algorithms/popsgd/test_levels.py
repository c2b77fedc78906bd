"""Interactions made level by level against `population.simulate`, which makes them one after the other."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from algorithms.popsgd import levels as module
from algorithms.popsgd import population
from algorithms.popsgd.levels import levels, simulate_by_level
from algorithms.popsgd.population import ClockRate, Complete, constant, edges_of, interactions

SEED, T = 3, 400
RULES = ["symmetric", "one-sided", "none"]
GRAPHS = {f"complete, n = {n}": Complete(n) for n in (1, 2, 3, 4, 5, 7, 8, 16)}
GRAPHS |= {"cycle, n = 9": edges_of(nx.cycle_graph(9)), "others, n = 8": edges_of(nx.complete_graph(8))}


def gradient(x, node, step):
    """Return what depends, not linearly, on all that a gradient may depend on."""
    return np.sin(x * (1 + node)) + x / (1 + step)


def started(n):
    return population.population(np.random.default_rng(0).standard_normal((n, 5)).astype(np.float32))


def one_after_the_other(graph, averaging, rate, last=T):
    nodes = started(graph.nodes)
    population.simulate(nodes, interactions(graph, SEED, 0, last), gradient, rate, averaging)
    return nodes


def by_level(graph, averaging, rate, cuts=(0, T)):
    """Return the population at the last cut, and the nodes of every call for gradients."""
    nodes, calls = started(graph.nodes), []

    def gradients(x, chosen, made):
        calls.append(chosen)
        return [gradient(x[node], node, step) for node, step in zip(chosen, made, strict=True)]

    for first, last in pairwise(cuts):
        simulate_by_level(nodes, interactions(graph, SEED, first, last), gradients, rate, averaging)
    return nodes, calls


def assert_same(one, other):
    for name in ("x", "clock", "steps"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


def test_levels_by_hand():
    made = levels([(0, 1), (2, 3), (1, 2), (3, 3), (0, 3), (4, 4)])
    assert [(level.begun, level.pairs, level.nodes) for level in made] == [
        ([4], [(0, 1), (2, 3)], [0, 1, 2, 3, 4]),
        ([3], [(1, 2), (4, 4)], [1, 2, 3, 4]),
        ([], [(3, 3)], [3]),
        ([], [(0, 3)], [0, 3]),
    ]
    made = levels([(0, 1), (2, 1), (3, 3)], "one-sided")
    assert [(level.begun, level.pairs, level.nodes) for level in made] == [
        ([], [(0, 1), (3, 3)], [0, 3]),
        ([], [(2, 1)], [2]),
    ]
    assert levels([]) == []


@pytest.mark.parametrize("rate", [constant(0.1), ClockRate(3, 20.0, 4.0)], ids=["constant", "clock"])
@pytest.mark.parametrize("averaging", RULES)
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_it_is_bitwise_the_loop(graph, averaging, rate):
    nodes, calls = by_level(graph, averaging, rate)
    assert_same(nodes, one_after_the_other(graph, averaging, rate))
    assert Counter(chain(*calls)) == {i: steps for i, steps in enumerate(nodes.steps.tolist()) if steps}


@pytest.mark.parametrize("averaging", RULES)
def test_whoever_looks_at_time_t_sees_the_interactions_before_t_and_no_other(averaging):
    graph, rate, cuts = Complete(7), ClockRate(3, 20.0, 4.0), (0, 1, 2, 9, 10, 57, 58, 200)
    for end in range(1, len(cuts)):
        nodes, _ = by_level(graph, averaging, rate, cuts[: end + 1])
        assert_same(nodes, one_after_the_other(graph, averaging, rate, cuts[end]))


@pytest.mark.parametrize("averaging", RULES)
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_a_level_is_one_call_for_different_nodes_and_no_interaction_waits_longer_than_it_must(graph, averaging):
    pairs = interactions(graph, SEED, 0, T)
    made = levels(pairs, averaging)
    _, calls = by_level(graph, averaging, constant(0.1))
    assert calls == [level.nodes for level in made]
    before = set()
    for level in made:
        busy = [node for pair in level.pairs for node in dict.fromkeys(pair)] + level.begun
        assert len(set(busy)) == len(busy)
        assert set(level.nodes) <= set(busy)
        assert not before or all(before & {*pair} for pair in [*level.pairs, *((i, i) for i in level.begun)])
        before = set(busy)
    ended = list(chain(*(level.pairs for level in made)))
    for node in range(graph.nodes):
        assert [pair for pair in ended if node in pair] == [tuple(pair) for pair in pairs.tolist() if node in pair]


WRONG = {
    "ignores j": lambda last, i, j: 1 + last[i],
    "ignores i": lambda last, i, j: 1 + last[j],
    "waits for the earlier one": lambda last, i, j: 1 + min(last[i], last[j]),
    "shares the level": lambda last, i, j: max(1, last[i], last[j]),
}


@pytest.mark.parametrize("averaging", RULES)
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_levels_turn_the_comparison_red(monkeypatch, wrong, averaging):
    monkeypatch.setattr(module, "level_of", wrong)
    with pytest.raises(AssertionError):
        test_it_is_bitwise_the_loop(Complete(8), averaging, constant(0.1))


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="averaging is 'both'"):
        simulate_by_level(started(2), [], lambda *_: [], constant(0.1), "both")


def test_the_page_says_how_many_nodes_a_level_has():
    lines = (Path(__file__).parents[3] / "docs" / "gpu.md").read_text().splitlines()
    rows = {
        cells[0]: cells[1:] for line in lines if len(cells := line.strip().strip("|").replace(" ", "").split("|")) == 7
    }

    def mean(n, averaging):
        graph = Complete(n) if averaging == "symmetric" else edges_of(nx.complete_graph(n))
        counts = [len(level.nodes) for level in levels(interactions(graph, 0, 0, 20_000), averaging)]
        return f"{np.mean(counts):.2f}"

    for averaging in ("symmetric", "one-sided"):
        assert rows[averaging] == [mean(int(n), averaging) for n in rows["nodes"]]
