"""Graphs of workers, mixing matrices on them and the spectral gap that sets how fast they average.

Worker i is the i-th node of a graph. A mixing matrix W is symmetric with rows that sum to one, one round of gossip is
X <- X W, and zeta = max(abs(lambda_2), abs(lambda_n)) is the factor by which a round shrinks the disagreement.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from algorithms.streams import stream

Matrix = NDArray[np.float64]
Weights = tuple[tuple[float, ...], ...]

_ROUNDING = 1e-10  # entries of a mixing matrix are O(1), so this is far above float64 and far below any weight


def ring(n: int) -> nx.Graph:
    """Return the cycle of n workers; one edge for n = 2, one lonely node for n = 1."""
    _at_least(1, n=n)
    return nx.cycle_graph(n) if n > 1 else nx.empty_graph(1)


def torus(rows: int, cols: int) -> nx.Graph:
    """Return the rows x cols grid that wraps around in both directions; worker r * cols + c sits at (r, c)."""
    _at_least(1, rows=rows, cols=cols)
    grid = nx.cartesian_product(ring(rows), ring(cols))
    return nx.relabel_nodes(grid, {(r, c): r * cols + c for r in range(rows) for c in range(cols)})


def hypercube(dim: int) -> nx.Graph:
    """Return the graph of 2**dim workers in which neighbours differ in one bit of their number."""
    _at_least(0, dim=dim)
    graph = nx.empty_graph(1 << dim)
    graph.add_edges_from((i, i ^ (1 << bit)) for i in range(1 << dim) for bit in range(dim))
    return graph


def star(n: int) -> nx.Graph:
    """Return the star of n workers, worker 0 in the middle."""
    _at_least(1, n=n)
    return nx.star_graph(n - 1)


def complete(n: int) -> nx.Graph:
    """Return the graph in which all n workers are neighbours."""
    _at_least(1, n=n)
    return nx.complete_graph(n)


def random_regular(n: int, degree: int, seed: int) -> nx.Graph:
    """Return a random graph in which every worker has ``degree`` neighbours.

    It may be disconnected, which is likely only for degree < 3; ``check_mixing(W, connected=True)`` tells.

    Raises
    ------
    ValueError
        If there is no such graph: n * degree is odd or degree is not in 0..n-1.
    """
    if not 0 <= degree < n or n * degree % 2:
        raise ValueError(f"no graph has {n} workers of degree {degree}: 0 <= degree < n and n * degree even is needed")
    return nx.random_regular_graph(degree, n, seed=stream(seed, "graph"))


def uniform(graph: nx.Graph) -> Matrix:
    """Return the mixing matrix with weight 1/(degree+1) on every neighbour and on the worker itself.

    Raises
    ------
    ValueError
        If the degrees differ: the matrix would not be symmetric with rows that sum to one.
    """
    adjacency = _adjacency(graph)
    degrees = adjacency.sum(axis=1)
    if np.ptp(degrees):
        low, high = int(degrees.min()), int(degrees.max())
        raise ValueError(f"uniform weights need a regular graph, but degrees go from {low} to {high}: use metropolis")
    weights: Matrix = (adjacency + np.eye(len(adjacency))) / (degrees[0] + 1)
    return weights


def metropolis(graph: nx.Graph) -> Matrix:
    """Return the Metropolis-Hastings mixing matrix: W_ij = 1/(1 + max(degree_i, degree_j)) on every edge."""
    adjacency = _adjacency(graph)
    degrees = adjacency.sum(axis=1)
    weights: Matrix = adjacency / (1 + np.maximum.outer(degrees, degrees))
    np.fill_diagonal(weights, 1 - weights.sum(axis=1))
    return weights


def lazy(mixing: Matrix) -> Matrix:
    """Return (I + W)/2, whose eigenvalues are not negative if those of W are at least -1."""
    result: Matrix = (np.eye(len(mixing)) + mixing) / 2
    return result


def zeta(mixing: Matrix) -> float:
    """Return zeta = max(abs(lambda_2), abs(lambda_n)) of a mixing matrix, the spectral norm of W - 1 1^T / n.

    Raises
    ------
    ValueError
        If W is not a mixing matrix (see `check_mixing`).
    """
    check_mixing(mixing)
    return float(np.abs(np.linalg.eigvalsh(mixing - 1 / len(mixing))).max())


def spectral_gap(mixing: Matrix) -> float:
    """Return 1 - zeta(W): 1 averages in one round, 0 never does."""
    return 1 - zeta(mixing)


def value(mixing: Matrix) -> Weights:
    """Return a matrix as nested tuples, which can be a field of an experiment."""
    return tuple(tuple(float(weight) for weight in row) for row in mixing)


def check_mixing(mixing: Matrix, *, connected: bool = False) -> None:
    """Check that W is symmetric with rows that sum to one and, if asked, that repeated mixing averages (zeta < 1).

    Raises
    ------
    ValueError
        Naming the first property that does not hold and an entry or row that breaks it.
    """
    if mixing.ndim != 2 or mixing.shape[0] != mixing.shape[1] or not mixing.size:
        raise ValueError(f"a mixing matrix is n x n with n >= 1, but the shape is {mixing.shape}")
    uneven = np.argwhere(~np.isclose(mixing, mixing.T, rtol=0, atol=_ROUNDING))
    if len(uneven):
        i, j = uneven[0]
        raise ValueError(f"W is not symmetric: W[{i}, {j}] is {mixing[i, j]} but W[{j}, {i}] is {mixing[j, i]}")
    sums = mixing.sum(axis=1)
    off = np.flatnonzero(~np.isclose(sums, 1, rtol=0, atol=_ROUNDING))
    if len(off):
        raise ValueError(f"rows of a mixing matrix sum to one, but row {off[0]} sums to {sums[off[0]]}")
    if connected and (value := zeta(mixing)) >= 1 - _ROUNDING:
        raise ValueError(
            f"zeta is {value:.6g}, not below 1: the graph is disconnected or W makes the workers oscillate"
        )


def _adjacency(graph: nx.Graph) -> Matrix:
    """Return the 0/1 adjacency matrix without self-loops, in the order of the nodes."""
    if graph.is_directed() or not len(graph):
        raise ValueError(f"a mixing matrix needs an undirected graph with at least one node, not {graph}")
    adjacency: Matrix = nx.to_numpy_array(nx.Graph(graph), weight=None)
    np.fill_diagonal(adjacency, 0)
    return adjacency


def _at_least(smallest: int, **sizes: int) -> None:
    for name, size in sizes.items():
        if size < smallest:
            raise ValueError(f"{name} is {size}, but the graph needs {name} >= {smallest}")
