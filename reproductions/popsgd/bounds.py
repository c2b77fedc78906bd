"""The right-hand sides of the lemmas and theorems, as printed and corrected.

Symbols are the paper's: n nodes, T interactions, an ell-strongly convex and L-smooth f, E |g - grad f|^2 <= sigma^2,
(2.4), E |g|^2 <= M^2, (2.5), eta_t = b/(t + a), w_t = (a + t)^2, S_T = sum_{t < T} w_t.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np

SETTLED = (2 + sqrt(12.0)) ** 2  # Gamma_t/(n eta^2 M^2) by Lemma 4.3 at a constant rate: y^2 = 4 y + 8, where y^2 is it
CLOCK = 2.0  # c of "t/n - c log T"; see the claim popsgd-clock-interval


def drift43(n: int, gamma: Any, eta: Any, M: float) -> Any:
    """Return what Lemma 4.3 allows E[Gamma_{t+1} | Gamma_t] to exceed (1 - 1/n) Gamma_t by."""
    return 4 * eta * M * np.sqrt(gamma / n) + 8 * (eta * M) ** 2


def lemma44(n: int, eta: Any, M: float) -> Any:
    """Return 36 n eta_t^2 M^2, the bound of Lemma 4.4 on E Gamma_t."""
    return 36 * n * (eta * M) ** 2


def cycle_potential(n: int, eta: Any, M: float) -> Any:
    """Return 100 n^5 eta_t^2 M^2: 25600 = 256 * 100 in Theorem 5.1 by the steps of Theorem 4.1."""
    return 100 * n**5 * (eta * M) ** 2


def total_weight(a: float, T: int) -> float:
    """Return S_T = sum_{t < T} (a + t)^2 in closed form."""
    return T * (a**2 - a + 1 / 6 + T * (a - 1 / 2)) + T**3 / 3


@dataclass(frozen=True)
class Conditions:
    """What the bounds for strongly convex f depend on; `distance` is |mu_0 - x*|^2."""

    n: int
    T: int
    low: float
    high: float
    sigma: float
    M: float
    distance: float = 0.0

    @property
    def a(self) -> float:
        """max(2 c n log T, 18 n, 256 L/ell)."""
        return max(2 * CLOCK * self.n * log(self.T), 18 * self.n, 256 * self.high / self.low)

    @property
    def b(self) -> float:
        """4n/ell."""
        return 4 * self.n / self.low

    def terms(self, on_cycle: bool = False) -> tuple[float, float, float]:
        """Return the three terms of (4.1), or of Theorem 5.1 on the cycle."""
        total = total_weight(self.a, self.T)
        first = self.a**3 * self.low / (2 * total) * self.distance
        second = 64 * self.T * (self.T + 2 * self.a) / (self.low * total) * self.sigma**2
        third = 9216 * self.T * self.n**2 / (self.low**2 * total) * self.M**2 * self.high
        if on_cycle:
            third = 25600 * self.T * self.n**6 / (self.low**3 * total) * (self.M * self.high) ** 2
        return first, second, third

    def rest(self, on_cycle: bool = False) -> float:
        """Return the first and third term over the second."""
        first, second, third = self.terms(on_cycle)
        return (first + third) / second


def theorem_b2(n: int, T: int, eta: float, high: float, M: float, gap: float, printed: bool = False) -> float:
    """Return the right-hand side of Theorem B.2 for a constant learning rate; as printed, L stands for L^2."""
    second = 144 * (high if printed else high**2) * (M * eta) ** 2
    return 2 * n * gap / (eta * T) + second + 16 * high * M**2 * eta / n


def theorem52(n: int, T: int, high: float, M: float, gap: float) -> float:
    """Return the right-hand side of (5.2)."""
    return 2 * sqrt(n / T) * gap + 144 * high * M**2 * n / T + 16 * high * M**2 * sqrt(n / T)
