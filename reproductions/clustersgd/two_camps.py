"""Algorithm 2 with given gradients: executions that check the closed forms of `skewed` one outcome at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.clustersgd.adversaries import Strategy
from algorithms.clustersgd.agreement import MID_EXTREMES
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.scheduler import Execution
from algorithms.clustersgd.sgd import GeneralSGD
from algorithms.schedule import Constant
from algorithms.streams import stream
from reproductions.clustersgd import moments
from reproductions.clustersgd.schedules import Groups, Hears, Values, alone
from reproductions.clustersgd.skewed import camps
from reproductions.paper import Decision, agree

Array = NDArray[np.float64]
ETA = 0.25


def two_camps(n: int) -> Groups:
    """Return majorities that share one process: those of the first half hear one, the others the other."""
    middle = n // 2
    return tuple(tuple(range(middle + 1)) if i <= middle else tuple(range(middle, n)) for i in range(n))


def descend(
    n: int, m: int, noise: Array, strategy: Strategy, rounds: int = 1, N: int = 1, start: float = 0.0
) -> Execution:
    """Run algorithm 2 on |x|^2/2 with noise (n, T + 1, d) and `rounds` rounds of agreement in each iteration."""
    T, d = noise.shape[1] - 1, noise.shape[2]
    q = MID_EXTREMES.clustered**rounds
    algorithm = GeneralSGD(Clusters.even(n, m), T, N, Constant(ETA), contraction=q, output=T)
    return moments.run(algorithm, strategy, noise, np.full(d, start))


def iterates(done: Execution, T: int) -> list[Values]:
    """Return x_2, ..., x_{T+1} by process."""
    assert done.history is not None
    return [done.history.computed[(t,)] for t in range(1, T + 1)]


def kicked(n: int, rounds: int = 1) -> list[float]:
    """Return max_ij |x_i - x_j|^2/eta^2 after one iteration in two camps, for each process that alone has noise 1."""
    found = []
    for k in range(n):
        noise = np.zeros((n, 2, 1))
        noise[k, 1] = 1.0
        done = descend(n, n, noise, Hears((alone(n),), (two_camps(n),)), rounds)
        values = [float(x[0]) for x in iterates(done, 1)[0].values()]
        found.append((max(values) - min(values)) ** 2 / ETA**2)
    return found


def from_executions(n: int, p: float) -> float:
    """Return a lower bound of `camps`: outcomes in which exactly one process has the rare gradient, by executions."""
    return p * (1 - p) ** (n - 1) * sum(kicked(n))


def over_lemma9(n: int, p: float, exact: float | None = None) -> float:
    """Return E |x_i - x_j|^2 over the right-hand side of Lemma 9 after one iteration; parameters agree before it."""
    return (camps(n, p) if exact is None else exact) / (4 * MID_EXTREMES.clustered * p * (1 - p))


def follows_midranges() -> Decision:
    """Decide whether executions in which everyone hears everyone make a midrange of all gradients."""
    return agree([midranges(n) for n in (3, 9)], rtol=1e-9, atol=1e-12)


def midranges(n: int, T: int = 4) -> tuple[list[float], list[float]]:
    """Return x_2..x_{T+1} of an execution in which everyone hears everyone, and those of the recursion of `skewed`."""
    noise = stream(0, "clustersgd/kicks", n).standard_normal((n, T + 1, 1))
    done = descend(n, n, noise, Hears((alone(n),)), start=1.0)
    x, wanted = 1.0, []
    for t in range(1, T + 1):
        z = noise[:, t, 0]
        x -= ETA * (x + (z.min() + z.max()) / 2)
        wanted += [x] * n
    return [float(x[0]) for values in iterates(done, T) for _, x in sorted(values.items())], wanted
