"""Rates by messages: one algorithm on one non-convex problem, along N, K and M, at the step size of its theorem.

A printed rate such as O(1/sqrt(N K M)) is an order for large N, and at the step size of its theorem the mean squared
gradient falls just as fast on problems with noise. N goes from 2^6 to 2^12 for the two algorithms of the paper: the
next terms of the bounds are 1/sqrt(N) smaller, so that a slope is off by at most 0.05, and the points scatter by less.
Workers differ a little, as kappa > 0 allows. One run a point: 256 coordinates are as many samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log, sqrt

from algorithms.algorithm import Algorithm
from algorithms.network import Lossless
from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.schedule import Constant
from algorithms.topology import Weights, complete, ring, uniform, value
from reproductions.experiments.descent import Descent
from reproductions.harness.verdicts.intervals import Slope
from reproductions.paper import Decision, Label, Runs, slope_interval, within
from reproductions.qprsgd.rounding import Levels
from reproductions.workloads.objectives import Gaussian, Waves

D = 256
L = 1.0
PROBLEM, NOISE = Waves(L, centre=2.0, spread=0.2), Gaussian(1.0)
LONG, SHORT = (64, 256, 1024, 4096), (64, 128, 256, 512)  # N
UPDATES, WORKERS = (1, 2, 4, 8), (2, 3, 4, 6, 8)
CODEC = Levels(25)  # d/(4 s^2) = 0.1
WIDTH = 0.1  # of the band around a printed exponent, on both sides
AXES = ("N", "K", "M")

Make = Callable[[int, int], Algorithm]
"""Algorithm for M workers and K local updates."""
Step = Callable[[int, int, int], float]
"""Step size for N, K and M."""


def speedup(syncs: int, K: int, M: int) -> float:
    """Return sqrt(M)/(L sqrt(N K)), the step size of Corollary 1.3."""
    return sqrt(M / (syncs * K)) / L


def grid(
    name: str, make: Make, step: Step, syncs: Sequence[int] = SHORT, axes: str = "NKM", base: tuple[int, int] = (4, 2)
) -> dict[Label, list[Descent]]:
    """Return the runs of one algorithm, labelled by its name, the parameter that varies and its value.

    Parameters
    ----------
    name, make, step
        The algorithm and its step size.
    syncs
        N along the first axis.
    axes
        Which parameters vary.
    base
        M and K along the first axis; M along the second. Along the third K = 1, which costs least.
    """
    M, K = base
    points = {"N": [(n, K, M) for n in syncs], "K": [(256, k, M) for k in UPDATES], "M": [(256, 1, m) for m in WORKERS]}
    return {
        (name, axis, point[AXES.index(axis)]): [_descent(make, step, seed, *point)]
        for axis in axes
        for seed, point in enumerate(points[axis])
    }


def _descent(make: Make, step: Step, seed: int, syncs: int, K: int, M: int) -> Descent:
    schedule = Constant(step(syncs, K, M))
    d = D // M * M  # parts of equal size on the ring
    return Descent(make(M, K), M, d, syncs * K, seed, Lossless(), PROBLEM, NOISE, schedule)


def ring_qprsgd(M: int, K: int) -> RingQPRSGD:
    """Return algorithm 1 with d/(4 s^2) about 0.1."""
    return RingQPRSGD(K, CODEC)


def gossip_qprsgd(M: int, K: int) -> GossipQPRSGD:
    """Return algorithm 2 on a ring, with d/(4 s^2) about 0.1."""
    return GossipQPRSGD(K, CODEC, network(M))


def network(M: int) -> Weights:
    """Return W of a ring of M workers with equal weights."""
    return value(uniform(ring(M)) if M > 2 else uniform(complete(M)))


def this_paper(paradigm: str) -> dict[Label, list[Descent]]:
    """Return the runs of one of the two algorithms of the paper, under the name of its paradigm."""
    if paradigm == "RAR":
        return grid(paradigm, ring_qprsgd, speedup, LONG, base=(2, 2))
    return grid(paradigm, gossip_qprsgd, speedup, LONG)


def points(runs: Runs[Descent], name: str, axis: str) -> dict[int, float]:
    """Return the mean over n of |grad F|^2 a coordinate by the value of the parameter that varies."""
    found = {}
    for label, (run, *_) in runs.items():
        if isinstance(label, tuple) and label[:2] == (name, axis):
            found[int(str(label[2]))] = run.final("gradient") / run.experiment.d
    return found


def slope(runs: Runs[Descent], name: str, axis: str) -> Slope:
    """Return the slope of log |grad F|^2 against the log of N, K or M."""
    found = points(runs, name, axis)
    return slope_interval([log(x) for x in found], [log(y) for y in found.values()])


def follows(runs: Runs[Descent], name: str, axis: str, exponent: float = -0.5) -> Decision:
    """Decide whether a slope by messages is that of a printed rate."""
    return within(slope(runs, name, axis).interval, exponent - WIDTH, exponent + WIDTH)


def listed(runs: Runs[Descent], name: str, axes: str = "NKM") -> str:
    """Return the slopes as a short text."""
    return ", ".join(f"{slope(runs, name, axis).interval.estimate:.2f} in {axis}" for axis in axes)
