"""Algorithm 2 with normal noise: the runs behind the positive side of section 4, and the constants of their bounds."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import NamedTuple

import numpy as np

from algorithms.adversaries import Uniform
from algorithms.agreement import MID_EXTREMES
from algorithms.cluster_model import Clusters
from algorithms.clustersgd import GeneralSGD
from algorithms.schedule import Constant
from reproductions.clustersgd.descents import Descents, over_seeds
from reproductions.clustersgd.kicks import two_camps
from reproductions.clustersgd.schedules import Hears, alone
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.workloads.objectives import Gaussian, Waves

D, SIGMA = 4, 0.5
WAVES = Waves(0.5, centre=2.0)  # L = 0.5


class Constants(NamedTuple):
    """Constants of the bounds of section 4, and T, eta and q of a run."""

    lipschitz: float
    gap: float
    sigma2: float
    N: int
    T: int
    eta: float
    q: float

    def theorem3(self, spread: float) -> float:
        """Return the right-hand side of Theorem 3; `spread` is the largest E |x_t^i - x_t^j|^2."""
        root = sqrt(self.N * self.T)
        last = (8 * self.T / self.N + 8 * self.lipschitz**2) * spread
        return 4 * (self.gap + self.sigma2 * self.lipschitz) / root + last

    def lemma22(self) -> float:
        """Return the right-hand side of Lemma 22."""
        noise = 20 * self.sigma2 * self.lipschitz + 16 * self.sigma2
        return (4 * self.gap + noise) / sqrt(self.N * self.T)

    def lemma21(self) -> float:
        """Return the right-hand side of Lemma 21."""
        return 2 * self.sigma2 * self.eta**3 / self.N


def grid(settings: Settings) -> list[Descents]:
    """Return runs with one round of agreement an iteration: uniform schedules with N = 3, and two camps with N = 1."""
    uniform = _descent("general", Clusters.even(6, 3), 32, 3, MID_EXTREMES.clustered)
    camps = _descent("general", Clusters.even(5, 5), 32, 1, MID_EXTREMES.clustered)
    camps = replace(camps, strategy=Hears((alone(5),), (two_camps(5),)))
    return [*over_seeds(uniform, settings.seeds), *over_seeds(camps, settings.seeds)]


def agreed(settings: Settings) -> list[Descents]:
    """Return runs with q = eta/4 as in Lemmas 21 and 22, in two camps."""
    n, T = 3, 6
    run = _descent("agreed", Clusters.even(n, n), T, 1, sqrt(1 / T) / 4)
    return over_seeds(replace(run, strategy=Hears((alone(n),), (two_camps(n),))), settings.seeds)


def _descent(role: str, clusters: Clusters, T: int, N: int, q: float) -> Descents:
    algorithm = GeneralSGD(clusters, T, N, Constant(sqrt(N / T)), contraction=q, output=T)
    return Descents(role, algorithm, Uniform(), WAVES, Gaussian(SIGMA / sqrt(D)), D, 0.0)


def constants(run: Descents) -> Constants:
    """Return the constants of a run of `grid` or `agreed`."""
    algorithm = run.algorithm
    assert isinstance(algorithm, GeneralSGD)
    known = run.objective.constants(2, run.d)
    N, T = algorithm.messages, algorithm.iterations
    return Constants(known.lipschitz, known.gap, SIGMA**2, N, T, algorithm.rate.lr(1), algorithm.contraction)


def smallest_gradient(group: list[Run]) -> list[float]:
    """Return |grad Q|^2, of the process with the largest, of every run at the t <= T where its mean is smallest."""
    samples = np.array([list(r.series("gradient"))[:-1] for r in group])  # the last is x_{T+1}
    return [float(value) for value in samples[:, int(samples.mean(axis=0).argmin())]]


def largest_spread(group: list[Run]) -> float:
    """Return the largest mean over runs of max_ij |x_t^i - x_t^j|^2."""
    return float(np.array([list(r.series("spread")) for r in group]).mean(axis=0).max())
