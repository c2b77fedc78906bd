"""The bounds of section 4, as printed."""

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

    def lemma21(self) -> float:
        """Return the right-hand side of Lemma 21."""
        return 2 * self.sigma2 * self.eta**3 / self.N
