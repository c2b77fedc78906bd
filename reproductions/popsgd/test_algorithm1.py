"""Algorithm 1: the update, who interacts with whom, what counts as time, and n = 1."""

from __future__ import annotations

import numpy as np

from algorithms import popsgd
from algorithms.popsgd import ClockRate, Complete, Graph, Population, constant, interactions
from algorithms.popsgd_engine import Loss, Samples, Simulation
from algorithms.streams import stream
from reproductions.harness.decisions import Decision, Interval, agree, all_of, exactly
from reproductions.harness.plugin import decides
from reproductions.harness.verdicts import Decider
from reproductions.popsgd.convex import Array

RATE = ClockRate(8, 16.0, 4.0)


@decides("popsgd-eq11-update")
def test_update_of_an_interaction(claim: Decider) -> None:
    same, different = (_after(clocks) for clocks in ((3, 3), (0, 5)))
    printed = all_of(_close(same, by_the_printed_update(3, 3)), _close(different, by_the_printed_update(0, 5)))
    both = all_of(*(_close(_after(clocks), by_own_rates(*clocks)) for clocks in ((3, 3), (0, 5), (9, 2))))
    apart = np.abs(different - by_the_printed_update(0, 5)).max()
    claim.decide_erratum(
        printed, both, f"(1.1) is off by up to {apart:.2g} with clocks 0 and 5; with equal clocks exact"
    )


@decides("popsgd-alg1-self-interaction")
def test_pairs_with_replacement(claim: Decider) -> None:
    uniform = [_uniform(Complete(n)) for n in (2, 3, 8)]
    nodes = _nodes((0, 0))
    x, eta = nodes.x[0].copy(), RATE(0)
    popsgd.interact(nodes, 0, 0, _gradient, RATE)
    for _ in range(2):
        x = x - eta * _gradient(x, 0, 0)
    steps = agree([(nodes.x[0], x), (nodes.steps, [2, 0])], rtol=1e-14)
    smallest = min(decision.interval.estimate for decision in uniform)
    claim.decide(all_of(*uniform, steps), f"p at least {smallest:.2g}; i = j makes 2 steps")


@decides("popsgd-parallel-time")
def test_parallel_time(claim: Decider) -> None:
    counted, expected = [], []
    for n, t in ((1, 7), (2, 100), (8, 1000), (32, 4096)):
        nodes = popsgd.population(np.ones((n, 1)))
        popsgd.simulate(nodes, interactions(Complete(n), 0, 0, t), _gradient, constant(0.1))
        counted += [nodes.steps.sum(), n * nodes.steps.mean(), nodes.clock.sum()]
        expected += [2 * t, 2 * t, t]
    claim.decide(exactly(np.array(counted), np.array(expected)), "2T steps, 2 T_p by node")


@decides("popsgd-fig1-baseline-identity")
def test_one_node_is_sequential_sgd(claim: Decider) -> None:
    pairs = []
    kinds: tuple[tuple[Loss, ClockRate], ...] = (
        ("squares", constant(0.02)),
        ("logistic", constant(0.2)),
        ("squares", ClockRate(1, 50.0, 1.0)),
    )
    for loss, rate in kinds:
        samples = _samples(loss)
        one = Simulation(popsgd.population(np.zeros((1, 5))), Complete(1), samples, rate)
        one.to_time(500)
        pairs.append((one.nodes.x[0], sequential_sgd(samples, rate, steps=1000)))
    decision = agree(pairs, rtol=1e-12, atol=1e-14)
    off = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
    claim.decide(decision, f"off by at most {off:.1g} after 1000 steps, 500 interactions")


# ---------------------------------------------------------------------------------------------------- measurement


def _gradient(x: Array, node: int, step: int) -> Array:
    """Return a gradient that depends on the model and on the node, and is not linear."""
    slope: Array = np.sin(x) + node + 1
    return slope


def _nodes(clocks: tuple[int, int]) -> Population:
    nodes = popsgd.population(stream(0, "algorithm 1").standard_normal((2, 6)))
    nodes.clock[:] = clocks
    return nodes


def _after(clocks: tuple[int, int]) -> Array:
    """Return both models, (2, d), after an interaction of algorithm 1 with these clocks before it."""
    nodes = _nodes(clocks)
    popsgd.interact(nodes, 0, 1, _gradient, RATE)
    return np.asarray(nodes.x)


def by_the_printed_update(*clocks: int) -> Array:
    """Return both models after (1.1), with the rate of the node itself before both gradients."""
    x = _nodes((0, 0)).x
    gradients = _gradient(x[0], 0, 0) + _gradient(x[1], 1, 0)
    return np.array([x.mean(axis=0) - RATE(clock) * gradients / 2 for clock in clocks])


def by_own_rates(*clocks: int) -> Array:
    """Return both models after (1.1), with each gradient at the rate of its node."""
    x = _nodes((0, 0)).x
    steps = sum(RATE(clock) * _gradient(x[i], i, 0) for i, clock in enumerate(clocks))
    return np.array(2 * [x.mean(axis=0) - steps / 2])


def _close(a: Array, b: Array) -> Decision:
    return agree([(a, b)], rtol=1e-14, atol=1e-15)


def _uniform(graph: Graph, each: int = 200) -> Decision:
    """Decide that all n^2 pairs are equally likely, by a chi-square test at 0.1 %."""
    from scipy.stats import chisquare

    n = graph.nodes
    pairs = interactions(graph, 0, 0, each * n * n)
    p = float(chisquare(np.bincount(pairs[:, 0] * n + pairs[:, 1], minlength=n * n)).pvalue)
    sentence = f"chi-square test of {n * n} equally likely pairs: p = {p:.3g}"
    return Decision("holds" if p > 0.001 else "fails", Interval(p, p, p, 1.0, len(pairs)), sentence)


def _samples(loss: Loss) -> Samples:
    rng = stream(1, "algorithm 1")
    a = rng.standard_normal((200, 5))
    y = a @ rng.standard_normal(5) + rng.standard_normal(200)
    return Samples(a, y if loss == "squares" else np.sign(y), batch=3, loss=loss)


def sequential_sgd(samples: Samples, rate: ClockRate, steps: int) -> Array:
    """Return the model after steps of SGD from 0 on the samples of node 0; the clock ticks every second step."""
    x = np.zeros(samples.a.shape[1])
    for step in range(steps):
        x = x - rate(step // 2) * samples.gradient(x, 0, step)
    return x
