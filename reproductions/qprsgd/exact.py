"""Exact expectations of QPRSGD on quadratics, where the algorithm is linear but for the compression.

All workers share the curvature h; one of them differs by a tilt. A compression adds noise of mean 0 and variance
q |v|^2. For normal vectors of many coordinates q depends on s^2/d alone (`relative_noise`); Lemma 5 has q <= d/(4 s^2).

With r = 1 - gamma h, A = sum_{j<K} r^j, B = sum_{j<K} r^(2j) and Y = E |x~ - x*|^2, one synchronization of the ring is

    Y' = r^(2K) Y + gamma^2 B sigma^2/M + 1/M^2 sum_m q (1+q)^(M-m) E |S_m|^2,
    E |S_m|^2 = m^2 (1-r^K)^2 Y + gamma^2 A^2 kappa^2 w_m + m gamma^2 B sigma^2,

S_m = sum of m neighbouring updates in the ring and w_m = |sum of m neighbouring tilts|^2, mean over where they start.
By gossip the eigenvectors of W evolve by themselves and share the noise of the compressions; see `gossip`.
"""

from __future__ import annotations

from functools import cache
from math import pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@cache
def relative_noise(d: int, s: int) -> float:
    """Return E |Q_s(v) - v|^2 / |v|^2 of normal vectors of many coordinates, by quadrature over one of them."""
    z = (np.arange(200_000) + 0.5) / 200_000 * 9
    chance = (z * s / sqrt(d)) % 1
    density = np.exp(-(z**2) / 2) * sqrt(2 / pi) * 9 / 200_000
    return float(d / s**2 * (density * chance * (1 - chance)).sum())


class SkewedQuadratic(NamedTuple):
    """F_m = h/2 |x - c|^2 + tilt_m x: M workers, K local updates, total noise sigma, tilts (M,) with mean 0."""

    M: int
    K: int
    h: float
    sigma: float
    gap: float
    tilts: tuple[float, ...] = ()

    def weights(self) -> Array:
        """Return sum over m neighbouring workers of their tilts, squared, mean over the ring, for m = 1..M."""
        tilts = np.array(self.tilts or [0.0] * self.M)
        around = np.concatenate([[0.0], np.cumsum(np.tile(tilts, 2))])
        return np.array([np.mean((around[m : m + self.M] - around[: self.M]) ** 2) for m in range(1, self.M + 1)])

    def sums(self, gamma: float) -> tuple[float, float, float]:
        """Return r^K, A and B."""
        powers = (1 - gamma * self.h) ** np.arange(self.K)
        return float((1 - gamma * self.h) ** self.K), float(powers.sum()), float((powers**2).sum())


def _mean_of_affine(step: Array, start: Array, watched: Array, count: int) -> float:
    """Return the mean over n = 1..count of watched @ state_n, where state_{n+1} = step @ state_n."""
    size = len(start)
    both = np.zeros((size + 1, size + 1))
    both[:size, :size], both[size, :size], both[size, size] = step, watched, 1
    return float((np.linalg.matrix_power(both, count) @ np.append(start, 0))[size]) / count


def ring(p: SkewedQuadratic, q: float, gamma: float, syncs: int) -> float:
    """Return the left-hand side of Theorem 1: the mean over n and k of E |grad F(xbar_{n;k})|^2.

    Parameters
    ----------
    p
        Problem.
    q
        Relative noise of one compression of one of the M parts.
    gamma, syncs
        Step size and N.
    """
    shrink, a, b = p.sums(gamma)
    m = np.arange(1, p.M + 1)
    amplified = q * (1 + q) ** (p.M - m) / p.M**2
    keep = shrink**2 + float(amplified @ m**2) * (1 - shrink) ** 2
    new = gamma**2 * (b * p.sigma**2 * (1 / p.M + float(amplified @ m)) + a**2 * float(amplified @ p.weights()))
    local = (1 - gamma * p.h) ** (2 * np.arange(p.K))
    inside = gamma**2 * p.sigma**2 / p.M * float(np.concatenate([[0], np.cumsum(local)[:-1]]).mean())
    watched = p.h**2 * np.array([float(local.mean()), inside])
    start = 2 * p.gap / p.h if p.h > 0 else 0.0
    return _mean_of_affine(np.array([[keep, new], [0, 1]]), np.array([start, 1]), watched, syncs)


def gossip(p: SkewedQuadratic, q: float, W: Array, gamma: float, syncs: int) -> float:
    """Return the mean over n of E |grad F(xbar_n)|^2 by gossip with W, for workers without tilts.

    With v_i eigenvectors of W, lambda_i its eigenvalues and Y_i = E |X_n v_i|^2, Y_1 = M E |xbar - x*|^2:

        Y_i' = (lambda_i - 1 + r^K)^2 Y_i + gamma^2 B sigma^2 + q D/M,
        D    = E |Delta X_n|_F^2 = sum_i ((lambda_i - 2 + r^K)^2 Y_i + gamma^2 B sigma^2).
    """
    values = np.linalg.eigvalsh(W)[::-1]
    shrink, _, b = p.sums(gamma)
    noise = gamma**2 * b * p.sigma**2
    step = np.zeros((p.M + 1, p.M + 1))
    step[: p.M, : p.M] = np.diag((values - 1 + shrink) ** 2) + q / p.M * (values - 2 + shrink) ** 2
    step[: p.M, p.M] = noise * (1 + q)
    step[p.M, p.M] = 1
    start = np.zeros(p.M + 1)
    start[0], start[p.M] = p.M * 2 * p.gap / p.h, 1
    watched = np.zeros(p.M + 1)
    watched[0] = p.h**2 / p.M
    return _mean_of_affine(step, start, watched, syncs)


class GossipMoments(NamedTuple):
    """Sums over n = 1..N of E |C_n|_F^2, E |G_n|_F^2, E sum_m |xbar_n - x_n^(m)|^2 and E |grad F(xbar_n)|^2."""

    noise: float
    gradients: float
    disagreement: float
    gradient: float


def apart(h: float, sigma: float, tilts: Array, q: float, W: Array, gamma: float, syncs: int) -> GossipMoments:
    """Return moments by gossip with K = 1 on F_m = h/2 |x|^2 + tilt_m x, all models from 0.

    The recursion is linear, so the means and the variances of X_n v_i, v_i an eigenvector of W, evolve by themselves:

        a_i' = (lambda_i - gamma h) a_i - gamma T_i,      T_i = sum_m tilt_m v_i(m),
        V_i' = (lambda_i - gamma h)^2 V_i + gamma^2 sigma^2 + q D/M,
        D    = E |Delta X_n|_F^2 = sum_i (((lambda_i - 1 - gamma h) a_i - gamma T_i)^2
                                          + (lambda_i - 1 - gamma h)^2 V_i + gamma^2 sigma^2).

    Parameters
    ----------
    tilts
        (M,), of mean 0.
    q
        Relative noise of a compression.
    """
    values, vectors = np.linalg.eigh(W)
    tilt, apart = vectors.T @ tilts, np.arange(len(values)) < len(values) - 1  # the last eigenvalue is 1
    keep, variance = values - gamma * h, (gamma * sigma) ** 2
    a, v, sums = np.zeros(len(values)), np.zeros(len(values)), np.zeros(4)
    for _ in range(syncs):
        change = (((keep - 1) * a - gamma * tilt) ** 2 + (keep - 1) ** 2 * v + variance).sum()
        gradients = (h * h * v + (h * a + tilt) ** 2 + sigma**2).sum()
        centre = h * h * (a**2 + v)[-1] / len(values)
        sums += q * change, gradients, (a**2 + v)[apart].sum(), centre
        a, v = keep * a - gamma * tilt, keep**2 * v + variance + q * change / len(values)
    return GossipMoments(*sums.tolist())
