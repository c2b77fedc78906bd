"""Confidence intervals over samples: one a seed, a draw or a launch. They are those of scipy.

A number that every sample repeats has an interval that is a point; one sample alone has an unbounded interval.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproductions.harness.verdicts.decisions import Counted, Interval

Array = NDArray[np.float64]
ALIKE = 1e-12  # relative spread up to which samples are one number, repeated


@dataclass(frozen=True)
class Slope:
    """A least-squares line: the interval of its slope, its intercept and what it leaves unexplained."""

    interval: Interval
    intercept: float
    residuals: Array


def mean_interval(samples: ArrayLike, confidence: float = 0.95, of: Counted = "seeds") -> Interval:
    """Return the t interval of the mean of samples; `of` says what the samples are.

    It is that of ``ttest_1samp`` of scipy, which checks and broadcasts for a millisecond in every call.

    Raises
    ------
    ValueError
        If there is no sample or one is NaN or infinite, which is named. So do the other functions of samples.
    """
    x = finite(samples)
    if constant(x):
        return _known(float(x[0]), len(x), confidence, of)
    mean, error, df = float(x.mean()), float(x.std(ddof=1)) / math.sqrt(len(x)), len(x) - 1
    half = _quantile(confidence, df) * error
    return Interval(mean, mean - half, mean + half, confidence, len(x), df, of)


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95, of: Counted = "seeds") -> Interval:
    """Return the t interval of mean(a - b) for samples paired by seed; a ValueError if their numbers differ."""
    x, y = finite(a, "a"), finite(b, "b")
    if len(x) != len(y):
        raise ValueError(f"samples paired by seed must be equally many, but there are {len(x)} and {len(y)}")
    return mean_interval(x - y, confidence, of)


def welch_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95, of: Counted = "seeds") -> Interval:
    """Return Welch's t interval of mean(a) - mean(b) for independent samples, whose variances may differ."""
    x, y = finite(a, "a"), finite(b, "b")
    n, difference = min(len(x), len(y)), float(x.mean() - y.mean())
    if n == 1 or (constant(x) and constant(y)):
        return _known(difference, n, confidence, of)
    from scipy.stats import ttest_ind

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one of the two may be constant
        test = ttest_ind(x, y, equal_var=False)
    ends = test.confidence_interval(confidence)
    return Interval(difference, float(ends.low), float(ends.high), confidence, n, float(test.df), of)


def difference(
    a: ArrayLike, b: ArrayLike, paired: bool = True, confidence: float = 0.95, of: Counted = "seeds"
) -> Interval:
    """Return the t interval of mean(a) - mean(b), paired by seed or not."""
    return (paired_difference if paired else welch_difference)(a, b, confidence, of)


def slope_interval(x: ArrayLike, y: ArrayLike, confidence: float = 0.95, of: Counted = "grid points") -> Slope:
    """Fit a line by least squares (a rate is the slope on log-log axes), with n - 2 degrees of freedom.

    A ValueError says that the lengths differ, all x are equal or a value is not finite (the logarithm of zero?).
    """
    from scipy.stats import linregress

    at, values = finite(x, "x"), finite(y, "y")
    if len(at) != len(values) or np.ptp(at) == 0:
        raise ValueError(f"a slope needs different x and a y for each, not the {len(at)} x {at} and {len(values)} y")
    line, df = linregress(at, values), len(at) - 2
    slope = float(line.slope)
    half = _quantile(confidence, df) * float(line.stderr) if df else math.inf
    interval = Interval(slope, slope - half, slope + half, confidence, len(at), df, of)
    return Slope(interval, float(line.intercept), values - (line.intercept + line.slope * at))


def proportion_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval of a probability."""
    from scipy.stats import binomtest

    ends = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(successes / trials, float(ends.low), float(ends.high), confidence, trials, of="draws")


def standard_error(interval: Interval) -> float:
    """Return the standard error behind a t interval, exactly; for other kinds an approximation with n - 1 degrees."""
    if interval.low == interval.high:
        return 0.0
    return (interval.high - interval.low) / 2 / _quantile(interval.confidence, degrees(interval))


def degrees(interval: Interval) -> float:
    """Return the degrees of freedom of an interval, at least one."""
    return max(interval.n - 1 if interval.df is None else interval.df, 1)


def p_below(interval: Interval, edge: float) -> float:
    """Return the one-sided p-value of the statement that the mean is below an edge."""
    from scipy.special import stdtr

    distance, error = interval.estimate - edge, standard_error(interval)
    if error == 0:
        return float(distance >= 0)
    return float(stdtr(degrees(interval), distance / error))


def finite(samples: ArrayLike, name: str = "samples") -> Array:
    """Return samples as an array; a ValueError if there is none or one is NaN or infinite, which is named."""
    x = np.asarray(samples, dtype=np.float64)
    if x.ndim != 1 or not x.size:
        raise ValueError(f"{name} is a sequence of at least one number, but its shape is {x.shape}")
    if not np.isfinite(x).all():
        at = int(np.argmin(np.isfinite(x)))
        raise ValueError(f"{name}[{at}] is {x[at]}, but all samples must be finite")
    return x


def constant(samples: ArrayLike) -> bool:
    """Whether all samples are one number, but for rounding."""
    x = np.asarray(samples, dtype=np.float64)
    return bool(np.ptp(x) <= ALIKE * abs(x).max())


def _known(value: float, n: int, confidence: float, of: Counted) -> Interval:
    """Return a point, or of one sample alone an interval that tells nothing."""
    half = 0.0 if n > 1 or of == "values" else math.inf
    return Interval(value, value - half, value + half, confidence, n, max(n - 1, 0), of)


def _quantile(confidence: float, df: float) -> float:
    """Return half the width of a t interval in standard errors."""
    from scipy.special import stdtrit  # Student's t, without the slow import of scipy.stats

    return float(stdtrit(df, (1 + confidence) / 2))


def p_moved(before: Interval, after: Interval) -> float:
    """Return the two-sided p-value of Welch's test that two intervals are about one and the same mean.

    For intervals of another kind than t that is an approximation. Two points are either the same, 1, or not, 0. An
    unbounded interval tells nothing, 1.
    """
    from scipy.special import stdtr

    moved, errors = after.estimate - before.estimate, [standard_error(before), standard_error(after)]
    error = math.hypot(*errors)
    if error == 0 or moved == 0:
        return float(moved == 0)
    if math.isinf(error):
        return 1.0
    shares = zip(errors, (degrees(before), degrees(after)), strict=True)
    return float(2 * stdtr(1 / sum((each / error) ** 4 / df for each, df in shares), -abs(moved) / error))
