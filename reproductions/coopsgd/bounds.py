"""The bounds of sections 4 to 6 and of the appendices, as printed, and the step sizes that they allow.

Everything is a function of `Assumptions` and of eta, with eta_eff = m eta/(m+v). The left-hand side of a condition on
the step size is a polynomial in eta, p eta + q eta^2 <= 1, held as a `Condition`.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.topology import zeta


class Assumptions(NamedTuple):
    """What the bounds depend on; gap is F(u_1) - F_inf, the noise is E |g - grad F|^2 <= beta |grad F|^2 + sigma^2.

    The formulas take any m and v; algorithms have whole numbers of them.
    """

    m: float
    v: float
    tau: int
    zeta: float
    lipschitz: float = 1.0
    sigma: float = 1.0
    gap: float = 0.0
    beta: float = 0.0

    @property
    def columns(self) -> float:
        """1 + v/m = eta/eta_eff."""
        return 1 + self.v / self.m

    @property
    def reach(self) -> float:
        """(1 + v/m) tau/(1 - zeta), in the brackets of (16) and of Corollary 1."""
        return self.columns * self.tau / (1 - self.zeta)


def assumptions(
    algorithm: CooperativeSGD, lipschitz: float = 1.0, sigma: float = 1.0, gap: float = 0.0, beta: float = 0.0
) -> Assumptions:
    """Return what the bounds depend on for an algorithm on an objective."""
    second = zeta(algorithm.W)
    return Assumptions(algorithm.workers, algorithm.v, algorithm.tau, second, lipschitz, sigma, gap, beta)


# ------------------------------------------------------------------------------------------------------------ bounds


def network_error(tau: ArrayLike, zeta: ArrayLike) -> NDArray[np.float64]:
    """Return (1+zeta^2)/(1-zeta^2) tau - 1, the network error of (17) over eta^2 L^2 sigma^2; figure 2."""
    squared = np.square(zeta)
    return np.asarray((1 + squared) / (1 - squared) * np.asarray(tau) - 1)


def alternative_error(tau: ArrayLike, zeta: ArrayLike) -> NDArray[np.float64]:
    """Return what `network_error` becomes by the alternative rule of Remark 1: + 1 in the place of - 1.

    There G_s is mixed for the first time at the next averaging after iteration s, so that in (80) Phi_{s,k-1} becomes
    Phi_{s+1,k-1}: every gradient stays with its worker one iteration longer, and sum_i (i-1) in (106) becomes sum_i i.
    """
    return network_error(tau, zeta) + 2


def synchronous(s: Assumptions, eta: float, steps: float) -> float:
    """Return the first two terms of (17), (26) and (28): fully synchronous SGD with eta_eff."""
    effective = eta / s.columns
    return 2 * s.gap / (effective * steps) + effective * s.lipschitz * s.sigma**2 / s.m


def theorem1(s: Assumptions, eta: float, steps: float = inf, *, alternative: bool = False) -> float:
    """Return the right-hand side of (17), for K = inf of (18); (139) is the same for any beta."""
    effective = eta / s.columns
    error = alternative_error if alternative else network_error
    scale = (effective * s.lipschitz * s.sigma * s.columns) ** 2
    return synchronous(s, eta, steps) + scale * float(error(s.tau, s.zeta))


def lemma3(s: Assumptions, eta: float, steps: float, consensus: float) -> float:
    """Return the right-hand side of (33), given the mean of E |X_k (I-J)|_F^2."""
    return synchronous(s, eta, steps) + s.lipschitz**2 * consensus / s.m


def theorem2(s: Assumptions, eta: float, steps: float = inf) -> float:
    """Return the right-hand side of (21)."""
    effective = eta / s.columns
    return synchronous(s, eta, steps) + (effective * s.lipschitz * s.sigma) ** 2 * (s.m + 1) / 2


def corollary2(s: Assumptions, eta: float, steps: float = inf) -> float:
    """Return the right-hand side of (26)."""
    return synchronous(s, eta, steps) + (eta * s.lipschitz * s.sigma) ** 2 * (s.tau - 1)


def corollary3(s: Assumptions, eta: float, steps: float = inf) -> float:
    """Return the right-hand side of (28)."""
    return synchronous(s, eta, steps) + (eta * s.lipschitz * s.sigma) ** 2 * 2 * s.zeta**2 / (1 - s.zeta**2)


def eq113(s: Assumptions, eta: float, steps: int, squared_gradients: float) -> float:
    """Return the right-hand side of (113), given sum_k E |grad F(X_k)|_F^2."""
    noise = steps * s.m * s.sigma**2 * float(network_error(s.tau, s.zeta))
    return eta**2 * (noise + 2 * s.beta * s.tau / (1 - s.zeta**2) * squared_gradients)


# -------------------------------------------------------------------------------------------------------- conditions


class Condition(NamedTuple):
    """linear eta + quadratic eta^2 <= 1."""

    linear: float
    quadratic: float

    def __call__(self, eta: float) -> float:
        """Return the left-hand side."""
        return self.linear * eta + self.quadratic * eta**2

    @property
    def largest(self) -> float:
        """The largest eta that satisfies the condition."""
        return 2 / (self.linear + sqrt(self.linear**2 + 4 * self.quadratic))


def eq16(s: Assumptions) -> Condition:
    """Return the condition of Theorem 1."""
    effective = 1 / s.columns
    return Condition(effective * s.lipschitz, 5 * (effective * s.lipschitz * s.reach) ** 2)


def bracket(tau: ArrayLike, zeta: ArrayLike) -> NDArray[np.float64]:
    """Return the last bracket of (141), which (142) replaces by 5: it is below 2 for zeta < 1."""
    z, t = np.asarray(zeta, dtype=float), np.asarray(tau)
    return np.asarray(2 * z**2 * (1 - z) / (1 + z) + 2 * z + (t - 1) / t * (1 - z))


def eq138(s: Assumptions) -> Condition:
    """Return the condition under which (139) holds, for any beta."""
    smooth, z = s.lipschitz / s.columns, s.zeta
    noise = 2 * s.lipschitz**2 * s.beta * s.tau / (1 - z**2)
    drift = (s.lipschitz * s.tau) ** 2 / (1 - z) * (2 * z**2 / (1 + z) + 2 * z / (1 - z) + (s.tau - 1) / s.tau)
    return Condition(smooth * (s.beta / s.m + 1), noise + drift)


def corollary2_condition(s: Assumptions) -> Condition:
    """Return the condition of Corollary 2."""
    return Condition(s.lipschitz, s.lipschitz**2 * s.tau * (s.tau - 1))


def eq27(s: Assumptions) -> Condition:
    """Return the condition of Corollary 3."""
    z = s.zeta
    return Condition(s.lipschitz, s.lipschitz**2 * 2 * z / (1 - z) * (z / (1 + z) + 1 / (1 - z)))


# ---------------------------------------------------------------------------------------------------- finite horizon


def corollary1_step(s: Assumptions, steps: float) -> float:
    """Return eta of Corollary 1; eta_eff is that of section 5.1."""
    return (s.m + s.v) / (s.lipschitz * s.m) * sqrt(s.m / steps)


def corollary1(s: Assumptions, steps: float) -> float:
    """Return the right-hand side of (19)."""
    leading = (2 * s.lipschitz * s.gap + s.sigma**2) / sqrt(s.m * steps)
    return leading + s.m / steps * s.columns**2 * float(network_error(s.tau, s.zeta)) * s.sigma**2


def corollary1_second(s: Assumptions, steps: float) -> float:
    """Return the second bound of Corollary 1."""
    return 2 * (s.lipschitz * s.gap + s.sigma**2) / sqrt(s.m * steps)


def eq147(s: Assumptions) -> float:
    """Return the smallest K of the first part of Corollary 1."""
    return 10 * s.m * s.reach**2


def eq153(s: Assumptions) -> float:
    """Return the smallest K of the second part of Corollary 1."""
    return (s.m + s.v) ** 2 * s.m * s.reach**2
