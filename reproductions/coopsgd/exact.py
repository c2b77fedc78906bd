"""Exact second moments of Cooperative SGD on a quadratic that all workers share.

On F(x) = h/2 |x|^2 with noise of E |g - grad F|^2 = beta |grad F|^2 + sigma^2, independent between workers and
iterations, S_k = E[X_k^T X_k], (m+v, m+v), obeys a linear recursion. With D the diagonal of ones on workers and zeros
on auxiliary variables, N_k = eta^2 (sigma^2 D + beta h^2 D diag(S_k)),

    rule (10)          S_{k+1} = W_k^T ((I - eta h D) S_k (I - eta h D) + N_k) W_k
    alternative rule   S_{k+1} = B_k^T S_k B_k + N_k,  B_k = W_k - eta h D

h = 0 is a flat objective. So E |grad F(u_k)|^2 and E |X_k (I-J)|_F^2 are known without sampling, for every tau, W
and v. Without auxiliary variables the disagreement of workers does not reach their mean on a quadratic: bounds on
gradients need other objectives too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.topology import Matrix, value

Array = NDArray[np.float64]


class Parabola(NamedTuple):
    """h, sigma, beta, and |x_1|^2; the gap F(u_1) - F_inf is h/2 |x_1|^2."""

    curvature: float
    sigma: float = 1.0
    beta: float = 0.0
    start: float = 0.0

    @property
    def gap(self) -> float:
        """F(u_1) - F_inf."""
        return self.curvature / 2 * self.start


class ExactMeans(NamedTuple):
    """Means over k = 1..K of E |grad F(u_k)|^2, E |X_k (I-J)|_F^2 and E |grad F(X_k)|_F^2."""

    gradient: float
    consensus: float
    gradients: float


@cache
def expected(algorithm: CooperativeSGD, eta: float, problem: Parabola, steps: int) -> ExactMeans:
    """Return the exact means over the first `steps` iterations, of which there can be billions.

    The recursion is linear in (vec S, 1, running sums): a power of the map of a whole period does it.
    """
    local, mixing = (_step(algorithm, eta, problem, averages) for averages in (False, True))
    period = mixing @ np.linalg.matrix_power(local, algorithm.tau - 1)
    periods, rest = divmod(steps, algorithm.tau)
    whole = np.linalg.matrix_power(local, rest) @ np.linalg.matrix_power(period, periods)
    n = len(algorithm.weights)
    start = np.concatenate([np.full(n * n, problem.start), [1.0], np.zeros(3)])
    return ExactMeans(*((whole @ start)[-3:] / steps).tolist())


def moments(algorithm: CooperativeSGD, eta: float, problem: Parabola, steps: int) -> Iterator[Array]:
    """Yield S_1, ..., S_K, each (m+v, m+v)."""
    local, mixing = (_step(algorithm, eta, problem, averages) for averages in (False, True))
    n = len(algorithm.weights)
    state = np.concatenate([np.full(n * n, problem.start), [1.0], np.zeros(3)])
    for k in range(1, steps + 1):
        yield state[: n * n].reshape(n, n)
        state = (mixing if k % algorithm.tau == 0 else local) @ state


def floor(algorithm: CooperativeSGD, eta: float, problem: Parabola, steps: int = 1 << 20) -> ExactMeans:
    """Return the means over the second half of many iterations: what is left of them for K = inf."""
    whole, first = (expected(algorithm, eta, problem, k) for k in (2 * steps * algorithm.tau, steps * algorithm.tau))
    return ExactMeans(*(2 * np.array(whole) - np.array(first)).tolist())


def network_error(m: int, mixing: Matrix) -> float:
    """Return the exact network error on a flat objective for K = inf, over eta^2 sigma^2; tau = 1, v = n - m."""
    algorithm = CooperativeSGD(1, value(mixing), len(mixing) - m)
    return floor(algorithm, 1.0, Parabola(0.0), 1 << 12).consensus / m


def network_error_by_eigenvalues(m: int, mixing: Matrix) -> float:
    """Return the same from eigenvalues and eigenvectors; only workers, the first m rows, have noise."""
    eigenvalues, vectors = np.linalg.eigh(mixing)
    squares = eigenvalues[:-1] ** 2
    return float((vectors[:m, :-1] ** 2).sum(axis=0) @ (squares / (1 - squares))) / m


def _step(algorithm: CooperativeSGD, eta: float, problem: Parabola, averages: bool) -> Array:
    """Return one iteration as a matrix on (vec S, 1, sums); sums are taken before it."""
    n, h = len(algorithm.weights), problem.curvature
    identity = np.eye(n)
    workers = np.diag((np.arange(n) < algorithm.workers).astype(float))
    weights = algorithm.W if averages else identity
    shrink = identity - eta * h * workers
    after = weights - eta * h * workers if algorithm.alternative else shrink @ weights
    spread_by = identity if algorithm.alternative else weights  # what noise goes through in the same iteration
    noise = np.kron(spread_by, spread_by).T
    step = np.zeros((n * n + 4, n * n + 4))
    step[: n * n, : n * n] = np.kron(after, after).T + (eta * h) ** 2 * problem.beta * noise @ _diagonal(workers)
    step[: n * n, n * n] = (eta * problem.sigma) ** 2 * noise @ workers.ravel()
    step[n * n :, n * n :] = np.eye(4)
    mean = np.full((n, n), 1 / n)
    step[n * n + 1 :, : n * n] = h**2 / n * mean.ravel(), (identity - mean).ravel(), h**2 * workers.ravel()
    return step


def _diagonal(workers: Array) -> Array:
    """Return vec S -> vec(D diag(S)) as a matrix."""
    return np.diag(workers.ravel())
