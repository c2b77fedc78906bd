"""Decisions about random values: outcomes, p-values, and what an explanation says."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from reproductions.harness.verdicts import decisions, intervals, power
from reproductions.harness.verdicts import statistics as st

A = np.array([1.1, 0.9, 1.3, 1.0, 1.2, 0.8])
B = np.array([1.4, 1.1, 1.5, 1.3, 1.3, 1.2])


def wrong_decisions(shrink=1.0, trials=1000):
    """Return how often tests of true nulls decide against them, with standard errors divided by `shrink`."""
    rng = np.random.default_rng(13)

    def shrunk(*arguments, **options):
        found = intervals.difference(*arguments, **options)
        low, high = (found.estimate + (end - found.estimate) / shrink for end in (found.low, found.high))
        return replace(found, low=low, high=high)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "difference", shrunk)
        patch.setattr(st, "_missing", lambda *_: "some")  # a sentence that takes longer than the decision
        a, b = rng.normal(size=(2, trials, 5))
        return np.mean([st.less(x, y).outcome != "inconclusive" for x, y in zip(a, b, strict=True)])


def test_a_null_claim_is_decided_as_often_as_its_level_says():
    tolerance = 4 * np.sqrt(0.1 * 0.9 / 1000)
    assert wrong_decisions() == pytest.approx(0.1, abs=tolerance)
    assert wrong_decisions(shrink=np.sqrt(2)) > 0.1 + 2 * tolerance  # standard errors divided by sqrt(2) are seen


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: intervals.mean_interval([1, np.nan]), r"samples\[1\] is nan"),
        (lambda: intervals.paired_difference([1, 2], [np.inf, 1]), r"b\[0\] is inf"),
        (lambda: st.increasing([[1, 2], [1, np.nan]]), r"groups\[1\]\[1\] is nan"),
        (lambda: intervals.mean_interval([]), "at least one number"),
        (lambda: intervals.paired_difference([1, 2], [1, 2, 3]), "there are 2 and 3"),
        (lambda: st.within(A, 2, 1), "from 2 to 1 is empty"),
        (lambda: st.increasing([A]), "two groups"),
        (lambda: power.seeds_to_see(0, 1), "an effect above 0"),
        (lambda: decisions.close([1, 2], [1], 0, 0), "one shape"),
    ],
)
def test_bad_input_is_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_within():
    assert st.within(A, 0.5, 1.5).outcome == "holds"
    assert st.within(A, 1.5, np.inf).outcome == "fails"
    assert st.within(intervals.mean_interval(A), 1.0, 1.5).outcome == "inconclusive"
    assert st.within([2.0, 2.0, 2.0], 2.0, 3.0, of="values").outcome == "holds"
    assert st.within(intervals.proportion_interval(0, 1000), 0, 0.01).outcome == "holds"


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


@pytest.mark.parametrize(
    "decide",
    [
        lambda x, **kw: st.within(x, -9, 9, **kw),
        lambda x, **kw: st.less(x, np.add(x, 9), **kw),
        lambda x, **kw: st.less([*x, *x], np.add(x, 9), paired=False, **kw),
        lambda x, **kw: st.increasing([x, np.add(x, 5), np.add(x, 9)], **kw),
        lambda x, **kw: st.at_most_one([np.divide(x, 9)], **kw),
    ],
)
def test_one_number_repeated_is_not_three_seeds(decide):
    decision = decide([0.1 + 0.2] * 3)
    assert decision.outcome == "inconclusive"
    assert "a number that every seed repeats is one sample" in decision.explanation
    assert decide([0.1 + 0.2] * 3, of="values").outcome == "holds"
    assert decide([0.1, 0.2, 0.3]).outcome == "holds"
    assert decide([0.3, 0.3 + 1e-15, 0.3 - 1e-15]).outcome == "inconclusive"  # but for rounding


def test_an_explanation_says_what_was_counted():
    assert "from 6 seeds" in st.within(A, 0, 2).explanation
    assert "from 6 draws" in st.within(A, 0, 2, of="draws").explanation
    assert (
        "from 4 grid points"
        in st.within(intervals.slope_interval([1, 2, 3, 4], [1, 2, 3, 4.1]).interval, 0, 2).explanation
    )
    assert "from 20 draws" in st.within(intervals.proportion_interval(7, 20), 0, 1).explanation
    assert "from 6 launches" in st.less(A, B, of="launches").explanation


def test_p_values_are_those_of_scipy_and_agree_with_the_outcome():
    decision = st.less(A, B)
    assert decision.p_holds == pytest.approx(stats.ttest_rel(A, B, alternative="less").pvalue)
    assert decision.p_fails == pytest.approx(stats.ttest_rel(A, B, alternative="greater").pvalue)
    rng = np.random.default_rng(5)
    outcomes = set()
    for _ in range(100):
        a, b, c = rng.normal(0, 1, 5), rng.normal(0.5, 1, 5), rng.normal(1, 1, 5)
        for decision, level in (
            (st.within(a, -1, 1), 0.05),
            (st.within(c, -1, 1, confidence=0.99), 0.01),
            (st.less(a, b, alpha=0.02), 0.02),
            (st.less(b, a, margin=0.3, paired=False), 0.05),
            (st.increasing([a, b, c], alpha=0.1), 0.1),
        ):
            below = (decision.p_holds < level, decision.p_fails < level)
            assert below == (decision.outcome == "holds", decision.outcome == "fails")
            outcomes.add(decision.outcome)
    assert outcomes == {"holds", "fails", "inconclusive"}


def test_what_more_seeds_would_not_change_has_no_p_value():
    for decision in (
        decisions.exactly(1, 1),
        st.within([1.0, 2.0], 0, 3),
        st.within([1.0] * 3, 0, 3),
        st.within(intervals.proportion_interval(7, 20), 0, 1),
        decisions.all_of(st.less(A, B), st.within([1.0, 2.0], 0, 3)),
    ):
        assert (decision.p_holds, decision.p_fails) == (None, None)
    together = decisions.all_of(st.less(A, B), decisions.exactly(1, 1), st.within(A, 0.5, 1.5))
    assert together.p_holds == max(st.less(A, B).p_holds, st.within(A, 0.5, 1.5).p_holds)


def test_increasing():
    rng = np.random.default_rng(2)
    groups = [mean + 0.1 * rng.normal(size=5) for mean in (0, 1, 1, 2)]
    assert st.increasing(groups).outcome == "holds"
    assert st.increasing(groups[::-1]).outcome == "fails"
    assert st.increasing([groups[0], groups[3], groups[1], groups[3] + 1], paired=False).outcome == "fails"
    assert st.increasing([groups[1], groups[2]]).outcome == "inconclusive"
    assert st.increasing([[1, 1, 1], [2, 2, 2], [2, 2, 2]], of="values").outcome == "holds"
    assert st.increasing([[1, 1, 1], [3, 3, 3], [2, 2, 2]], of="values").outcome == "fails"


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
    ],
)
def test_divergence_fails_only_if_told_so(decide):
    with pytest.raises(ValueError, match="must be finite"):
        decide()
    assert (decide(diverged_fails=True).outcome, decide(diverged_fails=True).explanation) == ("fails", "diverged")
