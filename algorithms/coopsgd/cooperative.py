"""Cooperative SGD A(tau, W, v): local updates, averaging by a mixing matrix, auxiliary variables.

Wang & Joshi, "Cooperative SGD: A Unified Framework for the Design and Analysis of Communication-Efficient SGD
Algorithms". Rows 0..m-1 of `x` are the local models x_k^(i), the last v rows the auxiliary variables z_k^(j) (8). With
W_k = W if k mod tau = 0 and I otherwise (7), iteration k is

    rule (10)                      X_{k+1} = (X_k - eta G_k) W_k
    alternative rule of Remark 1   X_{k+1} = X_k W_k - eta G_k

The paper counts k = 1, 2, ...: tau local updates come before the first averaging. An iteration t of ours is k = t + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.coopsgd.elastic import check_alpha, elastic, hierarchical
from algorithms.coopsgd.overlap import Overlap
from algorithms.topology import Matrix, Weights, check_mixing, value
from algorithms.world import World


@dataclass(frozen=True)
class CooperativeSGD(Algorithm):
    """A(tau, W, v).

    Parameters
    ----------
    tau
        Communication period, >= 1.
    weights
        W, (m + v, m + v), as nested tuples; ``weights[j][i]`` is the weight of model j at model i. See `value`.
    v
        Number of auxiliary variables, the last rows.
    alternative
        Use the alternative rule of Remark 1.
    overlap
        Update and broadcast the auxiliary variables while workers compute; same numbers, see `overlap`.
    diverges
        Allow zeta >= 1, against Assumption 5, to show what happens then.

    Raises
    ------
    ValueError
        If tau < 1, W is not symmetric with rows that sum to one, there is no worker, or zeta >= 1.
    """

    tau: int
    weights: Weights
    v: int = 0
    alternative: bool = False
    overlap: bool = False
    diverges: bool = False

    def __post_init__(self) -> None:
        if self.tau < 1:
            raise ValueError(f"tau is {self.tau}, but a communication period has at least one iteration")
        check_mixing(self.W, connected=not self.diverges)
        if not 0 <= self.v < len(self.weights):
            raise ValueError(
                f"v is {self.v}, but a {len(self.weights)} x {len(self.weights)} W leaves room for a worker "
                f"only if 0 <= v < {len(self.weights)}"
            )
        if self.overlap and not self.v:
            raise ValueError("only auxiliary variables can be updated while workers compute, but v is 0")

    @property
    def W(self) -> Matrix:
        """The mixing matrix, (m + v, m + v)."""
        return np.array(self.weights, dtype=np.float64)

    @property
    def auxiliaries(self) -> int:
        """v."""
        return self.v

    @property
    def workers(self) -> int:
        """m."""
        return len(self.weights) - self.v

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Iteration k = t + 1 of rule (10) or of the alternative rule."""
        averages = (t + 1) % self.tau == 0  # (7)
        gradients = range(sum(i < self.workers for i in world.local))  # (9): none for auxiliary variables
        if self.alternative and averages:
            self._average(world, x)
        for i in gradients:
            x[i].sub_(g[i], alpha=lr)
        if not self.alternative and averages:
            self._average(world, x)

    def settle(self, world: World, x: Tensor) -> None:
        """See `Algorithm.settle`."""
        if self.overlap:
            self._background(world).settle()

    def _average(self, world: World, x: Tensor) -> None:
        """X <- X W."""
        if self.overlap:
            self._background(world).mix(x)
        elif self.v == 0 and np.ptp(self.W) == 0:  # W = J: what an all-reduce is for
            x.copy_(world.allreduce(x).expand_as(x))
        else:
            world.mix(x, self.W)

    def _background(self, world: World) -> Overlap:
        return world.resource("overlap", lambda: Overlap(world, self.W, self.v))


# ------------------------------------------------------------------------------- special cases (3.2) and designs (6)


def fully_synchronous(m: int) -> CooperativeSGD:
    """Return A(1, J, 0), equation (2)."""
    return periodic_averaging(m, 1)


def periodic_averaging(m: int, tau: int) -> CooperativeSGD:
    """Return PASGD, A(tau, J, 0), equation (3)."""
    return CooperativeSGD(tau, value(np.full((m, m), 1 / m)))


def elastic_averaging(m: int, alpha: float, tau: int = 1, *, overlap: bool = False) -> CooperativeSGD:
    """Return EASGD, A(1, W_alpha, 1), equations (4), (5) and (11), by the alternative rule as there.

    Raises
    ------
    ValueError
        If alpha is not in (0, 2/(m + 1)).
    """
    check_alpha(alpha, m)
    return CooperativeSGD(tau, value(elastic(np.eye(m), alpha)), 1, alternative=True, overlap=overlap)


def decentralized(mixing: Matrix) -> CooperativeSGD:
    """Return D-PSGD, A(1, W, 0), equation (6), by the alternative rule as there."""
    return CooperativeSGD(1, value(mixing), alternative=True)


def decentralized_periodic(mixing: Matrix, tau: int) -> CooperativeSGD:
    """Return decentralized periodic averaging, A(tau, W, 0), of section 6.1."""
    return CooperativeSGD(tau, value(mixing))


def generalized_elastic(mixing: Matrix, alpha: float, tau: int = 1, *, overlap: bool = False) -> CooperativeSGD:
    """Return generalized elastic averaging, A(1, W', 1), equation (23)."""
    check_alpha(alpha, len(mixing))
    return CooperativeSGD(tau, value(elastic(mixing, alpha)), 1, overlap=overlap)


def hierarchical_averaging(
    groups: Sequence[int], alpha: float, beta: float, tau: int = 1, *, overlap: bool = False
) -> CooperativeSGD:
    """Return hierarchical averaging of section 6.3, one auxiliary variable a group; see `elastic.hierarchical`."""
    return CooperativeSGD(tau, value(hierarchical(groups, alpha, beta)), len(groups), overlap=overlap)
