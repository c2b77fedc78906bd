"""Random compute times: what waiting for the slowest costs, and what non-blocking execution can win back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.streams import stream

Times = NDArray[np.float64]


@dataclass(frozen=True)
class ShiftedExponential:
    """Seconds of a local update: `shift` plus an exponential of mean `scale`, independent over workers and steps."""

    shift: float
    scale: float

    def seconds(self, seed: int, worker: int, step: int) -> float:
        """Return the seconds of one local update, a function of the key alone."""
        return self.shift + self.scale * float(stream(seed, "compute", worker, step).exponential())

    def slowest(self, workers: int, tau: int) -> float:
        """Return E[max_i sum_tau c_i], the mean seconds until all workers have made tau local updates."""
        return tau * self.shift + self.scale * slowest_erlang(workers, tau)


def slowest_erlang(workers: int, tau: int) -> float:
    """Return E[max] of independent Erlang(tau) variables of rate one; the harmonic number H_m if tau = 1."""
    from scipy.integrate import quad
    from scipy.special import gammainc

    if tau == 1:
        return float(sum(1 / i for i in range(1, workers + 1)))
    return float(quad(lambda x: 1 - gammainc(tau, x) ** workers, 0, np.inf, epsabs=1e-11, limit=400)[0])


def blocking(compute: Times, exchange: float, exposed: float = 0.0) -> float:
    """Return when the last averaging ends if all workers wait for it.

    Parameters
    ----------
    compute
        Seconds of the local updates of every period and worker, (periods, m).
    exchange
        Seconds from the arrival of the last model to the arrival of the new auxiliary variable at all workers.
    exposed
        Seconds of an averaging that cannot be hidden.
    """
    return float((compute.max(axis=1) + exchange + exposed).sum())


def nonblocking(compute: Times, exchange: float, exposed: float = 0.0) -> float:
    """Return when the last worker ends if averaging j only needs the auxiliary variable of averaging j - 1.

    ``A_i(j) = max(A_i(j-1) + c_i(j), Z(j-1)) + exposed`` and ``Z(j) = max_i A_i(j) + exchange``, as in section 3.3.
    """
    arrived, ready = np.zeros(compute.shape[1]), 0.0
    for period in compute:
        arrived = np.maximum(arrived + period, ready) + exposed
        ready = float(arrived.max()) + exchange
    return ready
