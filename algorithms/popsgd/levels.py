"""PopSGD level by level: interactions that share no node commute, so those of one level are made together.

The level of an interaction is 1 + the largest level of an earlier one that shares a node with it. So every node has its
interactions in the order drawn, and after the last level the population is bit for bit the one that
`population.simulate` makes. A gradient needs the model of its node alone, so all gradients of a level are asked for in
one call.

A node that meets itself makes two steps, of which the second needs the first: its interaction takes two levels. By the
one-sided rule it makes one step, and its interaction takes one. Two nodes that read the same third one would commute
too; here they share a node, so the later one waits.

Levels are those of the interactions that are given, from 1 on: whoever wants to look at the population at time t gives
those before t, and then those after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from algorithms.popsgd.population import RULES, Averaging, Population, Rate, Rows, checked, descend, tick

Gradients = Callable[[Rows, list[int], list[int]], Sequence[Rows]]
"""(models (n, d), different nodes, steps that each made before) -> stochastic gradients of these nodes, (d,) each."""


@dataclass
class Level:
    """What is made together.

    Attributes
    ----------
    begun
        Nodes that meet themselves and make the first of their two steps; the second one is in the next level.
    pairs
        Interactions (i, j) that end here, no two of which share a node.
    nodes
        All that make a step, each once.
    """

    begun: list[int] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)


def level_of(last: Mapping[int, int], i: int, j: int) -> int:
    """Return the level of an interaction from the last levels of all nodes."""
    return 1 + max(last[i], last[j])


def levels(pairs: Iterable[Any], averaging: Averaging = "symmetric") -> list[Level]:
    """Return the levels of interactions, such as `population.interactions` returns, by a rule of `population`."""
    found: defaultdict[int, Level] = defaultdict(Level)
    last: defaultdict[int, int] = defaultdict(int)
    for i, j in ((int(i), int(j)) for i, j in pairs):
        level = level_of(last, i, j)
        if _twice(i, j, averaging):
            found[level].begun.append(i)
            found[level].nodes.append(i)
            level += 1
        found[level].pairs.append((i, j))
        found[level].nodes.extend([i] if i == j or averaging == "one-sided" else [i, j])
        last[i] = last[j] = level
    return [found[level] for level in sorted(found)]


def simulate_by_level(
    nodes: Population, pairs: Iterable[Any], gradients: Gradients, rate: Rate, averaging: Averaging = "symmetric"
) -> None:
    """Let pairs of nodes interact level by level, in place; parameters are those of `population.simulate`.

    `gradients` is called once a level; see `Gradients`.
    """
    for level in levels(pairs, checked(averaging)):
        made = nodes.steps[level.nodes].tolist()
        drawn = dict(zip(level.nodes, gradients(nodes.x, level.nodes, made), strict=True))
        _interact(nodes, level, drawn, rate, averaging)


def _interact(nodes: Population, level: Level, drawn: Mapping[int, Rows], rate: Rate, averaging: Averaging) -> None:
    """Make the interactions of a level with the gradients that its nodes have drawn."""

    def gradient(x: Rows, node: int, step: int) -> Rows:
        return drawn[node]

    for i in level.begun:
        descend(nodes, i, rate(int(nodes.clock[i])), gradient)
    for i, j in level.pairs:
        if _twice(i, j, averaging):  # the clock has not moved since the first step, and averaging changes nothing
            descend(nodes, i, rate(int(nodes.clock[i])), gradient)
            tick(nodes.clock, i, j)
        else:
            RULES[averaging](nodes, i, j, gradient, rate)


def _twice(i: int, j: int, averaging: Averaging) -> bool:
    """Whether one node makes both steps of an interaction."""
    return i == j and averaging != "one-sided"
