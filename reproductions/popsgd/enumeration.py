"""One interaction, with all its outcomes: every pair that can be drawn and every sign of the noise, through the code.

Coordinates do not see each other in what is enumerated here, so a matrix (n, d) holds d independent cases side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.popsgd import population
from algorithms.popsgd.population import Complete, Edges, Graph
from algorithms.topology import ring
from reproductions.harness.verdicts.decisions import Decision, point

Array = NDArray[np.float64]
Pair = tuple[int, int]
Slope = Callable[[Array, int], Array]  # models (d,) of a node -> gradients (d,)
DRAWN = 1 << 14


def cycle(n: int) -> Edges:
    """Return the cycle of n nodes; for n = 2 a single edge."""
    return population.edges_of(ring(n))


def drawn(graph: Graph, draws: int = DRAWN) -> tuple[list[Pair], NDArray[np.int64]]:
    """Return the pairs that the stream of interactions holds, and how often each occurs in so many of them."""
    numbered = population.interactions(graph, 0, 0, draws) @ (graph.nodes, 1)
    found, counts = np.unique(numbered, return_counts=True)
    return [divmod(int(number), graph.nodes) for number in found], counts


def uniform(graph: Graph, wanted: Set[Pair] | None = None, draws: int = DRAWN) -> Decision:
    """Decide that pairs are drawn, each with the same probability, by a chi-square test at 0.1 %.

    Parameters
    ----------
    graph
        From which they are drawn.
    wanted
        The pairs that have to be; by default all of the graph.
    draws
        How many interactions are tested.
    """
    from scipy.stats import chisquare

    possible = _pairs(graph) if wanted is None else wanted
    pairs, counts = drawn(graph, draws)
    p = float(chisquare(counts).pvalue) if set(pairs) == possible else 0.0
    sentence = f"{len(pairs)} pairs of {graph.nodes} nodes in {draws} draws, {len(possible)} are possible, p = {p:.3g}"
    return Decision("holds" if p > 1e-3 else "fails", point(p, draws), sentence)


def _pairs(graph: Graph) -> set[Pair]:
    if isinstance(graph, Complete):
        return {(i, j) for i in range(graph.nodes) for j in range(graph.nodes)}
    assert isinstance(graph, Edges)
    return {pair for edge in graph.edges for pair in (edge, edge[::-1])}


def outcomes(
    x: Array, graph: Graph, slope: Slope, etas: Sequence[Any], noise: Any = None
) -> Iterator[tuple[float, Array]]:
    """Yield every X_{t+1} with its probability.

    Parameters
    ----------
    x
        (n, d) models X_t.
    graph
        Who may meet whom; the pairs are those that it really draws.
    slope
        Expected gradient.
    etas
        Learning rate of every node, a number or (d,) each.
    noise
        The noise of a gradient is this, a number or (d,), with an independent random sign; None is no noise.
    """
    kicks = [(0.0, 0.0)] if noise is None else list(product((noise, -noise), repeat=2))
    pairs, _ = drawn(graph)
    for (i, j), kick in product(pairs, kicks):
        nodes = population.population(x.copy())
        nodes.clock[:] = range(len(x))  # so that a rate, which knows the clock only, is that of the node
        left = iter(kick)
        gradient = lambda row, node, step, left=left: slope(row, node) + next(left)  # noqa: E731
        population.RULES["symmetric"](nodes, i, j, gradient, lambda clock: etas[clock])
        yield 1 / (len(pairs) * len(kicks)), nodes.x


def expected(outcome: Iterator[tuple[float, Array]], of: Callable[[Array], Array]) -> Array:
    """Return the expectation of a function of X_{t+1}."""
    return np.asarray(np.sum([chance * of(x) for chance, x in outcome], axis=0))


def potential(x: Array) -> Array:
    """Return Gamma of every coordinate, (d,)."""
    return np.asarray(((x - x.mean(axis=0)) ** 2).sum(axis=0))


def still(row: Array, node: int) -> Array:
    """Return no gradient."""
    return np.zeros_like(row)
