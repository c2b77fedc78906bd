"""The bounds of Section 5 and Appendices B-C, printed and corrected, and the exact second moments on quadratics.

Lost symbols of the text are read as sqrt(beta) where it has "rho/beta" or "p/beta", and f(x*) for "f(x)". The exact
alpha_1, alpha_2 and beta of `reproductions.rps.exact` are used, not the bounds on them that Lemmas 7 and 8 print.

What the proof of Theorem 1 gives, with D_t = sum_i E |x_t^(i) - xbar_t|^2 and q = 6 L^2 gamma^2/(1-sqrt(beta))^2:

    Lemma 3    sum_{s<=T} D_{s+1} <= C n T gamma^2 (sigma^2 + 3 zeta^2) / (1-sqrt(beta))^2,  C = 1 + q C1 = C1 = 1/(1-q)
    Eq. (36)   the coefficient of D_t is (alpha_2 L (2 + 12 L^2 gamma^2) + L^2 gamma)/(2 n), so after the division by
               gamma/2 Eq. (37) must have n gamma below the line where it prints 2 n gamma.

Lemma 3 is printed with a factor 2 to spare and Eq. (37) lacks that factor: Theorem 1 is right as the two cancel.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import inf, pi, sqrt
from typing import NamedTuple

import numpy as np

from algorithms.network import IndependentDrops
from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import Constant
from reproductions.experiments.descent import Descent, seeded
from reproductions.harness.runs.settings import Settings
from reproductions.rps.exact import alpha2, beta, self_weight
from reproductions.workloads.objectives import Gaussian, Objective, Quadratic, Rare, Waves


class Setting(NamedTuple):
    """What the bounds depend on; gap is f(0) - f*."""

    n: int
    p: float
    lipschitz: float
    sigma: float
    zeta: float
    gap: float

    @property
    def alpha2(self) -> float:
        """alpha_2 of Eq. (6)."""
        return float(alpha2(self.n, self.p))

    @property
    def contraction(self) -> float:
        """1 - sqrt(beta)."""
        return 1 - sqrt(float(beta(self.n, self.p)))

    @property
    def edge(self) -> float:
        """Step size at which C_1 becomes infinite: (1 - sqrt(beta)) / (sqrt(6) L)."""
        return self.contraction / (sqrt(6) * self.lipschitz)

    @property
    def variance(self) -> float:
        """sigma^2 + 3 zeta^2, as it occurs in every bound."""
        return self.sigma**2 + 3 * self.zeta**2

    def c1(self, gamma: float) -> float:
        """Return C_1 of Theorem 1; the condition of the theorem is that it is positive."""
        remainder = 1 - 6 * (self.lipschitz * gamma / self.contraction) ** 2
        return 1 / remainder if remainder else inf


def setting(run: Descent) -> Setting:
    """Return the setting of an experiment over a network that drops messages independently."""
    assert isinstance(run.network, IndependentDrops)
    constants = run.objective.constants(run.nodes, run.d)
    return Setting(run.nodes, run.network.p, constants.lipschitz, run.noise.sigma(run.d), constants.zeta, constants.gap)


def lemma3(s: Setting, gamma: float, steps: int, printed: bool = False) -> float:
    """Return the right-hand side of Eq. (18); as printed it lacks gamma^2 on the zeta term."""
    squared = 1.0 if printed else gamma**2
    total = 2 * gamma**2 * s.sigma**2 + 6 * squared * s.zeta**2
    return total * s.n * steps * s.c1(gamma) / s.contraction**2


def lemma5(s: Setting, gamma: float, consensus: float, printed: bool = False) -> float:
    """Return the right-hand side of Lemma 5 for a given sum_i |x_i - xbar|^2; as printed it has L instead of L^2."""
    squared = s.lipschitz if printed else s.lipschitz**2
    return (2 + 12 * gamma**2 * squared) * consensus + 2 * s.n * gamma**2 * s.variance


def theorem1(s: Setting, gamma: float, steps: int) -> float:
    """Return the right-hand side of Eq. (7)."""
    smooth = s.lipschitz * gamma
    drops = 2 * s.alpha2 * smooth + smooth**2 + 12 * s.alpha2 * smooth**3
    leading = 2 * s.gap / (gamma * steps) + smooth * s.sigma**2 / s.n
    return leading + (4 * s.alpha2 * smooth + drops * s.c1(gamma) / s.contraction**2) * s.variance


def corollary_step(s: Setting, steps: int) -> float:
    """Return gamma of Corollary 2, as Appendix C prints it."""
    noise = 3 * (s.sigma + s.zeta) * sqrt(s.alpha2 * steps) + s.sigma * sqrt(steps / s.n)
    return s.contraction / (6 * s.lipschitz + noise)


def corollary(s: Setting, steps: int, printed: bool = False) -> float:
    """Return Corollary 2 with its constants; `printed` takes those of the first inequality of Appendix C.

    Putting gamma into Eq. (7) gives 6 F + 6.8 L, 12 F L/(1-sqrt(beta)) and 3.6 L^2 with F = f(0) - f*, where the
    appendix has 2 F + L, 2 F L and L^2: 2 F/(gamma T) alone is 2 F (6 L + ...)/((1-sqrt(beta)) T).
    """
    gap, smooth, c, n = s.gap, s.lipschitz, s.contraction, s.n
    drops, descent, rest = (2 * gap + smooth, 2 * gap, 1.0) if printed else (6 * gap + 6.8 * smooth, 12 * gap / c, 3.6)
    leading = ((2 * gap + smooth) * s.sigma / sqrt(n) + drops * (s.sigma + s.zeta) * sqrt(s.alpha2)) / (c * sqrt(steps))
    below = (1 / n + s.alpha2) * s.sigma**2 + s.alpha2 * s.zeta**2
    return leading + (descent * smooth + rest * smooth**2 * (s.sigma**2 + s.zeta**2) / below) / steps


class Means(NamedTuple):
    """Exact means over t = 1..T of E |grad f(xbar_t)|^2 and of D_t."""

    gradient: float
    consensus: float


def expected(s: Setting, gamma: float, steps: int, curvature: float | None = None) -> Means:
    """Return the exact means for `objectives.Quadratic` by recursion, from a, alpha_2 and beta alone.

    With y = X - centre, u = V - centre = (1 - gamma h) y - gamma tilts - gamma noise, m_t the multiple of the tilts
    that E[y_t](I-A) is, S_t = E |ybar_t|^2 and U_t = E Tr(u(I-A)u^T):

        U_t     = (1-gamma h)^2 D_t - 2 (1-gamma h) gamma m_t n zeta^2 + gamma^2 (n zeta^2 + (n-1) sigma^2)
        D_{t+1} = beta U_t,   m_{t+1} = a ((1-gamma h) m_t - gamma)
        S_{t+1} = (1-gamma h)^2 S_t + gamma^2 sigma^2/n + alpha_2 U_t/n

    Parameters
    ----------
    s, gamma, steps
        Setting, constant step size, T.
    curvature
        h, by default L.
    """
    h = s.lipschitz if curvature is None else curvature
    shrink, own = 1 - gamma * h, float(self_weight(s.n, s.p))
    noise = gamma**2 * (s.n * s.zeta**2 + (s.n - 1) * s.sigma**2)
    u = np.array([0, shrink**2, -2 * shrink * gamma * s.n * s.zeta**2, noise])  # of the state S, D, m, 1
    step = np.zeros((6, 6))
    step[0, :4] = s.alpha2 / s.n * u + np.array([shrink**2, 0, 0, gamma**2 * s.sigma**2 / s.n])
    step[1, :4] = float(beta(s.n, s.p)) * u
    step[2, 2:4] = own * shrink, -own * gamma
    step[3, 3] = step[4, 4] = step[4, 0] = step[5, 5] = step[5, 1] = 1  # the last two are running sums of S and D
    start = 2 * s.gap / h if h > 0 else 0.0
    sums = np.linalg.matrix_power(step, steps) @ np.array([start, 0, 0, 1, 0, 0])
    return Means(h**2 * float(sums[4]) / steps, float(sums[5]) / steps)


Case = tuple[str, int, float]  # problem, n and fraction of the largest step size

# what Theorem 1 and the lemmas are tried on
PROBLEMS: dict[str, tuple[Objective, Gaussian]] = {
    "bowl": (Quadratic(1.0, centre=1.0, tilt=1.0), Gaussian(1.0)),
    "noiseless bowl": (Quadratic(1.0, centre=1.0), Gaussian(0.0)),  # attains the bound
    "waves": (Waves(3.0, centre=2.0, spread=0.8), Rare(1.0)),
    "hilltop": (Waves(1.0, centre=pi), Gaussian(0.3)),  # starts at a maximum
}
NETWORKS = {6: 0.1, 4: 0.5}  # n and p
FRACTIONS = {0.3: 64, 0.95: 16}  # of the largest step size that the theorem allows, and steps at smoke scale
CASES: tuple[Case, ...] = tuple(product(PROBLEMS, NETWORKS, FRACTIONS))


def grid(settings: Settings) -> dict[Case, list[Descent]]:
    """Return RPS on every problem and network, at a small and at nearly the largest step size, by `CASES`."""
    longer = {"smoke": 1, "small": 8, "paper": 64}[settings.scale]
    return {case: seeded(_descent(*case, longer), settings.seeds) for case in CASES}


def _descent(problem: str, n: int, fraction: float, longer: int) -> Descent:
    (objective, noise), network = PROBLEMS[problem], IndependentDrops(NETWORKS[n])
    steps = longer * FRACTIONS[fraction]
    draft = Descent(ModelAveraging(), n, 64 * n, steps, 0, network, objective, noise, Constant(0.0))
    return replace(draft, schedule=Constant(fraction * setting(draft).edge))
