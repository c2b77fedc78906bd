"""Intervals over seeds and the decisions that verdicts are made of.

Every decision is an interval against a threshold: on one side it holds, on the other it fails, across it nothing is
decided and the explanation says how many seeds would. Fewer than three seeds decide nothing about a random quantity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproductions.harness.decisions import ROUNDING, Decision, Interval

Array = NDArray[np.float64]
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Slope:
    """A least-squares line: the interval of its slope, its intercept and what it leaves unexplained."""

    interval: Interval
    intercept: float
    residuals: Array


_DIVERGED = Decision("fails", Interval(math.nan, math.nan, math.nan, math.nan, 0), "diverged")


def mean_interval(samples: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the t interval of the mean; a point if all samples are equal, unbounded if there is only one.

    Raises
    ------
    ValueError
        If there is no sample or one is NaN or infinite, which is named. So do the other functions of samples.
    """
    return _interval(_mean(_finite(samples)), confidence)


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the t interval of mean(a - b) for samples paired by seed; a ValueError if their numbers differ."""
    return _interval(_difference(a, b, paired=True), confidence)


def welch_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return Welch's t interval of mean(a) - mean(b) for independent samples, whose variances may differ."""
    return _interval(_difference(a, b, paired=False), confidence)


def bootstrap_interval(
    samples: ArrayLike, statistic: Callable[..., Any], confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Return the BCa interval of ``statistic(samples, axis=...)``; the percentile one if the jackknife is constant."""
    from scipy.stats import bootstrap

    x = _finite(samples)
    if len(x) < 2:
        raise ValueError("the bootstrap needs at least two samples, but there is one")
    jackknife = [float(statistic(np.delete(x, i), axis=-1)) for i in range(len(x))]
    method: Literal["BCa", "percentile"] = "BCa" if np.ptp(jackknife) else "percentile"
    result = bootstrap((x,), statistic, confidence_level=confidence, method=method, rng=np.random.default_rng(seed))
    low, high = result.confidence_interval
    return Interval(float(statistic(x, axis=-1)), float(low), float(high), confidence, len(x))


def slope_interval(x: ArrayLike, y: ArrayLike, confidence: float = 0.95) -> Slope:
    """Fit a line by least squares (a rate is the slope on log-log axes), with n - 2 degrees of freedom.

    A ValueError says that the lengths differ, all x are equal or a value is not finite (the logarithm of zero?).
    """
    from scipy.stats import linregress

    at, values = _finite(x, "x"), _finite(y, "y")
    if len(at) != len(values) or np.ptp(at) == 0:
        raise ValueError(f"a slope needs different x and a y for each, not the {len(at)} x {at} and {len(values)} y")
    line = linregress(at, values)
    error = float(line.stderr) if len(at) > 2 else math.inf
    interval = _interval(_Estimate(float(line.slope), error, len(at) - 2, len(at)), confidence)
    return Slope(interval, float(line.intercept), values - (line.intercept + line.slope * at))


def proportion_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval of a probability."""
    from scipy.stats import binomtest

    ends = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(successes / trials, float(ends.low), float(ends.high), confidence, trials)


def holm(pvalues: ArrayLike) -> Array:
    """Return Holm's adjusted p-values in the order given; those below alpha are significant as a family."""
    p = np.asarray(pvalues, dtype=np.float64)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def p_moved(before: Interval, after: Interval) -> float:
    """Return the two-sided p-value of Welch's test that two intervals are about one and the same mean.

    Standard errors are read back from t intervals, exactly; for other kinds that is an approximation with n - 1 degrees
    of freedom. Two points are either the same, 1, or not, 0. An unbounded interval tells nothing, 1.
    """
    from scipy.special import stdtr

    moved = _apart(_behind(after), _behind(before))
    if moved.error == 0 or moved.value == 0:
        return float(moved.value == 0)
    return float(2 * stdtr(max(moved.df, 1), -abs(moved.value) / moved.error))


def seeds_needed(samples: ArrayLike, margin: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return how many seeds a one-sided t test at level alpha needs to see a mean ``margin`` beyond its threshold.

    The standard deviation is that of the samples, which are differences if seeds are paired. Fewer than two samples or
    a margin that is not positive are a ValueError.
    """
    x = _finite(samples)
    if len(x) < 2 or not margin > 0:
        raise ValueError(f"two samples and a margin above 0 are needed, but there are {len(x)} and {margin}")
    return _seeds(_mean(x), margin, alpha, power)


def within(
    samples: ArrayLike | Interval, low: float, high: float, confidence: float = 0.95, diverged_fails: bool = False
) -> Decision:
    """Decide low <= mean <= high: the confidence interval inside the band holds, wholly outside fails.

    A sample that is not finite is a ValueError, or makes it fail if ``diverged_fails`` is set; so below.
    """
    if not low <= high:
        raise ValueError(f"the band from {low} to {high} is empty")
    if diverged_fails and not isinstance(samples, Interval) and not np.isfinite(samples).all():
        return _DIVERGED
    interval = samples if isinstance(samples, Interval) else mean_interval(samples, confidence)
    holds = low <= interval.low and interval.high <= high
    fails = interval.high < low or interval.low > high
    edge = min((low, high), key=lambda end: abs(end - interval.estimate))
    return _decide(interval, holds, fails, f"mean in [{low:.6g}, {high:.6g}]", _behind(interval), edge)


def less(
    a: ArrayLike,
    b: ArrayLike,
    paired: bool = True,
    margin: float = 0,
    alpha: float = 0.05,
    diverged_fails: bool = False,
) -> Decision:
    """Decide mean(a) < mean(b) + margin: an ordering with margin 0, non-inferiority with margin > 0.

    The interval is that of mean(a) - mean(b) with alpha at each side. The statement is strict: an ordering fails if
    samples do not differ at all, seed by seed.
    """
    if diverged_fails and not (np.isfinite(a).all() and np.isfinite(b).all()):
        return _DIVERGED
    difference = _difference(a, b, paired)
    interval = _interval(difference, 1 - 2 * alpha)
    return _decide(
        interval, interval.high < margin, interval.low >= margin, f"a - b < {margin:.6g}", difference, margin
    )


def increasing(
    groups: Sequence[ArrayLike], paired: bool = True, alpha: float = 0.05, diverged_fails: bool = False
) -> Decision:
    """Decide whether the means of the groups increase in the order given.

    It fails if a step from one group to the next decreases significantly (one-sided t tests, Holm over the steps) or
    if the last mean is not above the first with its whole interval. It holds if the last mean is significantly above
    the first and no step decreases even without Holm's correction. The interval is that of mean(last) - mean(first)
    with alpha at each side.
    """
    if len(groups) < 2:
        raise ValueError(f"a trend needs at least two groups of samples, not {len(groups)}")
    if diverged_fails and not all(np.isfinite(group).all() for group in groups):
        return _DIVERGED
    samples = [_finite(group, f"groups[{i}]") for i, group in enumerate(groups)]
    steps = [_difference(after, before, paired) for before, after in pairwise(samples)]
    decreases = [_p_decrease(step) for step in steps]
    overall = _difference(samples[-1], samples[0], paired)
    interval = replace(_interval(overall, 1 - 2 * alpha), n=min(step.n for step in steps))
    worst = steps[int(np.argmin(decreases))]
    fails, tolerable = bool(holm(decreases).min() < alpha) or interval.high <= 0, min(decreases) >= alpha
    statement = f"mean(last) - mean(first) > 0 and no step down (lowest step {worst.value:+.6g})"
    return _decide(interval, interval.low > 0 and tolerable, fails, statement, overall if tolerable else worst, 0)


def at_most_one(ratios: Iterable[ArrayLike]) -> Decision:
    """Decide that no mean ratio of measured to bound exceeds 1 (but for rounding: some bounds are attained).

    Intervals hold jointly at 95 % (Bonferroni); the one that violates the bound or comes closest to it is reported.
    """
    samples = list(ratios)
    intervals = [mean_interval(sample, 1 - 0.05 / len(samples)) for sample in samples]
    worst = max(intervals, key=lambda interval: (interval.low > 1 + ROUNDING, interval.high))
    return within(worst, -math.inf, 1 + ROUNDING)


class _Estimate(NamedTuple):
    value: float
    error: float  # standard error; infinite if one sample cannot tell
    df: float
    n: int


def _finite(samples: ArrayLike, name: str = "samples") -> Array:
    x = np.asarray(samples, dtype=np.float64)
    if x.ndim != 1 or not x.size:
        raise ValueError(f"{name} is a sequence of at least one number, but its shape is {x.shape}")
    if not np.isfinite(x).all():
        at = int(np.argmin(np.isfinite(x)))
        raise ValueError(f"{name}[{at}] is {x[at]}, but all samples must be finite")
    return x


def _mean(x: Array) -> _Estimate:
    if np.ptp(x) == 0:  # rounding would blur the point
        return _Estimate(float(x[0]), 0.0 if len(x) > 1 else math.inf, len(x) - 1, len(x))
    return _Estimate(float(x.mean()), float(x.std(ddof=1)) / math.sqrt(len(x)), len(x) - 1, len(x))


def _difference(first: ArrayLike, second: ArrayLike, paired: bool) -> _Estimate:
    a, b = _finite(first, "a"), _finite(second, "b")
    if paired and len(a) != len(b):
        raise ValueError(f"samples paired by seed must be equally many, but there are {len(a)} and {len(b)}")
    return _mean(a - b) if paired else _apart(_mean(a), _mean(b))


def _apart(mine: _Estimate, other: _Estimate) -> _Estimate:
    """Return the difference of independent estimates."""
    error = math.hypot(mine.error, other.error)
    known = 0 < error < math.inf  # Welch-Satterthwaite needs an error to share
    df = 1 / sum((side.error / error) ** 4 / side.df for side in (mine, other) if side.error) if known else 1.0
    return _Estimate(mine.value - other.value, error, df, min(mine.n, other.n))


def _quantile(probability: float, df: float) -> float:
    from scipy.special import stdtrit  # Student's t, without the slow import of scipy.stats

    return float(stdtrit(max(df, 1), probability))


def _interval(estimate: _Estimate, confidence: float) -> Interval:
    half = _quantile((1 + confidence) / 2, estimate.df) * estimate.error
    return Interval(estimate.value, estimate.value - half, estimate.value + half, confidence, estimate.n, estimate.df)


def _behind(interval: Interval) -> _Estimate:
    """Return the estimate whose t interval this is; for intervals of another kind it is an approximation."""
    df = interval.n - 1 if interval.df is None else interval.df
    error = (interval.high - interval.low) / 2 / _quantile((1 + interval.confidence) / 2, df)
    return _Estimate(interval.estimate, error, df, interval.n)


def _p_decrease(step: _Estimate) -> float:
    from scipy.special import stdtr

    if step.error == 0:
        return float(step.value >= 0)
    return float(stdtr(max(step.df, 1), step.value / step.error))


def _seeds(estimate: _Estimate, margin: float, alpha: float, power: float) -> int:
    from scipy.special import ndtri

    ratio = min(estimate.error * math.sqrt(estimate.n) / margin, 1e9)
    n = max(FEWEST_SEEDS, math.ceil(((ndtri(1 - alpha) + ndtri(power)) * ratio) ** 2))
    while n < 10_000 and n < ((_quantile(1 - alpha, n - 1) + _quantile(power, n - 1)) * ratio) ** 2:
        n += 1  # few steps: Student's t exceeds the normal distribution by O(1/n)
    return n


def _decide(interval: Interval, holds: bool, fails: bool, statement: str, by: _Estimate, edge: float) -> Decision:
    found = f"{statement}: {interval.estimate:.6g} [{interval.low:.6g}, {interval.high:.6g}] from {interval.n} seeds"
    if interval.n < FEWEST_SEEDS:
        return Decision("inconclusive", interval, f"{found}, at least {FEWEST_SEEDS} are needed")
    if holds or fails:
        return Decision("fails" if fails else "holds", interval, found)
    distance, level = abs(by.value - edge), (1 - interval.confidence) / 2
    seeds = _seeds(by, distance, level, power=0.8) if distance and level else "no number of"
    return Decision("inconclusive", interval, f"{found}, {seeds} seeds would decide")
