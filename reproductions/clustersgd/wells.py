"""Two wells: a smooth function on which sequential SGD from the middle ends in either, with an exact law.

Q'(x) = x - 2 tanh(2x): minima at +-w, w = 2 tanh(2w) = 1.99865..., L = 3, symmetric. Noise is +s or -s with probability
1/2, so that the law of x_T is that of 2^T paths, all of which are enumerated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.clustersgd.adversaries import Faults
from algorithms.clustersgd.model import Clusters, Vector
from algorithms.clustersgd.scheduler import Execution
from algorithms.clustersgd.sgd import StronglyConvexSGD
from algorithms.schedule import Constant
from algorithms.streams import stream
from reproductions.clustersgd.schedules import Death, Groups, Hears, execute

Array = NDArray[np.float64]
ETA, KICK, STEPS = 0.25, 1.5, 16
RADIUS = 0.8  # alpha = beta


@dataclass(frozen=True)
class WellSlope:
    """Q' of two wells, or of one well, x^2/2."""

    wells: int

    def __call__(self, x: Array) -> Array:
        """Return Q'(x), element by element."""
        return x - 2 * np.tanh(2 * x) if self.wells == 2 else x


class Split(NamedTuple):
    """What Definition 1 asks for: gamma and p."""

    gamma: float
    p: float


def bottom() -> float:
    """Return w, the minimum on the right."""
    from scipy.optimize import brentq

    return float(brentq(lambda x: float(x - 2 * np.tanh(2 * x)), 1.0, 3.0, xtol=1e-14))


@cache
def law(slope: WellSlope, steps: int = STEPS) -> Array:
    """Return x_{T+1} of sequential SGD from 0 on all 2^T paths, which are equally likely."""
    x = np.zeros(1)
    for _ in range(steps):
        middle = x - ETA * slope(x)
        x = np.concatenate([middle - ETA * KICK, middle + ETA * KICK])
    return x


def split(slope: WellSlope) -> Split:
    """Return gamma and p for S_1 = {w}, S_2 = {-w} and alpha = beta = RADIUS, by the exact law."""
    w, x = bottom(), law(slope)
    right, left = (abs(x - w) <= RADIUS).mean(), (abs(x + w) <= RADIUS).mean()
    return Split(2 * w - 2 * RADIUS, float(right * left))


def halves(n: int) -> Groups:
    """Return the partition into two halves: each process hears the first of its own half."""
    return tuple((0,) if i < n // 2 else (n // 2,) for i in range(n))


def partition(slope: WellSlope, n: int, trials: int, dead: tuple[int, ...] = (), seed: int = 0) -> Execution:
    """Run algorithm 1 from 0 on n processes in two clusters, partitioned, N = 1.

    Trials lie side by side as coordinates: algorithm 1 and Q treat each on its own. `dead` crash before they send.
    """
    algorithm = StronglyConvexSGD(Clusters.even(n, 2), STEPS, 1, Constant(ETA), len(dead))
    process = lambda i: algorithm.process(i, np.zeros(trials), noisy(slope, seed))  # noqa: E731
    strategy = Hears((halves(n),), deaths=tuple(Death(i, 1) for i in dead))
    return execute(algorithm.clusters, process, strategy, seed, Faults(len(dead), 1))


def noisy(slope: WellSlope, seed: int) -> Callable[[int, int, Vector], Vector]:
    """Return stochastic gradients: Q' and a kick to either side."""

    def gradient(i: int, t: int, x: Vector) -> Vector:
        signs = 2 * stream(seed, "clustersgd/kick", i, t).integers(2, size=x.size) - 1
        return np.asarray(slope(x) + KICK * signs)

    return gradient


def apart_over_time(slope: WellSlope, steps: int = STEPS) -> list[float]:
    """Return E |x_a - x_b|^2 after 1..T iterations for two halves that never hear each other: twice the variance."""
    return [2 * float(law(slope, t).var()) for t in range(1, steps + 1)]
