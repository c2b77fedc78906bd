"""Exact second moments of PopSGD on least squares with Gaussian rows: what figure 3 should show at a constant rate.

Rows a are N(0, I_d), b = a.x* + noise of variance v, batch B. With d_i = X^i - x*, s = E|d_i|^2 and k = E<d_i, d_j> one
SGD step at rate eta has, by E[a a^T a a^T] = (d + 2) I,

    s -> r s + w,  r = 1 - 2 eta + eta^2 (1 + (d + 1)/B),  w = eta^2 v d/B,    and    k -> (1 - eta) k,

and an interaction is two of them and an average, or two at one node with probability 1/n. Summed over all nodes and all
pairs, the moments after an interaction are a linear map of (s, k), whose fixed point is returned. The rows of an
experiment are a finite sample: its Hessian is I only up to sqrt(d/m).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def moments(n: int, d: int, eta: float, variance: float = 1.0, batch: int = 1) -> tuple[float, float]:
    """Return the stationary (s, k); k is 0 for n = 1.

    Raises
    ------
    ValueError
        If the rate is so large that second moments grow.
    """
    r, w, q = 1 - 2 * eta + eta**2 * (1 + (d + 1) / batch), eta**2 * variance * d / batch, 1 - eta
    if r >= 1:
        raise ValueError(f"eta is {eta}, but second moments are bounded only if eta < {2 / (1 + (d + 1) / batch):.4g}")
    if n == 1:
        return w / (1 - r), 0.0
    matrix, constant = change(n, r, w, q)
    s, k = np.linalg.solve(matrix, -constant)
    return float(s), float(k)


def change(n: int, r: float, w: float, q: float) -> tuple[Array, Array]:
    """Return how an interaction changes sum_i |d_i|^2 and sum_{i != j} <d_i, d_j>: matrix @ (s, k) + constant.

    A step takes s to r s + w and k to q k; n >= 2.
    """
    same, other = 1 / n, 1 - 1 / n  # i = j or not
    matrix = np.array(
        [
            [same * (r**2 - 1) + other * (r - 2), other * q**2],
            [other * r, same * 2 * (n - 1) * (q**2 - 1) + other * (q**2 - 2 + 4 * (n - 2) * (q - 1))],
        ]
    )
    return matrix, np.array([same * (r + 1) * w + other * w, other * w])


def excess(n: int, d: int, eta: float, variance: float = 1.0, batch: int = 1) -> float:
    """Return E f(X^i) - f* = s/2 of one node's model."""
    return moments(n, d, eta, variance, batch)[0] / 2


def mean_excess(n: int, d: int, eta: float, variance: float = 1.0, batch: int = 1) -> float:
    """Return E f(mu) - f* = (s + (n - 1) k)/(2n) of the mean model."""
    s, k = moments(n, d, eta, variance, batch)
    return (s + (n - 1) * k) / (2 * n)
