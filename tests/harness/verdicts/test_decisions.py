"""Decisions about exact values, and about several at once."""

import numpy as np

from reproductions.harness.verdicts import decisions
from reproductions.harness.verdicts import statistics as st

A = np.array([1.1, 0.9, 1.3, 1.0, 1.2, 0.8])
B = np.array([1.4, 1.1, 1.5, 1.3, 1.3, 1.2])


def test_deterministic_quantities():
    assert decisions.exactly(3, 3).outcome == "holds"
    assert decisions.exactly(2**60, 2**60 + 1).outcome == "fails"
    decision = decisions.exactly([1, 2, 3], [1, 5, 3])
    assert decision.outcome == "fails"
    assert decision.interval.estimate == 2
    assert "value 2 of 3 is 2, wanted 5" in decision.explanation
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
    for weakest, together in ((undecided, (holds, undecided)), (fails, (holds, undecided, fails))):
        decision = decisions.all_of(*together)
        assert (decision.outcome, decision.interval) == (weakest.outcome, weakest.interval)
        assert decision.explanation == weakest.explanation


def test_an_exact_range_across_a_threshold_is_inconclusive():
    decision = st.within(decisions.Interval(1.0, 0.5, 1.5, 1.0, 10), 0, 1)
    assert decision.outcome == "inconclusive"
    assert "no number of seeds" in decision.explanation
