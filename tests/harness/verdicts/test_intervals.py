"""Intervals are those of scipy, and cover the truth as often as they say."""

import numpy as np
import pytest
from scipy import stats

from reproductions.harness.verdicts import intervals

A = np.array([1.1, 0.9, 1.3, 1.0, 1.2, 0.8])
B = np.array([1.4, 1.1, 1.5, 1.3, 1.3, 1.2])


def ends(interval):
    return interval.low, interval.high


def as_pair(interval):
    return pytest.approx((interval.low, interval.high), rel=1e-10)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_mean_and_differences_agree_with_scipy(confidence):
    one = stats.ttest_1samp(A, 0).confidence_interval(confidence)
    assert ends(intervals.mean_interval(A, confidence)) == as_pair(one)
    assert ends(intervals.paired_difference(A, B, confidence)) == as_pair(
        stats.ttest_rel(A, B).confidence_interval(confidence)
    )
    welch = stats.ttest_ind(A, B[:4], equal_var=False).confidence_interval(confidence)
    assert ends(intervals.welch_difference(A, B[:4], confidence)) == as_pair(welch)
    assert intervals.welch_difference(A, B[:4], confidence).n == 4


def test_a_proportion_agrees_with_scipy():
    assert ends(intervals.proportion_interval(7, 20)) == as_pair(stats.binomtest(7, 20).proportion_ci(method="wilson"))


def test_slope_agrees_with_linregress():
    x, noise = np.log([10, 20, 40, 80, 160]), np.array([0.01, -0.02, 0.015, 0.0, -0.01])
    fit, reference = intervals.slope_interval(x, 3 - 0.5 * x + noise), stats.linregress(x, 3 - 0.5 * x + noise)
    half = stats.t.ppf(0.975, 3) * reference.stderr
    assert fit.interval.estimate == pytest.approx(reference.slope)
    assert ends(fit.interval) == pytest.approx((reference.slope - half, reference.slope + half))
    assert fit.intercept == pytest.approx(reference.intercept)
    assert fit.residuals.sum() == pytest.approx(0, abs=1e-12)
    assert fit.residuals @ x == pytest.approx(0, abs=1e-12)


def test_a_line_through_two_points_has_no_interval():
    assert ends(intervals.slope_interval([0, 1], [0, 1]).interval) == (-np.inf, np.inf)
    for x, y in (([1, 1], [0, 1]), ([0, 1, 2], [0, 1])):
        with pytest.raises(ValueError, match="a slope needs"):
            intervals.slope_interval(x, y)


def coverage(intervals, truth):
    return np.mean([i.low <= truth <= i.high for i in intervals])


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, trials = np.random.default_rng(7), 2000
    tolerance = 4 * np.sqrt(0.9 * 0.1 / trials)
    a, b = rng.normal(2, 1, (trials, 5)), rng.normal(3, 4, (trials, 8))
    x = np.arange(6.0)
    noisy = 2 * x + rng.normal(size=(trials, 6))
    hits = rng.binomial(40, 0.3, trials)
    for found, truth in (
        ([intervals.mean_interval(row, 0.9) for row in a], 2),
        ([intervals.paired_difference(row, other, 0.9) for row, other in zip(a, b[:, :5], strict=True)], -1),
        ([intervals.welch_difference(row, other, 0.9) for row, other in zip(a, b, strict=True)], -1),
        ([intervals.slope_interval(x, row, 0.9).interval for row in noisy], 2),
    ):
        assert coverage(found, truth) == pytest.approx(0.9, abs=tolerance)
    wilson = coverage([intervals.proportion_interval(int(k), 40, 0.9) for k in hits], 0.3)
    assert wilson == pytest.approx(0.9, abs=tolerance + 0.02)  # a discrete distribution


def test_points_and_single_samples():
    assert ends(intervals.mean_interval([0.1, 0.1, 0.1])) == (0.1, 0.1)
    assert ends(intervals.welch_difference([2, 2, 2], [1, 1])) == (1, 1)
    assert ends(intervals.mean_interval([3.0])) == (-np.inf, np.inf)
    assert ends(intervals.welch_difference(A, [3.0])) == (-np.inf, np.inf)
