import numpy as np
import pytest
from scipy import stats

from reproductions.harness import decisions
from reproductions.harness import statistics as st

A = np.array([1.1, 0.9, 1.3, 1.0, 1.2, 0.8])
B = np.array([1.4, 1.1, 1.5, 1.3, 1.3, 1.2])


def ends(interval):
    return interval.low, interval.high


def as_pair(interval):
    return pytest.approx((interval.low, interval.high), rel=1e-10)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_mean_and_differences_agree_with_scipy(confidence):
    one = stats.ttest_1samp(A, 0).confidence_interval(confidence)
    assert ends(st.mean_interval(A, confidence)) == as_pair(one)
    assert ends(st.paired_difference(A, B, confidence)) == as_pair(
        stats.ttest_rel(A, B).confidence_interval(confidence)
    )
    welch = stats.ttest_ind(A, B[:4], equal_var=False).confidence_interval(confidence)
    assert ends(st.welch_difference(A, B[:4], confidence)) == as_pair(welch)
    assert st.welch_difference(A, B[:4], confidence).n == 4


def test_proportion_and_bootstrap_agree_with_scipy():
    assert ends(st.proportion_interval(7, 20)) == as_pair(stats.binomtest(7, 20).proportion_ci(method="wilson"))
    reference = stats.bootstrap((A,), np.median, rng=np.random.default_rng(3)).confidence_interval
    assert ends(st.bootstrap_interval(A, np.median, seed=3)) == as_pair(reference)
    assert st.bootstrap_interval(A, np.mean) == st.bootstrap_interval(A, np.mean, seed=0)


def test_bootstrap_where_bca_has_no_answer():
    constant = st.bootstrap_interval([2.0, 2.0, 2.0], np.mean)
    assert (constant.estimate, constant.low, constant.high) == (2, 2, 2)
    median = st.bootstrap_interval([1.0, 1.0, 1.0, 1.0, 5.0], np.median)
    assert np.isfinite(ends(median)).all()
    with pytest.raises(ValueError, match="two samples"):
        st.bootstrap_interval([1.0], np.mean)


def test_slope_agrees_with_linregress():
    x, noise = np.log([10, 20, 40, 80, 160]), np.array([0.01, -0.02, 0.015, 0.0, -0.01])
    fit, reference = st.slope_interval(x, 3 - 0.5 * x + noise), stats.linregress(x, 3 - 0.5 * x + noise)
    half = stats.t.ppf(0.975, 3) * reference.stderr
    assert fit.interval.estimate == pytest.approx(reference.slope)
    assert ends(fit.interval) == pytest.approx((reference.slope - half, reference.slope + half))
    assert fit.intercept == pytest.approx(reference.intercept)
    assert fit.residuals.sum() == pytest.approx(0, abs=1e-12)
    assert fit.residuals @ x == pytest.approx(0, abs=1e-12)


def test_a_line_through_two_points_has_no_interval():
    assert ends(st.slope_interval([0, 1], [0, 1]).interval) == (-np.inf, np.inf)
    for x, y in (([1, 1], [0, 1]), ([0, 1, 2], [0, 1])):
        with pytest.raises(ValueError, match="a slope needs"):
            st.slope_interval(x, y)


def coverage(intervals, truth):
    return np.mean([i.low <= truth <= i.high for i in intervals])


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, trials = np.random.default_rng(7), 2000
    tolerance = 4 * np.sqrt(0.9 * 0.1 / trials)
    a, b = rng.normal(2, 1, (trials, 5)), rng.normal(3, 4, (trials, 8))
    x = np.arange(6.0)
    noisy = 2 * x + rng.normal(size=(trials, 6))
    hits = rng.binomial(40, 0.3, trials)
    for intervals, truth in (
        ([st.mean_interval(row, 0.9) for row in a], 2),
        ([st.paired_difference(row, other, 0.9) for row, other in zip(a, b[:, :5], strict=True)], -1),
        ([st.welch_difference(row, other, 0.9) for row, other in zip(a, b, strict=True)], -1),
        ([st.slope_interval(x, row, 0.9).interval for row in noisy], 2),
    ):
        assert coverage(intervals, truth) == pytest.approx(0.9, abs=tolerance)
    wilson = coverage([st.proportion_interval(int(k), 40, 0.9) for k in hits], 0.3)
    assert wilson == pytest.approx(0.9, abs=tolerance + 0.02)  # a discrete distribution


def test_holm_by_hand():
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; made monotone: 0.02, 0.03, 0.06, 0.06
    np.testing.assert_allclose(st.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(st.holm([0.9, 0.8]), [1, 1])
    assert st.holm([]).size == 0


def test_points_and_single_samples():
    assert ends(st.mean_interval([0.1, 0.1, 0.1])) == (0.1, 0.1)
    assert ends(st.welch_difference([2, 2, 2], [1, 1])) == (1, 1)
    assert ends(st.mean_interval([3.0])) == (-np.inf, np.inf)
    assert ends(st.welch_difference(A, [3.0])) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: st.mean_interval([1, np.nan]), r"samples\[1\] is nan"),
        (lambda: st.paired_difference([1, 2], [np.inf, 1]), r"b\[0\] is inf"),
        (lambda: st.increasing([[1, 2], [1, np.nan]]), r"groups\[1\]\[1\] is nan"),
        (lambda: st.mean_interval([]), "at least one number"),
        (lambda: st.paired_difference([1, 2], [1, 2, 3]), "there are 2 and 3"),
        (lambda: st.within(A, 2, 1), "from 2 to 1 is empty"),
        (lambda: st.increasing([A]), "two groups"),
        (lambda: st.seeds_needed([1.0], 1), "two samples"),
        (lambda: st.seeds_needed(A, 0), "margin"),
        (lambda: decisions.close([1, 2], [1], 0, 0), "one shape"),
    ],
)
def test_bad_input_is_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_within():
    assert st.within(A, 0.5, 1.5).outcome == "holds"
    assert st.within(A, 1.5, np.inf).outcome == "fails"
    assert st.within(st.mean_interval(A), 1.0, 1.5).outcome == "inconclusive"
    assert st.within([2.0, 2.0, 2.0], 2.0, 3.0).outcome == "holds"
    assert st.within(st.proportion_interval(0, 1000), 0, 0.01).outcome == "holds"


def test_less_is_the_one_sided_test_of_scipy():
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(100):
        a, b = rng.normal(0, 1, 6), rng.normal(0.8, 2, 6)
        for paired in (True, False):
            test = (
                stats.ttest_rel
                if paired
                else lambda x, y, alternative: stats.ttest_ind(x, y, equal_var=False, alternative=alternative)
            )
            below, above = test(a, b, alternative="less").pvalue < 0.05, test(a, b, alternative="greater").pvalue < 0.05
            outcome = st.less(a, b, paired=paired).outcome
            assert outcome == ("holds" if below else "fails" if above else "inconclusive")
            outcomes.add(outcome)
    assert outcomes >= {"holds", "inconclusive"}


def test_a_margin_turns_an_ordering_into_non_inferiority():
    assert st.less(B, A).outcome == "fails"
    assert st.less(B, A, margin=1.0).outcome == "holds"
    assert st.less(A, A).outcome == "fails"
    assert st.increasing([A, A, A]).outcome == "fails"


def test_error_rate_of_less_under_no_difference():
    rng, trials = np.random.default_rng(11), 2000
    held = np.mean([st.less(*rng.normal(size=(2, 4)), paired=True).outcome == "holds" for _ in range(trials)])
    assert held == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / trials))


def test_increasing():
    rng = np.random.default_rng(2)
    groups = [mean + 0.1 * rng.normal(size=5) for mean in (0, 1, 1, 2)]
    assert st.increasing(groups).outcome == "holds"
    assert st.increasing(groups[::-1]).outcome == "fails"
    assert st.increasing([groups[0], groups[3], groups[1], groups[3] + 1], paired=False).outcome == "fails"
    assert st.increasing([groups[1], groups[2]]).outcome == "inconclusive"
    assert st.increasing([[1, 1, 1], [2, 2, 2], [2, 2, 2]]).outcome == "holds"
    assert st.increasing([[1, 1, 1], [3, 3, 3], [2, 2, 2]]).outcome == "fails"


def test_a_dip_that_only_holm_forgives_leaves_a_trend_open():
    dip = [0.0, -0.3, -0.6, -0.3]
    base = np.array([1.0, 2.0, 3.0, 4.0])
    groups = [base, base + 5, base + 5 + dip, base + 9]
    assert 0.05 / 3 < stats.ttest_1samp(dip, 0, alternative="less").pvalue < 0.05
    decision = st.increasing(groups)
    assert decision.outcome == "inconclusive"
    assert "lowest step -0.3" in decision.explanation
    assert int(decision.explanation.split()[-4]) > 4


@pytest.mark.parametrize(
    "decide",
    [
        lambda x: st.within(x, -9, 9),
        lambda x: st.less(x, np.add(x, 9)),
        lambda x: st.less([*x, 1.0, 1.0], np.add(x, 9), paired=False),
        lambda x: st.increasing([x, np.add(x, 9)]),
        lambda x: st.increasing([[*x, 1.0], np.add(x, 5), [*np.add(x, 9), 10.0]], paired=False),
    ],
)
def test_two_seeds_decide_nothing(decide):
    decision = decide([0.5, 0.5])
    assert decision.outcome == "inconclusive"
    assert "2 seeds, at least 3" in decision.explanation


@pytest.mark.parametrize(
    "decide",
    [
        lambda **kw: st.within([1, np.nan], 0, 1, **kw),
        lambda **kw: st.less([1, np.inf], [1, 2], **kw),
        lambda **kw: st.less([1, 1], [1, np.inf], **kw),
        lambda **kw: st.increasing([[1, 2], [1, -np.inf]], **kw),
    ],
)
def test_divergence_fails_only_if_told_so(decide):
    with pytest.raises(ValueError, match="must be finite"):
        decide()
    assert (decide(diverged_fails=True).outcome, decide(diverged_fails=True).explanation) == ("fails", "diverged")


@pytest.mark.parametrize(("effect", "seeds"), [(0.5, 27), (1.0, 8), (0.1, 620)])
def test_seeds_needed_matches_the_power_of_the_t_test(effect, seeds):
    samples = np.array([-1.0, 0.0, 1.0])  # standard deviation 1
    needed = st.seeds_needed(samples, effect)
    assert needed == pytest.approx(seeds, abs=1)
    critical = stats.t.ppf(0.95, needed - 1)
    power = stats.nct.sf(critical, needed - 1, effect * np.sqrt(needed))
    assert 0.79 < power < 0.83


def test_seeds_needed_at_the_extremes():
    assert st.seeds_needed([1.0, 1.0], 0.1) == 3
    assert st.seeds_needed([0.0, 1.0], 1e-300) > 10**15


def test_an_open_question_says_how_many_seeds_would_close_it():
    a, b = [0.0, 1.0, 2.0], [1.0, 1.5, 1.0]
    decision = st.less(a, b)
    assert decision.outcome == "inconclusive"
    assert f"{st.seeds_needed(np.subtract(a, b), abs(np.mean(a) - np.mean(b)))} seeds would" in decision.explanation
    band = st.within(A, 1.0, 2.0)
    assert f"{st.seeds_needed(A, A.mean() - 1.0, alpha=0.025)} seeds would" in band.explanation


def test_deterministic_quantities():
    assert decisions.exactly(3, 3).outcome == "holds"
    assert decisions.exactly(2**60, 2**60 + 1).outcome == "fails"
    decision = decisions.exactly([1, 2, 3], [1, 5, 3])
    assert decision.outcome == "fails"
    assert decision.interval.estimate == 2
    assert "element 1 is 2, wanted 5" in decision.explanation
    assert decisions.exactly([np.inf], [np.inf]).outcome == "holds"
    assert decisions.exactly(np.nan, np.nan).outcome == "fails"
    assert decisions.exactly(True, True).outcome == "holds"


def test_close():
    assert decisions.close(1.0005, 1.0, rtol=1e-3, atol=0).outcome == "holds"
    assert decisions.close([1.0, 0.002], [1.0, 0.0], rtol=1e-3, atol=1e-3).outcome == "fails"
    assert decisions.close(5.0, np.inf, rtol=0.1, atol=0).outcome == "fails"
    assert decisions.close([[1.0, np.nan]], [[1.0, 1.0]], rtol=1, atol=1).outcome == "fails"


def test_statements_hold_together_or_the_weakest_speaks():
    holds, fails = st.less(A, B), st.less(B, A)
    undecided = st.less(A[:2], B[:2])
    assert decisions.all_of(holds, holds).outcome == "holds"
    assert holds.explanation in decisions.all_of(holds, decisions.exactly([1], [1])).explanation
    assert decisions.all_of(holds, undecided) == undecided
    assert decisions.all_of(holds, undecided, fails) == fails


def test_an_exact_range_across_a_threshold_is_inconclusive():
    decision = st.within(decisions.Interval(1.0, 0.5, 1.5, 1.0, 10), 0, 1)
    assert decision.outcome == "inconclusive"
    assert "no number of seeds" in decision.explanation
