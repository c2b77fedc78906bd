"""Algorithm 2 with normal noise: the runs behind the positive side of section 4, and the constants of their bounds."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np

from algorithms.clustersgd.adversaries import Uniform
from algorithms.clustersgd.agreement import MID_EXTREMES
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.sgd import GeneralSGD
from algorithms.schedule import Constant
from reproductions.clustersgd.bounds import BoundConstants
from reproductions.clustersgd.descents import Descents, drawn, seeded
from reproductions.clustersgd.schedules import Hears, alone
from reproductions.clustersgd.two_camps import two_camps
from reproductions.harness.runs.labelled import Label
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run
from reproductions.workloads.objectives import Gaussian, Quadratic, Waves

D, SIGMA = 4, 0.5
WAVES = Waves(0.5, centre=2.0)  # L = 0.5
WIDE = 4096  # coordinates of the runs for rates, and so many noises that a run averages over


def grid(settings: Settings) -> dict[Label, list[Descents]]:
    """Return runs with one round of agreement an iteration: uniform schedules with N = 3, and two camps with N = 1."""
    uniform = _descent(Clusters.even(6, 3), 32, 3, MID_EXTREMES.clustered)
    camps = _descent(Clusters.even(5, 5), 32, 1, MID_EXTREMES.clustered)
    camps = replace(camps, strategy=Hears((alone(5),), (two_camps(5),)))
    return {"uniform": seeded(uniform, settings.seeds), "two camps": seeded(camps, settings.seeds)}


def agreed(settings: Settings) -> dict[Label, list[Descents]]:
    """Return runs with q = eta/4 as in Lemmas 21 and 22, in two camps."""
    n, T = 3, 6
    run = _descent(Clusters.even(n, n), T, 1, sqrt(1 / T) / 4)
    return {"agreed": seeded(replace(run, strategy=Hears((alone(n),), (two_camps(n),))), settings.seeds)}


def rates(settings: Settings) -> dict[Label, list[Descents]]:
    """Return runs for the rate in T and in N, by these, with an output drawn for each seed.

    On |x|^2/2 from its minimum, so that nothing is left of an initial error, by N = n processes of which everyone hears
    everyone: they agree, and one round of agreement keeps what they have.
    """
    last = 11 if settings.scale == "smoke" else 14
    sizes = [(2**k, 1) for k in range(8, last + 1)] + [(512, N) for N in (2, 4, 8)]
    return {(T, N): [drawn(replace(_rate(T, N), seed=seed)) for seed in range(4)] for T, N in sizes}


def _rate(T: int, N: int) -> Descents:
    algorithm = GeneralSGD(
        Clusters.even(N, N), T, N, Constant(sqrt(N / T)), contraction=MID_EXTREMES.clustered, output=T
    )
    return Descents(algorithm, Hears((alone(N),)), Quadratic(1.0), Gaussian(1 / sqrt(WIDE)), WIDE, 0.0)


def _descent(clusters: Clusters, T: int, N: int, q: float) -> Descents:
    algorithm = GeneralSGD(clusters, T, N, Constant(sqrt(N / T)), contraction=q, output=T)
    return Descents(algorithm, Uniform(), WAVES, Gaussian(SIGMA / sqrt(D)), D, 0.0)


def constants(run: Descents) -> BoundConstants:
    """Return the constants of a run of `grid` or `agreed`."""
    algorithm = run.algorithm
    assert isinstance(algorithm, GeneralSGD)
    known = run.objective.constants(2, run.d)
    N, T = algorithm.messages, algorithm.iterations
    return BoundConstants(known.lipschitz, known.gap, SIGMA**2, N, T, algorithm.rate.lr(1), algorithm.contraction)


def smallest_gradient(group: list[Run[Descents]]) -> list[float]:
    """Return |grad Q|^2, of the process with the largest, of every run at the t <= T where its mean is smallest."""
    samples = np.array([list(r.series("gradient"))[:-1] for r in group])  # the last is x_{T+1}
    return [float(value) for value in samples[:, int(samples.mean(axis=0).argmin())]]


def largest_spread(group: list[Run[Descents]]) -> float:
    """Return the largest mean over runs of max_ij |x_t^i - x_t^j|^2."""
    return float(np.array([list(r.series("spread")) for r in group]).mean(axis=0).max())
