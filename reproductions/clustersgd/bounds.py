"""The bounds of section 4, as printed, and as they hold."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple


class BoundConstants(NamedTuple):
    """Constants of the bounds of section 4, and T, eta and q of a run."""

    lipschitz: float
    gap: float
    sigma2: float
    N: int
    T: int
    eta: float
    q: float

    def theorem3(self, spread: float = 0.0) -> float:
        """Return the right-hand side of Theorem 3; `spread` is the largest E |x_t^i - x_t^j|^2."""
        root = sqrt(self.N * self.T)
        last = (8 * self.T / self.N + 8 * self.lipschitz**2) * spread
        return 4 * (self.gap + self.sigma2 * self.lipschitz) / root + last

    def lemma22(self) -> float:
        """Return the right-hand side of Lemma 22."""
        noise = 20 * self.sigma2 * self.lipschitz + 16 * self.sigma2
        return (4 * self.gap + noise) / sqrt(self.N * self.T)

    def corrected_theorem3(self, n: int, spread: float = 0.0) -> float:
        """Return what holds for Theorem 3 with n processes; `spread` is the largest E max |x_t^i - x_t^j|^2.

        (4 (Q_1 - Q*) + 4 L sigma^2)/sqrt(NT) + 6 n sigma^2/N + 6 (1/eta + L)^2 spread
        """
        first = 4 * (self.gap + self.sigma2 * self.lipschitz) / sqrt(self.N * self.T)
        return first + self.plateau(n) + 6 * (1 / self.eta + self.lipschitz) ** 2 * spread

    def corrected_lemma22(self, n: int) -> float:
        """Return what holds for Lemma 22 with n processes: (4 (Q_1 - Q*) + 19 n sigma^2)/sqrt(NT) + 6 n sigma^2/N."""
        return (4 * self.gap + 19 * n * self.sigma2) / sqrt(self.N * self.T) + self.plateau(n)

    def plateau(self, n: int) -> float:
        """Return what the corrected bounds add: 6 n sigma^2/N, which does not fall with T."""
        return 6 * n * self.sigma2 / self.N
