"""Levels that some runs never reach, and tails that are not flat."""

import numpy as np
import pytest

from reproductions.harness.verdicts.convergence import flat_tail, reached, sooner
from reproductions.harness.verdicts.statistics import less

A, B, NEVER = [10.0, 11.0, 12.0, 13.0], [40.0, 45.0, 42.0, 47.0], [np.inf] * 4
END = 50.0


def test_what_no_run_reaches_is_not_decided():
    decision = reached({"1 node": NEVER, "8 nodes": A}, lambda: pytest.fail("there is nothing to compare"))
    assert decision.outcome == "inconclusive"
    assert "no run reached the level for 1 node: there is no time to compare" in decision.explanation
    assert reached({"1 node": [np.nan, 3.0], "8 nodes": A}, lambda: less(A, B)) == less(A, B)


def test_where_every_run_has_to_reach_the_level_those_that_did_are_counted():
    times = {"1 node": [np.nan, 3.0, np.inf], "2 nodes": NEVER, "8 nodes": A}
    decision = reached(times, lambda: pytest.fail("some runs have no time"), every=True)
    assert decision.outcome == "inconclusive"
    late = f"1 of 3 runs of 1 node, 0 of {len(NEVER)} runs of 2 nodes"
    assert decision.explanation == f"the level was reached in {late} only: the others have no time to compare"
    assert reached({"1 node": A, "8 nodes": B}, lambda: less(A, B), every=True) == less(A, B)


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        (A, B, "holds"),
        (B, A, "fails"),
        (A, NEVER, "holds"),  # a gets there, b does not within the run
        (NEVER, A, "fails"),
        (NEVER, NEVER, "inconclusive"),
        (A, [*B[:3], np.inf], "holds"),
        (A, [*B[:3], np.nan], "holds"),
        ([*A[:3], np.inf], NEVER, "inconclusive"),  # when that run of a gets there is not known
        ([*B[:3], np.inf], A, "fails"),
        (NEVER, [*A[:3], np.inf], "inconclusive"),
    ],
)
def test_a_censored_time_counts_against_the_outcome(a, b, outcome):
    assert sooner(a, b, END).outcome == outcome


def test_censored_runs_are_counted_in_the_explanation():
    assert "not reached in 0 runs of a and 1 of b" in sooner(A, [*B[:3], np.inf], END).explanation
    assert sooner(A, B, END) == less(A, B)


TIME = np.linspace(0, 1, 100)


def curves(rate, floor=0.1, noise=1e-3):
    rng = np.random.default_rng(3)
    return [floor + np.exp(-rate * TIME) + noise * rng.normal(size=TIME.size) for _ in range(5)]


def test_a_floor_needs_a_flat_tail():
    assert flat_tail(curves(20), by=0.01).outcome == "holds"
    falling = flat_tail(curves(1), by=0.01)
    assert falling.outcome == "inconclusive"
    assert "not at rest" in falling.explanation
    assert flat_tail(curves(1), by=0.5).outcome == "holds"  # for a statement about a difference of 5
    assert flat_tail(curves(20, noise=0.5), by=0.01).outcome == "inconclusive"  # too noisy to tell


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([[1.0]], 0.1), "at least two points, but the curve has 1"),
        (([TIME], 0.1, 1.5), "a share in"),
        (([TIME], 0.0), "a change above 0"),
    ],
)
def test_bad_tails_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        flat_tail(*arguments)
