"""Wrong variants of PopSGD, each with one mistake that the reproductions have to notice."""

from __future__ import annotations

import numpy as np

from algorithms.popsgd import population


def average_first(nodes, i, j, gradient, rate):
    """Averages before the steps, which then keep models apart."""
    eta_i, eta_j = rate(int(nodes.clock[i])), rate(int(nodes.clock[j]))
    average = (nodes.x[i] + nodes.x[j]) / 2
    nodes.x[i] = average
    nodes.x[j] = average
    population.descend(nodes, i, eta_i, gradient)
    population.descend(nodes, j, eta_j, gradient)
    population.tick(nodes.clock, i, j)


def partner_unchanged(nodes, i, j, gradient, rate):
    """Makes both steps, but only i takes the average."""
    eta_i, eta_j = rate(int(nodes.clock[i])), rate(int(nodes.clock[j]))
    population.descend(nodes, i, eta_i, gradient)
    population.descend(nodes, j, eta_j, gradient)
    nodes.x[i] = (nodes.x[i] + nodes.x[j]) / 2
    population.tick(nodes.clock, i, j)


def global_time(nodes, i, j, gradient, rate):
    """Takes the learning rate of the true time t, which no node knows."""
    t = int(nodes.clock.sum()) // nodes.nodes
    population.interact(nodes, i, j, gradient, lambda clock: rate(t))


def ascend(nodes, i, j, gradient, rate):
    """Steps with the wrong sign."""
    population.interact(nodes, i, j, lambda *where: -gradient(*where), rate)


def stay(nodes, i, j, gradient, rate):
    """Averages, but never steps."""
    population.interact(nodes, i, j, lambda x, *_: np.zeros_like(x), rate)


def creep(nodes, i, j, gradient, rate):
    """Makes a thousandth of each step: hardly moves, and runs of different seeds still differ."""
    population.interact(nodes, i, j, gradient, lambda clock: rate(clock) / 1000)


def half(nodes, i, j, gradient, rate):
    """Makes steps of half the size."""
    population.interact(nodes, i, j, gradient, lambda clock: rate(clock) / 2)


def both_tick(clock, i, j):
    """Ticks at both nodes."""
    clock[i] += 1
    clock[j] += 1


def first_ticks(clock, i, j):
    """Ticks at the node that was drawn first, whatever the clocks say."""
    clock[i] += 1


def neighbours(graph, rng, count):
    """Draws neighbours on a cycle where the graph is complete."""
    first = rng.integers(graph.nodes, size=count)
    return np.stack([first, (first + 1) % graph.nodes], axis=1)


def others(graph, rng, count):
    """Draws pairs without replacement."""
    first = rng.integers(graph.nodes, size=count)
    return np.stack([first, (first + 1 + rng.integers(graph.nodes - 1, size=count)) % graph.nodes], axis=1)
