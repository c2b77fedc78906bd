"""Corollaries 1.1 to 1.3 and linear speedup of AR-QPRSGD.

Rates are decided twice: by messages on a non-convex problem, see `rates`, and on quadratics, where expectations are
known exactly for every N, K and M and runs with messages have to follow them. Lemma 5 is an upper bound of the noise of
a compression; the exact values use what normal vectors have.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, sqrt
from typing import NamedTuple

import numpy as np
import pandas as pd

from algorithms.network import Lossless
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.schedule import Constant
from algorithms.streams import stream
from reproductions.experiments.descent import Descent, seeded
from reproductions.harness.verdicts.intervals import Slope
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Label,
    Runs,
    Settings,
    all_of,
    close,
    decides,
    panels,
    slope_interval,
    within,
)
from reproductions.qprsgd import exact, rates
from reproductions.qprsgd.bounds import most_workers
from reproductions.qprsgd.exact import SkewedQuadratic, relative_noise
from reproductions.qprsgd.problems import levels_of, problem_of, ring_setting
from reproductions.qprsgd.rounding import Levels, draw_sum
from reproductions.workloads.objectives import Gaussian, Quadratic

PART = 64  # coordinates of one of the M parts
SYNCS = [2**k for k in range(18, 31, 2)]
UPDATES = (1, 2, 4, 8, 16)
WORKERS = (2, 4, 8, 16)
MANY = (16, 32, 64, 128, 256)
FAR = 2**30
MILD, STEEP = 0.3, 0.6  # kappa / sigma: tilts of all workers of one half against those of the other
SHORT = 32
RUNS = ((2, 4), (4, 4), (6, 4), (4, 1))  # M and K of runs with messages


class Steps(NamedTuple):
    """A step size of a corollary: gamma = M^workers / (L K^updates sqrt(N))."""

    updates: float
    workers: float

    def gamma(self, syncs: int, K: int, M: int) -> float:
        """Return gamma at L = 1."""
        return float(M**self.workers / K**self.updates) / sqrt(syncs)


FACTOR = 0.1  # d/(4 s^2) of the runs
FIRST, SECOND, THIRD = Steps(1.0, 0.0), Steps(0.5, 0.0), Steps(0.5, 0.5)  # corollaries 1.1, 1.2 and 1.3
OLDER = (("first", FIRST, "N"), ("second", SECOND, "NK"))  # the runs of the third are those of Table I


def experiments(settings: Settings) -> dict[Label, list[Descent]]:
    """Return short descents on a quadratic by M and K, and those that measure the rates of the three corollaries."""
    objective, noise = Quadratic(1.0, centre=0.5, pattern="outlier"), Gaussian(1.0)
    runs: dict[Label, list[Descent]] = {}
    for M, K in RUNS:
        algorithm, step = RingQPRSGD(K, Levels(_levels(M, FACTOR))), Constant(THIRD.gamma(SHORT, K, M))
        draft = Descent(algorithm, M, PART * M, SHORT * K, 0, Lossless(), objective, noise, step)
        runs["quadratic", M, K] = seeded(draft, settings.seeds)
    for name, step_size, axes in OLDER:
        runs |= rates.grid(name, rates.ring_qprsgd, step_size.gamma, axes=axes, base=(2, 2))
    return runs | rates.this_paper("RAR")


@decides("qprsgd-cor11-rate")
def test_corollary11(claim: Decider, runs: Runs[Descent]) -> None:
    slopes = [_slope(SYNCS, [_expected(FIRST, n, K, M) for n in SYNCS]) for K in (1, 4, 16) for M in (4, 16)]
    decision = all_of(*(_half(s) for s in slopes), _follows(runs), rates.follows(runs, "first", "N"))
    claim.decide(decision, f"by messages {rates.listed(runs, 'first', 'N')}; exact {_listed('N', slopes)}", runs)


@decides("qprsgd-cor12-rate")
def test_corollary12(claim: Decider, runs: Runs[Descent]) -> None:
    in_n = _slope(SYNCS, [_expected(SECOND, n, 4, 4) for n in SYNCS])
    in_k = _slope(UPDATES, [_expected(SECOND, FAR, K, 4) for K in UPDATES])
    # with tilts only up to K <= sigma^2/(2 kappa^2), 5.6 here: beyond, (2 C_1 + 4 K C_1 kappa^2/sigma^2) grows with K
    tilted = _slope(UPDATES[:3], [_expected(SECOND, FAR, K, 4, tilt=MILD) for K in UPDATES[:3]])
    measured = [rates.follows(runs, "second", axis) for axis in "NK"]
    text = f"by messages {rates.listed(runs, 'second', 'NK')}; exact {_listed('N and K', [in_n, in_k, tilted])}"
    claim.decide(all_of(*(_half(s) for s in (in_n, in_k, tilted)), _follows(runs), *measured), text, runs)


@decides("qprsgd-cor13-rate")
def test_corollary13(claim: Decider, runs: Runs[Descent]) -> None:
    assert max(MANY) <= most_workers(1.0, PART * min(MANY)), "(7) as printed has to allow it"
    assert (1 + 2 * exp(-1.0)) / (2 * STEEP**2) >= 2, "so has the limit of K"
    shares = [_measured_share(M) for M in MANY]
    printed = _slope(MANY, [_expected(THIRD, FAR, 2, M, 1.0, STEEP, q) for M, q in zip(MANY, shares, strict=True)])
    allowed = [M for M in WORKERS if most_workers(0.1, 0.1) >= M]
    corrected = _slope(allowed, [_expected(THIRD, FAR, 2, M, 0.1, STEEP) for M in allowed])
    in_n = _slope(SYNCS, [_expected(THIRD, n, 4, 4) for n in SYNCS])
    in_k = _slope(UPDATES[:3], [_expected(THIRD, FAR, K, 4, 0.1, MILD) for K in UPDATES[:3]])
    # the same from the recursion alone: noise that does not fall with M leaves a slope above -1/2
    alone = _slope(MANY, [_expected(THIRD, FAR, 2, M, 1.0, STEEP) for M in MANY])
    twice = all_of(within(alone.interval, -0.45, inf), close(shares[:2], [1.0, 1.0], rtol=0, atol=0.2))
    text = f"slope {printed.interval.estimate:.2f} in M = 16 to 256 as printed"
    decision = all_of(*(_half(s) for s in (corrected, in_n, in_k)), _follows(runs), twice)
    text = f"{text}; {_listed('M, N and K', [corrected, in_n, in_k])} where the corrected (7) holds"
    claim.decide_misprint(_half(printed), decision, text, runs)


@decides("qprsgd-linear-speedup-rar")
def test_linear_speedup(claim: Decider, runs: Runs[Descent], figures: FigureFolder) -> None:
    in_n = _slope(SYNCS, [_expected(THIRD, n, 4, 4) for n in SYNCS])
    in_k = _slope(UPDATES, [_expected(THIRD, FAR, K, 4) for K in UPDATES])
    in_m = _slope(WORKERS, [_expected(THIRD, FAR, 4, M) for M in WORKERS])
    _draw(runs, figures)
    measured = [rates.follows(runs, "RAR", axis) for axis in rates.AXES]
    decision = all_of(*(_half(s) for s in (in_n, in_k, in_m)), _follows(runs), *measured)
    text = f"by messages {rates.listed(runs, 'RAR')}; exact {_listed('N, K and M', [in_n, in_k, in_m])}"
    claim.decide(decision, text, runs)


# ---------------------------------------------------------------------------------------------------- measurement


def _levels(M: int, x: float) -> int:
    """Return s with d/(4 s^2) about x for M parts."""
    return max(1, round(sqrt(PART * M / (4 * x))))


def _expected(steps: Steps, syncs: int, K: int, M: int, x: float = 0.1, tilt: float = 0.0, share: float = 1.0) -> float:
    """Return the exact mean of E |grad F(xbar)|^2 for L = sigma = gap = 1; `share` scales the compressions' noise."""
    tilts = tuple(tilt * (1.0 if m < M // 2 else -1.0) for m in range(M)) if tilt else ()
    q = share * relative_noise(PART, _levels(M, x))
    return exact.ring(SkewedQuadratic(M, K, 1.0, 1.0, 1.0, tilts), q, steps.gamma(syncs, K, M), syncs)


def _follows(runs: Runs[Descent]) -> Decision:
    """Decide whether runs with messages on a quadratic have the exact expectations."""
    quadratic = runs.where(lambda label: problem_of(label) == "quadratic")
    ratios = [np.array(quadratic.final("gradient", label)) / _exact(quadratic.experiment(label)) for label in quadratic]
    return all_of(*(within(ratio, 0.85, 1.15) for ratio in ratios))


def _exact(run: Descent) -> float:
    s, levels = ring_setting(run), levels_of(run)
    q = relative_noise(run.d // s.M, levels) if levels else 0.0
    return exact.ring(SkewedQuadratic(s.M, s.K, 1.0, s.sigma, s.gap), q, run.schedule.lr(0), run.steps // s.K)


def _measured_share(M: int, K: int = 2, trials: int = 32) -> float:
    """Return sampled over expected noise of the ring's compressions at x = 1 for the updates of tilted workers.

    Half of the workers pull one way, so that partial sums grow with M, and so does the noise of compressing them.
    Much larger sums stay on the grid on which they are, and are compressed with less noise than fresh vectors.
    """
    rng, s, m = stream(0, "halves", M), _levels(M, 1.0), np.arange(1, M + 1)
    tilts, q = STEEP / sqrt(PART) * K * np.where(m <= M // 2, 1.0, -1.0), relative_noise(PART, s)
    sampled, expected = 0.0, 0.0
    for start in range(0, M, M // 8):  # parts start at different workers
        w = rng.standard_normal((M, trials, PART)) * sqrt(K / PART) + np.roll(tilts, -start)[:, None, None]
        sampled += float(((draw_sum(w, s, rng) - w.sum(axis=0)) ** 2).sum(axis=1).mean())
        expected += float((q * (1 + q) ** (M - m)) @ (np.cumsum(w, axis=0) ** 2).sum(axis=2).mean(axis=1))
    return sampled / expected


def _slope(x: Sequence[int], y: Sequence[float]) -> Slope:
    return slope_interval(np.log(x), np.log(y))


def _half(slope: Slope) -> Decision:
    return within(slope.interval, -0.55, -0.45)


def _listed(name: str, slopes: Sequence[Slope]) -> str:
    return f"slopes {', '.join(f'{s.interval.estimate:.3f}' for s in slopes)} in {name}"


# --------------------------------------------------------------------------------------------------------- figure


def _draw(runs: Runs[Descent], figures: FigureFolder) -> None:
    """Draw exact expectations and runs against N K M, and what tilts do to the speedup in M."""
    figure, (left, right) = panels(2, width=4.8)
    rows = []
    for (M, K), colour in zip(RUNS, COLOURS, strict=False):
        syncs = [2**k for k in range(4, 25)]
        values = [_expected(THIRD, n, K, M) for n in syncs]
        left.loglog(np.multiply(syncs, K * M), values, color=colour, label=f"exact, M = {M}, K = {K}")
        rows += [("exact", FACTOR, 0.0, M, K, n, v) for n, v in zip(syncs, values, strict=True)]
        label = ("quadratic", M, K)
        found = np.array(runs.final("gradient", label)) / _exact(runs.experiment(label))
        found = found * _expected(THIRD, SHORT, K, M)
        left.plot([SHORT * K * M] * len(found), found, "o", ms=5, mfc="none", color=colour, label="_")
        rows += [("messages", FACTOR, 0.0, M, K, SHORT, v) for v in found]
    left.plot([], [], "ko", ms=5, mfc="none", label="messages, each seed")
    left.loglog([1e4, 1e8], [0.003, 0.003e-2], "k:", label="slope -1/2")
    left.set(xlabel="N K M", ylabel="mean |grad F|^2", title=f"Corollary 1.3, d/(4 s^2) = {FACTOR}")
    workers = [2, 4, 8, *MANY]
    for (x, tilt), colour in zip(((0.1, 0.0), (0.1, STEEP), (1.0, 0.0), (1.0, STEEP)), COLOURS, strict=False):
        values = [_expected(THIRD, FAR, 2, M, x, tilt, _measured_share(M) if M > 4 else 1.0) for M in workers]
        right.loglog(workers, values, ".-", color=colour, label=f"d/(4 s^2) = {x}, kappa = {tilt} sigma")
        rows += [("exact", x, tilt, M, 2, FAR, v) for M, v in zip(workers, values, strict=True)]
    first = _expected(THIRD, FAR, 2, 2)
    right.loglog(workers, first * np.sqrt(2 / np.array(workers)), "k:", label="slope -1/2")
    right.set(xlabel="M", ylabel="mean |grad F|^2", title="N = 2^30, K = 2, one half of the workers against the other")
    for axis in (left, right):
        axis.legend(fontsize=7)
    figures.save("ring_rate", figure, pd.DataFrame(rows, columns=["kind", "x", "kappa", "M", "K", "N", "value"]))
