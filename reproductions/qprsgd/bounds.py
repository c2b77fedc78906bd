"""Bounds of section IV and appendices A to F, printed and corrected.

x = d/(4 s^2) is the bound of Lemma 5 on the relative error of one compression of a whole vector, y = L gamma.

What the proofs give, and where the printed statements differ from it:

    (7)         (8) needs C_1 <= exp(x)/M, which is (1 + x/M)^(M-1) <= 1 + x and follows from
                M <= x (1 + x) / (exp(x) - x - 1); (7) has d in the place of the leading x.
    Lemma 6     noise moves later gradients, so noise and gradients are correlated and E |a + b|^2 = E |a|^2 + E |b|^2
                does not hold. With E |a + b|^2 <= 2 E |a|^2 + 2 E |b|^2, and the variance over workers at most their
                second moment: 1/M sum_m,k E |x^(m) - xbar|^2 <=
                K (K-1) gamma^2 (sigma^2 (M-1)/M + 2 sum_k (kappa^2 + |grad F(xbar_k)|^2)) / (1 - 2 (K+1)(K-2) y^2).
    Lemma 3     the sum over M workers of 4 |grad F|^2 is 4 M |grad F|^2; the last term lacks M.
    Theorem 2   so it has 1 - 4 D5'/M where 1 - 4 D5' follows, and the term L gamma^2 K sigma^2 N/M of Lemma 11 is lost
                between two lines: 2 L gamma sigma^2/M is missing on the right. sigma^2 is missing on one more term.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from math import cbrt, exp, expm1, inf, log1p, sqrt
from typing import NamedTuple


def noise_factor(d: int, s: int) -> float:
    """Return x = d/(4 s^2) of Lemma 5."""
    return d / (4 * s * s)


def c1(x: float, M: int) -> float:
    """Return C_1 of Lemma 1; 0 without compression."""
    return exp(x) / M + expm1((M - 1) * log1p(x / M)) / x - 1 if x else 0.0


def c1_digits(d: int, s: int, M: int) -> Decimal:
    """Return C_1 as it is printed, with 40 digits and any exponent."""
    with localcontext() as context:
        context.prec = 40
        inverse = Decimal(4 * s * s) / d
        return (1 / inverse).exp() / M + inverse * (1 / inverse / M + 1) ** (M - 1) - (inverse + 1)


def most_workers(x: float, lead: float) -> float:
    """Return the right-hand side of (7): d as the leading factor as printed, x as the proof needs it."""
    return lead * (1 + x) / (expm1(x) - x) if x else inf


class Ring(NamedTuple):
    """What Theorem 1 depends on: x of Lemma 5 for the whole vector, and the constants of Assumption 1."""

    M: int
    K: int
    x: float
    lipschitz: float
    sigma: float
    kappa: float
    gap: float

    @property
    def c1(self) -> float:
        """C_1 of Lemma 1."""
        return c1(self.x, self.M)

    def denominator(self, gamma: float) -> float:
        """Return 1 - 2 (K+1)(K-2) y^2, which Lemma 6 divides by; the second condition keeps it >= delta."""
        return 1 - 2 * (self.K + 1) * (self.K - 2) * (self.lipschitz * gamma) ** 2

    def epsilon(self, gamma: float) -> float:
        """Return the largest epsilon that the first condition allows; it has to be positive."""
        y, K = self.lipschitz * gamma, self.K
        return 1 - 2 * (8 * self.c1 * y**2 + (K - 1) * y + 2 * self.c1) * K * y / self.denominator(gamma)

    def third(self, gamma: float) -> float:
        """Return the left-hand side of the third condition; it has to be positive."""
        y, K = self.lipschitz * gamma, self.K
        return 1 - y - (4 * K * y * self.c1 + 1) * (K - 1) * K * y**2 / self.denominator(gamma)

    def allows(self, gamma: float) -> bool:
        """Say whether a step size satisfies the three conditions of Theorem 1."""
        return self.denominator(gamma) > 0 and self.epsilon(gamma) > 0 and self.third(gamma) > 0

    @property
    def edge(self) -> float:
        """Supremum of the step sizes that Theorem 1 allows, by bisection: all conditions tighten as gamma grows."""
        return _supremum(self.allows, 1 / self.lipschitz)

    def theorem1(self, gamma: float, syncs: int) -> float:
        """Return the right-hand side of (9) with the best epsilon and delta."""
        return sum(self.terms1(gamma, syncs).values())

    def terms1(self, gamma: float, syncs: int) -> dict[str, float]:
        """Return the six terms of (9), those of local updates first, with the best epsilon and delta."""
        y, K, c = self.lipschitz * gamma, self.K, self.c1
        epsilon, delta = self.epsilon(gamma), min(self.denominator(gamma), 1)
        drift = (4 * K * y * c + 1) / (delta * epsilon) * (K - 1) * y**2
        return {
            "local sigma^2": drift * self.sigma**2 * (self.M + 1) / (2 * self.M),
            "local kappa^2": drift * 2 * K * self.kappa**2,
            "C_1 sigma^2": 2 * c * self.sigma**2 * y / epsilon,
            "C_1 kappa^2": 4 * K * c * self.kappa**2 * y / epsilon,
            "sigma^2/M": self.sigma**2 / self.M * y / epsilon,
            "F(x_1) - F_*": 2 * self.gap / (syncs * K * gamma * epsilon),
        }

    def lemma6(self, gamma: float, gradient: float, mean_gradient: float, printed: bool = False) -> float:
        """Return the bound of Lemma 6 on the mean over k of 1/M sum_m E |x_k^(m) - xbar_k|^2.

        Parameters
        ----------
        gamma
            Step size.
        gradient, mean_gradient
            Means over k of E |grad F(xbar_k)|^2 and of E |1/M sum_m grad F_m(x_k^(m))|^2.
        printed
            As printed.
        """
        scale = (self.K - 1) * gamma**2 / self.denominator(gamma)
        both = 2 * self.K * (self.kappa**2 + gradient)
        if printed:
            return scale * (self.sigma**2 * (self.M + 1) / (2 * self.M) + self.K * mean_gradient + both)
        return scale * (self.sigma**2 * (self.M - 1) / self.M + both)


class Gossip(NamedTuple):
    """What Theorem 2 depends on; rho and mu = max_{i >= 2} |lambda_i - 1| of W."""

    M: int
    K: int
    d: int
    s: int
    rho: float
    mu: float
    lipschitz: float
    sigma: float
    kappa: float
    gap: float

    @property
    def precondition(self) -> float:
        """1 - d mu^2/(s^2 (1-rho)^2), which has to be positive."""
        return 1 - self.d * self.mu**2 / (self.s * (1 - self.rho)) ** 2

    @property
    def d2(self) -> float:
        """D_2'."""
        share = (1 - self.rho) ** 2
        return (self.d * share + 2 * self.d * self.mu**2) / (2 * (self.s**2 * share - self.d * self.mu**2))

    @property
    def d3(self) -> float:
        """D_3'."""
        return self.d2 / (1 - self.rho**2) + 1 / (1 - self.rho) ** 2

    def drift(self, gamma: float) -> float:
        """Return 1 - 12 (K+1)(K-2) y^2, which has to be positive."""
        return 1 - 12 * (self.lipschitz * gamma) ** 2 * (self.K + 1) * (self.K - 2)

    def d1(self, gamma: float) -> float:
        """Return D_1'."""
        return (2 * self.K - 1 + 24 * (self.lipschitz * gamma) ** 2) / self.drift(gamma)

    def remainder(self, gamma: float) -> float:
        """Return 1 - 8 K D_1' D_3' y^2, which has to be positive."""
        return 1 - 8 * self.K * self.d1(gamma) * self.d3 * (self.lipschitz * gamma) ** 2

    def d5(self, gamma: float) -> float:
        """Return D_5'."""
        y = self.lipschitz * gamma
        d4 = 2 * y * self.K * self.d3 + y * (self.K - 1) / 2 + self.d2 / (2 * self.M)
        return 2 * self.K * y * d4 / self.remainder(gamma)

    def d6(self, gamma: float) -> float:
        """Return D_6', which has to be positive."""
        y = self.lipschitz * gamma
        return 1 - 4 * self.K * (self.K - 1) * y**2 * self.d5(gamma) - 2 * y * self.K

    def allows(self, gamma: float) -> bool:
        """Say whether a step size satisfies all conditions of Theorem 2."""
        if min(self.precondition, self.drift(gamma)) <= 0:
            return False
        return self.remainder(gamma) > 0 and self.d6(gamma) > 0

    @property
    def edge(self) -> float:
        """Supremum of the step sizes that Theorem 2 allows, by bisection."""
        return _supremum(self.allows, 1 / self.lipschitz)

    def lemma3(self, gamma: float, gradient: float, mean_gradient: float, printed: bool = False) -> float:
        """Return the bound of Lemma 3 on the mean over n and k of E |G_{n;k}|_F^2.

        Parameters
        ----------
        gamma
            Step size.
        gradient
            Mean over n of E |grad F(xbar_n)|^2.
        mean_gradient
            Mean over n and k of E |1/M sum_m grad F_m(x_{n;k}^(m))|^2.
        printed
            Without the factor M on `gradient`.
        """
        y2, K, M, local = (self.lipschitz * gamma) ** 2, self.K, self.M, self.kappa**2
        first = M * (self.sigma**2 + 4 * local) + 4 * y2 * self.sigma**2 * (K - 1)
        second = 8 * M * (K - 1) * y2 * (self.sigma**2 + local * (2 * K - 1)) / self.drift(gamma)
        third = 4 * M * K * (K - 1) * y2 * mean_gradient
        return (first + second + third + 4 * (1 if printed else M) * gradient) / self.remainder(gamma)

    def theorem2_left(self, gamma: float, gradient: float, mean_gradient: float, printed: bool = False) -> float:
        """Return the left-hand side of (12) for the means over n of both squared gradients at X_n."""
        share = self.d5(gamma) / (self.M if printed else 1)
        return (1 - 4 * share) * gradient + self.d6(gamma) / self.K * mean_gradient

    def theorem2(self, gamma: float, syncs: int, printed: bool = False) -> float:
        """Return the right-hand side of (12)."""
        return sum(self.terms2(gamma, syncs, printed).values())

    def terms2(self, gamma: float, syncs: int, printed: bool = False) -> dict[str, float]:
        """Return the terms of (12); that of sigma^2/M is missing as printed."""
        y, K, d5, variance, local = self.lipschitz * gamma, self.K, self.d5(gamma), self.sigma**2, self.kappa**2
        drift = 8 * (K - 1) * y**2 * d5 / self.drift(gamma)
        return {
            "local sigma^2": drift * variance,
            "local kappa^2": drift * 2 * (2 * K - 1) * local,  # printed (2K-1) kappa^2 has a factor 2 to spare
            "D_5' sigma^2": d5 * variance,
            "D_5' kappa^2": d5 * 4 * local,
            "(K-1)/M": d5 * 4 * y**2 * (K - 1) / self.M * (1 if printed else variance),
            "sigma^2/M": 0 if printed else 2 * y * variance / self.M,
            "F(x_1) - F_*": 2 * self.gap / (gamma * K * syncs),
        }

    def step14(self, syncs: int) -> float:
        """Return the step size (14) of Corollary 2.1."""
        smooth = 3 * cbrt(self.d2) + 16 * self.d3 + 6
        return 1 / (self.sigma * sqrt(syncs / self.M) + self.K * self.lipschitz * smooth)

    @property
    def fewest_syncs(self) -> float:
        """Smallest N that Corollary 2.1 allows."""
        K, M = self.K, self.M
        first = (K * M * (4 * self.d3 + 1) / self.d2) ** 2
        return self.lipschitz**2 * M / self.sigma**2 * max(first, 6 * (K - 1) * (2 * K - 1))

    @property
    def most_updates(self) -> float:
        """Largest K that Corollary 2.1 allows."""
        return sqrt(self.gap * self.sigma**2 / (self.lipschitz * self.d2 * (self.sigma**2 + 4 * self.kappa**2)))

    def corollary21(self, syncs: int, printed: bool = False) -> float:
        """Return the bound of Corollary 2.1; as printed it lacks sigma in the first term and the variance term."""
        smooth = self.lipschitz * (3 * cbrt(self.d2) + 16 * self.d3 + 6)
        lead, rest = 16 * self.gap / (self.K * sqrt(syncs * self.M)), 4 * self.gap * smooth / syncs
        if printed:
            return lead + rest
        return lead * self.sigma + rest + 4 * self.lipschitz * self.sigma / sqrt(syncs * self.M)


def _supremum(allows: Callable[[float], bool], high: float) -> float:
    """Return the largest of the numbers up to `high` that are allowed if all smaller ones are, by bisection."""
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if allows(middle) else (low, middle)
    return low
