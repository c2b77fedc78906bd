"""Eigenvalues of mixing matrices: zeta as the paper defines it, and searches over elasticities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from algorithms.coopsgd import elastic
from algorithms.topology import Matrix, complete, lazy, metropolis, random_regular, ring, star, torus, uniform

GRAPHS: dict[str, Matrix] = {
    **{f"ring of {m}": uniform(ring(m)) for m in (3, 4, 5, 7, 8, 16, 32)},
    **{f"lazy ring of {m}": lazy(uniform(ring(m))) for m in (4, 8, 9)},
    "bipartite": np.array([[0.0, 1.0], [1.0, 0.0]]),  # lambda_m = -1
    "nobody talks": np.eye(5),
    "complete": uniform(complete(6)),
    "star": metropolis(star(7)),
    "torus": uniform(torus(3, 4)),
    "random regular": uniform(random_regular(10, 3, seed=0)),
}


def second(mixing: Matrix) -> float:
    """Return max(abs(lambda_2), abs(lambda_n)) from the sorted eigenvalues, as the paper defines zeta."""
    eigenvalues = np.linalg.eigvalsh(mixing)
    return float(max(abs(eigenvalues[-2]), abs(eigenvalues[0])))


def best(mixing: Matrix) -> tuple[float, float]:
    """Return the alpha with the smallest zeta(W') and that zeta, by a search over the eigenvalues."""
    alpha = minimum(lambda alpha: second(elastic.elastic(mixing, alpha)), 0.0, 2 / (len(mixing) + 1))
    return alpha, second(elastic.elastic(mixing, alpha))


def minimum(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with one minimum has it, by golden-section search."""
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(80):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if function(left) < function(right) else (left, high)
    return low


def apart(got: ArrayLike, wanted: ArrayLike) -> str:
    """Return the largest difference as a text."""
    differences = abs(np.subtract(got, wanted))
    return f"largest difference {differences.max():.1g} over {differences.size} numbers"
