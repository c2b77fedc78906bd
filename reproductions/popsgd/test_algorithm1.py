"""Algorithm 1: the update, who interacts with whom, what counts as time, and n = 1."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from algorithms.popsgd import population
from algorithms.popsgd.population import ClockRate, Complete, Population, constant, interactions
from algorithms.popsgd.simulation import Loss, Samples, Simulation
from algorithms.streams import stream
from reproductions.paper import Decider, Decision, agree, all_of, decides, exactly
from reproductions.popsgd.convex import Array
from reproductions.popsgd.enumeration import uniform

RATE = ClockRate(8, 16.0, 4.0)
CLOCKS = ((0, 5), (9, 2), (3, 3))
LOSSES: tuple[Loss, ...] = ("squares", "logistic")
FALLING = ClockRate(3, 9.0, 1.5)  # of three nodes: halves as the clocks go on to 3


@decides("popsgd-eq11-update")
def test_update_of_an_interaction(claim: Decider) -> None:
    same, different = (_after(clocks) for clocks in ((3, 3), (0, 5)))
    printed = _close(same, by_the_printed_update(3, 3))
    own = all_of(*(_close(_after(clocks), by_own_rates(*clocks)) for clocks in CLOCKS))
    twins = [_twins(loss, batch) for loss, batch in product(LOSSES, (1, 3))]
    compiled = agree([pair for pairs in twins for pair in pairs], rtol=1e-10, atol=1e-12)
    apart = np.abs(different - by_the_printed_update(0, 5)).max()
    off = max(float(np.abs(np.subtract(*pair)).max()) for pairs in twins for pair in pairs)
    text = f"with clocks 0 and 5 algorithm 1 and (1.1) differ by {apart:.2g}; the compiled loop is off by {off:.1g}"
    claim.decide(all_of(printed, own, compiled), text)


@decides("popsgd-alg1-self-interaction")
def test_pairs_with_replacement(claim: Decider) -> None:
    all_pairs = {n: set(product(range(n), range(n))) for n in (2, 3, 8)}
    fair = [uniform(Complete(n), pairs, 200 * n * n) for n, pairs in all_pairs.items()]
    nodes = _nodes((0, 0))
    x, eta = nodes.x[0].copy(), RATE(0)
    population.interact(nodes, 0, 0, _gradient, RATE)
    for _ in range(2):
        x = x - eta * _gradient(x, 0, 0)
    steps = agree([(nodes.x[0], x), (nodes.steps, [2, 0])], rtol=1e-14)
    smallest = min(decision.interval.estimate for decision in fair)
    claim.decide(all_of(*fair, steps), f"p at least {smallest:.2g}; i = j makes 2 steps")


@decides("popsgd-parallel-time")
def test_parallel_time(claim: Decider) -> None:
    counted, expected = [], []
    for n, t in ((1, 7), (2, 100), (8, 1000), (32, 4096)):
        nodes = population.population(np.ones((n, 1)))
        population.simulate(nodes, interactions(Complete(n), 0, 0, t), _gradient, constant(0.1))
        counted += [nodes.steps.sum(), n * nodes.steps.mean(), nodes.clock.sum()]
        expected += [2 * t, 2 * t, t]
    steps = max(a / b for a, b in zip(counted[::3], counted[2::3], strict=True))
    claim.decide(exactly(np.array(counted), np.array(expected)), f"{steps:g} T steps in T interactions")


@decides("popsgd-fig1-baseline-identity")
def test_one_node_is_sequential_sgd(claim: Decider) -> None:
    kinds: dict[str, list[tuple[Loss, ClockRate]]] = {
        "constant rate": [("squares", constant(0.02)), ("logistic", constant(0.2))],
        "phase clock": [("squares", ClockRate(1, 50.0, 1.0))],
    }
    pairs = {name: [_one_node(*kind) for kind in chosen] for name, chosen in kinds.items()}
    off = {name: max(float(np.abs(np.subtract(*pair)).max()) for pair in found) for name, found in pairs.items()}
    text = "; ".join(f"{name}: off by {value:.2g} after 1000 steps" for name, value in off.items())
    claim.decide_readings({name: agree(found, rtol=1e-12, atol=1e-14) for name, found in pairs.items()}, text)


# ---------------------------------------------------------------------------------------------------- measurement


def _gradient(x: Array, node: int, step: int) -> Array:
    """Return a gradient that depends on the model and on the node, and is not linear."""
    return np.asarray(np.sin(x) + node + 1)


def _nodes(clocks: tuple[int, int]) -> Population:
    nodes = population.population(stream(0, "algorithm 1").standard_normal((2, 6)))
    nodes.clock[:] = clocks
    return nodes


def _after(clocks: tuple[int, int]) -> Array:
    """Return both models, (2, d), after an interaction of algorithm 1 with these clocks before it."""
    nodes = _nodes(clocks)
    population.interact(nodes, 0, 1, _gradient, RATE)
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


def _samples(loss: Loss) -> Samples:
    rng = stream(1, "algorithm 1")
    a = rng.standard_normal((200, 5))
    y = a @ rng.standard_normal(5) + rng.standard_normal(200)
    return Samples(a, y if loss == "squares" else np.sign(y), batch=3, loss=loss)


def sequential_sgd(samples: Samples, rate: ClockRate, steps: int) -> Array:
    """Return the model after steps of SGD from 0 on the samples of node 0; its rate goes by the steps made."""
    x = np.zeros(samples.a.shape[1])
    for step in range(steps):
        x = x - rate(step) * samples.gradient(x, 0, step)
    return x


def _one_node(loss: Loss, rate: ClockRate) -> tuple[Array, Array]:
    """Return the model of a population of one node after 1000 steps, 500 interactions, and that of sequential SGD."""
    samples = _samples(loss)
    one = Simulation(population.population(np.zeros((1, 5))), Complete(1), samples, rate)
    one.to_time(500)
    return one.nodes.x[0], sequential_sgd(samples, rate, steps=1000)


def _twins(loss: Loss, batch: int) -> list[tuple[Array, Array]]:
    """Return models, clocks and steps of three nodes after 200 interactions, by algorithm 1 and compiled."""
    samples = replace(_samples(loss), batch=batch)
    ours, compiled = (population.population(np.zeros((3, 5))) for _ in range(2))
    population.simulate(ours, interactions(Complete(3), 0, 0, 200), samples.gradient, FALLING)
    Simulation(compiled, Complete(3), samples, FALLING).to_time(200)
    return [(ours.x, compiled.x), (ours.clock, compiled.clock), (ours.steps, compiled.steps)]
