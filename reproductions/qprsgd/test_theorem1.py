"""Section IV-A and appendix C: Theorem 1, its conditions on the step size, and Lemma 6."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from algorithms.network import Lossless
from algorithms.qprsgd import RingQPRSGD
from algorithms.schedule import Constant
from reproductions.harness.decisions import Decision, agree, all_of, close, searched
from reproductions.harness.descent import Descent, by_setting, over_seeds, repeat
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import at_most_one, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.qprsgd import expectations
from reproductions.qprsgd.bounds import Ring, noise_factor
from reproductions.qprsgd.expectations import Problem
from reproductions.qprsgd.rounding import Array, Levels
from reproductions.qprsgd.theory import FRACTIONS, PROBLEMS, ring_grid, ring_setting
from reproductions.workloads.objectives import Gaussian, Quadratic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Groups = dict[Descent, list[Run]]
HILL = Ring(192, 24, 0.0, 1.0, 0.0, 0.0, 0.0)
HILL_STEP = 0.0066


def experiments(settings: Settings) -> list[Descent]:
    """Return the grid of Theorem 1 and 24 local updates away from the top of a hill, before any synchronization."""
    problem, noise = Quadratic(-1.0, pattern="outlier"), Gaussian(1.0)
    apart = RingQPRSGD(HILL.K + 1, Levels(None))
    draft = Descent("hill", apart, HILL.M, 128, HILL.K, 0, Lossless(), problem, noise, Constant(HILL_STEP))
    return [*ring_grid(settings), *repeat(draft, settings.seeds)]


@decides("qprsgd-theorem1-bound")
def test_theorem1(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    groups = by_setting(runs, Descent, *PROBLEMS)
    _draw(groups, figures)
    simulated = at_most_one(_ratios(run, group, n) for run, group in groups.items() for n in _syncs(run))
    search = _search()
    # by hand: one exact step to the minimum, |grad F(x_1)|^2 = 2 L gap against 2 gap/gamma, gamma -> 1/L
    s = Ring(2, 1, 1e-12, 1.0, 0.0, 0.0, 1.0)
    by_hand = close(2 / s.theorem1(0.999, 1), 0.999, rtol=1e-6, atol=0)
    text = f"{simulated.interval.estimate:.3f} of the bound at worst, {search.interval.estimate:.3f} with exact moments"
    claim.decide(all_of(simulated, search, by_hand), text, _of(runs, *PROBLEMS))


@decides("qprsgd-theorem1-conditions")
def test_conditions(claim: Decider) -> None:
    first, third = [], []
    quarters = [Fraction(1, 200), Fraction(1, 40), Fraction(1, 16)]
    for K, y, c in product(range(1, 9), quarters, (Fraction(0), Fraction(1, 10), Fraction(9, 10), Fraction(30))):
        first.append(_first(K, y, c))
        third.append(_third(K, y, c))
    edges = []
    for M, K, x in product((2, 4, 64), (1, 2, 4, 32), (1e-3, 0.5, 2.0)):
        s = Ring(M, K, x, 1.0, 1.0, 1.0, 1.0)
        edges.append(float(s.edge > 0 and all(s.allows(f * s.edge) for f in np.linspace(0.01, 0.999, 40))))
    paper = Ring(4, 4, noise_factor(21_282_122, 2047), 1.0, 1.0, 1.0, 1.0)
    same = [agree(pairs, rtol=1e-12, atol=1e-12) for pairs in (first, third)]
    text = f"gamma < {paper.edge:.3f}/L for the paper's K = M = 4 at s = 2047"
    claim.decide(all_of(*same, close(edges, np.ones(len(edges)), 0, 0)), text)


@decides("qprsgd-lemma6")
def test_lemma6(claim: Decider, runs: list[Run]) -> None:
    (hill,) = by_setting(runs, Descent, "hill").values()
    groups = by_setting(runs, Descent, *PROBLEMS)
    printed = _drift_ratios(hill, HILL_STEP, printed=True)
    corrected = at_most_one(
        [_drift_ratios(hill, HILL_STEP)]
        + [_drift_ratios(group, run.schedule.lr(0)) for run, group in groups.items() if ring_setting(run).K > 1]
    )
    exact = _exact_drift(printed=True)
    twice = within(printed / exact, 0.97, 1.03)
    settings = product((2, 16, 192), (2, 8, 24), (1e-3, 6.6e-3, 0.02), (-1, 0, 1), (0.0, 1.0))
    shares = [_exact_drift(*s) for s in settings if 2 * (s[1] + 1) * (s[1] - 2) * s[2] ** 2 < 1]
    search = searched(shares, "exact drift on hills, planes and bowls, M to 192, K to 24, L gamma to 0.02")
    text = f"{exact:.4f} of the bound as printed, exactly, on a hill; {max(shares):.3f} corrected"
    claim.decide_erratum(at_most_one([printed]), all_of(corrected, search, twice), text, runs)


# ---------------------------------------------------------------------------------------------------- measurement


def _ratios(run: Descent, group: list[Run], syncs: int) -> Array:
    """Return the left-hand side of (9) over its right-hand side after some synchronizations."""
    s = ring_setting(run)
    left: Array = np.array(over_seeds(group, "gradient", syncs * s.K))
    return left / s.theorem1(run.schedule.lr(0), syncs)


def _syncs(run: Descent) -> list[int]:
    """Return 1, 2, 4, ... and the last N, where T = N K was logged."""
    K = ring_setting(run).K
    return [2**k for k in range((run.steps // K).bit_length())]


def _search() -> Decision:
    """Search exact expectations on bowls, with compressions as noisy as Lemma 5 allows."""
    ratios = []
    noises = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, 0.1))  # sigma, tilt, gap
    for M, K, x, (sigma, tilt, gap) in product((2, 4, 16), (1, 2, 4, 16), (1e-9, 0.1, 1.0, 3.0), noises):
        tilts = tuple(tilt * (1.0 if m < M // 2 else -1.0) for m in range(M))
        s = Ring(M, K, x, 1.0, sigma, tilt, gap)
        for fraction, syncs in product((0.01, 0.3, 0.9, 0.999), (1, 4, 1 << 20)):
            gamma = fraction * s.edge
            left = expectations.ring(Problem(M, K, 1.0, sigma, gap, tilts), x / M, gamma, syncs)
            ratios.append(left / s.theorem1(gamma, syncs))
    return searched(ratios, "bowls, M and K to 16, x to 3, gamma to 0.999 of the edge, N to 2^20")


def _first(K: int, y: Fraction, c: Fraction) -> tuple[float, float]:
    """Return the first condition's left-hand side as printed, and from the terms of |grad F(xbar)|^2 in the proof."""
    d = 1 - 2 * (K + 1) * (K - 2) * y * y
    printed = (8 * c * y * y + (K - 1) * y + 2 * c) * K * y / d
    compression, drift = 2 * K * c * y, (2 * K * c * y + Fraction(1, 2)) * y * y
    return float(printed), float(compression + drift * 2 * (K - 1) * K / d)


def _third(K: int, y: Fraction, c: Fraction) -> tuple[float, float]:
    """Return the same for the third condition and the terms of |1/M sum grad F_m|^2, times 2."""
    d = 1 - 2 * (K + 1) * (K - 2) * y * y
    printed = 1 - y - (4 * K * y * c + 1) * (K - 1) * K * y * y / d
    drift = (2 * K * c * y + Fraction(1, 2)) * y * y * (K - 1) * K / d
    return float(printed), float(2 * (Fraction(1, 2) - y / 2 - drift))


def _drift_ratios(group: list[Run], gamma: float, printed: bool = False) -> Array:
    """Return the drift over Lemma 6, means over k and n."""
    run = group[0].experiment
    assert isinstance(run, Descent)
    s = HILL._replace(sigma=run.noise.sigma(run.d)) if run.role == "hill" else ring_setting(run)
    names = ("consensus", "gradient", "mean_gradient")
    rows = zip(*(over_seeds(group, name, run.steps) for name in names), strict=True)
    return np.array([drift / s.M / s.lemma6(gamma, g, mean, printed) for drift, g, mean in rows])


def _exact_drift(
    M: int = HILL.M, K: int = HILL.K, y: float = HILL_STEP, h: int = -1, kappa: float = 0.0, printed: bool = False
) -> float:
    """Return the exact ratio to Lemma 6 for F_m = h |x|^2/2 + tilt_m x, L = sigma = 1, from x = 0.

    With r = 1 - h y, a model is x_k^(m) = -y sum_{j<k} r^(k-1-j) (tilt_m + noise_j), and the tilts have mean 0.
    """
    powers = float(1 - h * y) ** np.arange(K)
    tilts, noises = (np.concatenate([[0.0], np.cumsum(p)[:-1]]) for p in (powers, powers**2))
    drift = y * y * float((tilts**2 * kappa**2 + (1 - 1 / M) * noises).mean())
    gradient = h * h * y * y * float(noises.mean()) / M
    return drift / Ring(M, K, 0.0, 1.0, 1.0, kappa, 0.0).lemma6(y, gradient, gradient, printed)


def _of(runs: list[Run], *roles: str) -> list[Run]:
    return [run for run in runs if getattr(run.experiment, "role", "") in roles]


# --------------------------------------------------------------------------------------------------------- figure


def _draw(groups: Groups, figures: FigureFolder) -> None:
    """Draw the bound over what is measured: against gamma on one problem, against N on all."""
    figure, (left, right) = panels(2, width=4.6)
    frames = [_against_gamma(left, groups), _against_syncs(right, groups)]
    figures.save("theorem1", figure, pd.concat(frames, ignore_index=True))


def _against_gamma(axis: Axes, groups: Groups) -> pd.DataFrame:
    rows = []
    for run, colour in zip(_smallest(groups, "bowl"), COLOURS, strict=False):
        s, syncs = ring_setting(run), min(FRACTIONS.values())
        gammas = np.geomspace(0.02, 0.97, 40) * s.edge
        bound = [s.theorem1(g, syncs) / run.d for g in gammas]
        axis.loglog(gammas / s.edge, bound, "--", color=colour, label=f"bound (9), M = {s.M}, K = {s.K}")
        for other, group in groups.items():
            if other.role == "bowl" and ring_setting(other) == s:
                gamma = other.schedule.lr(0)
                values = _ratios(other, group, syncs) * s.theorem1(gamma, syncs) / run.d
                axis.plot(len(values) * [gamma / s.edge], values, "o", ms=5, mfc="none", color=colour, label="_")
                rows += [("bowl", s.M, s.K, gamma / s.edge, syncs, value) for value in values]
    axis.plot([], [], "ko", ms=5, mfc="none", label="messages, each seed")
    axis.set(xlabel="gamma / largest gamma allowed", ylabel="per coordinate")
    axis.set_title(f"left side of (9), bowl, N = {syncs}", fontsize=10)
    axis.legend(fontsize=7)
    return pd.DataFrame(rows, columns=["role", "M", "K", "gamma_over_edge", "N", "left_side"])


def _against_syncs(axis: Axes, groups: Groups) -> pd.DataFrame:
    rows = []
    for run, group in groups.items():
        s = ring_setting(run)
        fraction = round(run.schedule.lr(0) / s.edge, 3)
        if fraction < 0.5:
            values = [float(_ratios(run, group, n).mean()) for n in _syncs(run)]
            style = "-" if s.K > 1 else ":"
            colour = COLOURS[list(PROBLEMS).index(run.role)]
            axis.semilogx(_syncs(run), values, style, marker=".", color=colour, label=run.role if s.K > 1 else "_")
            rows += [(run.role, s.M, s.K, fraction, n, value) for n, value in zip(_syncs(run), values, strict=True)]
    axis.axhline(1, color="black", lw=1)
    axis.plot([], [], "k-", label="M = 4, K = 4")
    axis.plot([], [], "k:", label="M = 3, K = 1")
    axis.set(xlabel="N", ylim=(0, 1.08))
    axis.set_xticks(ticks := _syncs(next(iter(groups))), [str(n) for n in ticks])
    axis.minorticks_off()
    axis.set_title(f"left side of (9) / bound, {min(FRACTIONS)} of the largest gamma", fontsize=10)
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return pd.DataFrame(rows, columns=["role", "M", "K", "gamma_over_edge", "N", "ratio"])


def _smallest(groups: Groups, role: str) -> list[Descent]:
    """Return one run of a role for every setting."""
    found = {ring_setting(run): run for run in groups if run.role == role}
    return list(found.values())
