"""Algorithm 1 on quadratics: exact second moments for any schedule that does not look at values.

On Q(x) = h/2 (x - x*)^2 with additive noise, line 8 is x_{t+1} = W_t ((1 - eta_t h) x_t - eta_t z_t), row i of W_t
holding 1/N for every sender that process i heard. So C_t = E[(x_t - x*)(x_t - x*)^T], (n, n) for one coordinate, obeys

    C_{t+1} = W_t ((1 - eta_t h)^2 C_t + eta_t^2 sigma^2 I) W_t^T.

W_t is read off executions of algorithm 1 itself. Rows of processes that are not in V_t are NaN: nobody hears them
later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from algorithms.clustersgd.adversaries import SlowestCluster, Strategy, Uniform
from algorithms.clustersgd.model import Clusters, Vector
from algorithms.clustersgd.scheduler import Execution
from algorithms.clustersgd.sgd import GeneralSGD, StronglyConvexSGD
from algorithms.schedule import InverseTime
from reproductions.clustersgd.schedules import Death, Hears, apart, execute

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Theorem1Constants:
    """Constants of Theorem 1.

    Parameters
    ----------
    mu, lipschitz
        Strong convexity and smoothness, mu <= L.
    sigma, distance
        Deviation of the noise, and ||x_1 - x*||.
    beta, gamma
        Of eta_t = beta/(gamma + t); beta > 1/mu, eta_1 <= 1/L.
    """

    mu: float
    lipschitz: float
    sigma: float
    distance: float
    beta: float
    gamma: float

    @property
    def rate(self) -> InverseTime:
        """Learning rate."""
        return InverseTime(self.beta, self.gamma)

    def lemma6(self, t: int, error: float, N: int, factor: float = 1.0) -> float:
        """Return the right-hand side of Lemma 6; with factor 4, that of Lemma 4."""
        eta = self.rate.lr(t)
        return (1 - eta * self.mu) * error + factor * (self.sigma * eta) ** 2 / N

    def theorem1(self, T: int, N: int, internal: bool = False) -> float:
        """Return the right-hand side of Theorem 1."""
        noise = (4.0 if internal else 1.0) * (self.beta * self.sigma) ** 2 / ((self.beta * self.mu - 1) * N)
        return ((self.gamma + 1) * self.distance**2 + noise) / (self.gamma + T + 1)


Case = tuple[Theorem1Constants, float]
"""Constants, and the curvature of the coordinate, in [mu, L]."""


def schedules(n: int, N: int) -> dict[str, Strategy]:
    """Return schedules that look at no values, by name."""
    rotating = tuple(tuple(tuple(sorted((i + k * s) % n for k in range(N))) for i in range(n)) for s in (1, 3))
    found: dict[str, Strategy] = {
        "uniform": Uniform(),
        "slowest cluster": SlowestCluster(0),
        "rotating": Hears(rotating),
    }
    if n % N == 0:
        found["groups"] = Hears((apart(n, N),))
    return found


def dying(n: int, f: int) -> Hears:
    """Return the schedule in which processes 0..f-1 die one by one in their broadcasts, of which one process hears."""
    return Hears(deaths=tuple(Death(i, 2 + 2 * i, (i + 1,)) for i in range(f)))


@cache
def observe(n: int, N: int, T: int, strategy: Strategy, f: int = 0) -> list[Array]:
    """Return W_1..W_T of an execution of algorithm 1, (n, n) each, NaN rows for processes that are not in V_t."""
    algorithm = StronglyConvexSGD(Clusters.even(n, max(1, n // 2)), T, N, InverseTime(1.0, 1.0), f)
    done = run(algorithm, strategy, np.zeros((n, T + 1, 1)), np.zeros(1))
    return weights(done, n, T)


def run(
    algorithm: StronglyConvexSGD | GeneralSGD,
    strategy: Strategy,
    noise: Array,
    start: Vector,
    curvature: float = 1.0,
    seed: int = 0,
) -> Execution:
    """Run algorithm 1 or 2 from `start` on curvature/2 |x|^2.

    The noise, (n, T + 1, d), is that of process i in iteration t; seed keys the adversary.
    """
    gradient = lambda i, t, x: np.asarray(curvature * x + noise[i, t])  # noqa: E731
    return execute(algorithm.clusters, lambda i: algorithm.process(i, start, gradient), strategy, seed)


def weights(done: Execution, n: int, T: int) -> list[Array]:
    """Return W_t of an execution; see `observe`."""
    history = done.history
    assert history is not None
    found = []
    for t in range(1, T + 1):
        w = np.full((n, n), np.nan)
        for i, received in history.received[(t,)].items():
            if i in history.computed[(t,)]:
                w[i] = 0.0
                w[i, list(received)] = 1 / len(received)
        found.append(w)
    return found


def moments(observed: Sequence[Array], cases: Sequence[Case]) -> list[Array]:
    """Return C_1..C_{T+1}, (cases, n, n), for one coordinate with all of the noise and all of the distance."""
    n = len(observed[0])
    c = np.array([np.full((n, n), s.distance**2) for s, _ in cases])
    result = [c]
    for t, w in enumerate(observed, 1):
        eta = np.array([s.rate.lr(t) for s, _ in cases])
        kept = (1 - eta * np.array([h for _, h in cases])) ** 2
        noise = (eta * np.array([s.sigma for s, _ in cases])) ** 2
        heard, dead = np.nan_to_num(w), np.isnan(w[:, 0])
        c = heard @ (kept[:, None, None] * np.nan_to_num(c) + noise[:, None, None] * np.eye(n)) @ heard.T
        c[:, dead] = np.nan
        c[:, :, dead] = np.nan
        result.append(c)
    return result


def error(c: Array) -> Array:
    """Return max_i E |x_i - x*|^2 of every case."""
    return np.asarray(np.nanmax(np.diagonal(c, axis1=1, axis2=2), axis=1))


def spread(c: Array) -> Array:
    """Return max_ij E |x_i - x_j|^2 of every case."""
    own = np.diagonal(c, axis1=1, axis2=2)
    return np.asarray(np.nanmax(own[:, :, None] + own[:, None] - 2 * c, axis=(1, 2)))


@cache
def group_errors(s: Theorem1Constants, N: int, T: int) -> Array:
    """Return E |x_t - x*|^2, t = 1..T+1, of groups of N that hear each other only: sequential SGD with batches of N."""
    eta = s.beta / (s.gamma + np.arange(1, T + 1))
    kept, noise = (1 - eta * s.mu) ** 2, (eta * s.sigma) ** 2 / N
    values = [s.distance**2]
    for factor, term in zip(kept.tolist(), noise.tolist(), strict=True):
        values.append(factor * values[-1] + term)
    return np.array(values)
