"""False alarms stay below the level, real shifts are seen, verdicts and coverage are told apart."""

import numpy as np
import pytest
from scipy import stats

from reproductions.harness.verdicts.intervals import mean_interval, p_moved, welch_difference
from reproductions.report.drift import ALPHA, Change, replay
from tests.report.lab import measured, night

CLAIMS = 20


def last(*records) -> list[Change]:
    return list(replay(records))[-1][1]


# -------------------------------------------------------------------------------------------------------- the test


@pytest.mark.parametrize("seeds", [3, 8])
def test_the_p_value_is_that_of_scipy_on_the_samples(seeds):
    rng = np.random.default_rng(seeds)
    for shift in (0, 1, 5):
        a, b = rng.normal(0, 1, seeds), rng.normal(shift, 3, seeds + 2)
        expected = stats.ttest_ind(a, b, equal_var=False).pvalue
        assert p_moved(mean_interval(a, 0.9), mean_interval(b, 0.999)) == pytest.approx(expected, rel=1e-6)


def test_the_standard_error_of_a_welch_interval_is_read_back_with_its_own_degrees_of_freedom():
    a, b = np.array([1.0, 2.0, 4.0, 3.0]), np.array([0.0, 0.5, 0.1])
    point = mean_interval([0.0, 0.0])
    expected = stats.ttest_ind(a, b, equal_var=False).pvalue
    assert p_moved(point, welch_difference(a, b, 0.99)) == pytest.approx(expected, rel=1e-6)


def test_points_and_unbounded_intervals():
    point, other, one = mean_interval([1.0, 1.0]), mean_interval([2.0, 2.0]), mean_interval([3.0])
    assert (p_moved(point, point), p_moved(point, other)) == (1, 0)
    assert p_moved(point, one) == p_moved(one, point) == 1


def alarms(nights: int, seeds: int, shared: float, histories: int) -> np.ndarray:
    """Return how many claims were named in the last night of each history in which nothing ever moved.

    ``shared`` is the fraction of the variance that all nights have in common, as sessions with the same seeds do.
    """
    rng, named = np.random.default_rng(seeds), []
    for _ in range(histories):
        common = rng.normal(size=(CLAIMS, seeds))
        records = [
            measured(n, np.sqrt(shared) * common[c] + np.sqrt(1 - shared) * rng.normal(size=seeds), claim=f"toy-{c}")
            for n in range(nights)
            for c in range(CLAIMS)
        ]
        named.append(len(last(*records)))
    return np.array(named)


@pytest.mark.parametrize(("nights", "seeds"), [(2, 3), (2, 8), (6, 8)])
def test_false_alarms_stay_below_the_level(nights, seeds):
    histories = 1200 // nights
    wrong = int((alarms(nights, seeds, 0, histories) > 0).sum())
    assert stats.binom.sf(wrong - 1, histories, ALPHA) > 1e-3, f"{wrong} of {histories}"


def test_shared_seeds_make_false_alarms_rarer():
    assert (alarms(2, 8, shared=0.9, histories=300) > 0).sum() <= 1


def detected(seeds: int, shift: float, histories: int = 300) -> float:
    """Return how often a shift of one of the claims, in standard deviations of a seed, is seen."""
    rng, seen = np.random.default_rng(0), 0
    for _ in range(histories):
        before, after = rng.normal(size=(2, CLAIMS, seeds))
        after[0] += shift
        old = [measured(0, samples, claim=f"toy-{c}") for c, samples in enumerate(before)]
        new = [measured(1, samples, claim=f"toy-{c}") for c, samples in enumerate(after)]
        seen += any(change.after.claim == "toy-0" for change in last(*old, *new))
    return seen / histories


def test_a_real_shift_is_seen_as_often_as_the_noncentral_t_says():
    threshold = stats.t.isf(ALPHA / CLAIMS / 2, 14)
    expected = stats.nct.sf(threshold, 14, 3 / np.sqrt(2 / 8))
    assert detected(seeds=8, shift=3) == pytest.approx(expected, abs=0.06)
    assert detected(seeds=8, shift=4) > 0.99


# --------------------------------------------------------------------------------------------------- levels of numbers


def test_a_slow_drift_is_seen_against_the_first_record_of_its_level():
    noise = np.array([-1.0, 0, 1, -1, 0, 1, 0, 0])
    records = [measured(n, noise + 0.4 * n) for n in range(6)]
    assert last(*records[:3]) == last(*records[1:4]) == []
    (change,) = last(*records[:4])
    assert (change.reference, change.before, change.after) == (records[0], records[2], records[3])
    assert last(*records) == []  # from there the level is another


def test_a_move_is_named_once():
    records = [measured(n, np.array([0.0, 0.1, 0.2]) + 5 * (n >= 2)) for n in range(5)]
    found = [changes for _, changes in replay(records)]
    assert [len(changes) for changes in found] == [0, 0, 1, 0, 0]
    assert found[2][0].p < ALPHA


def test_an_exact_number_may_not_change_at_all():
    assert last(night(0, estimate=0.1 + 0.2), night(1, estimate=0.1 + 0.2)) == []
    (change,) = last(night(0, estimate=0.1 + 0.2), night(1, estimate=0.3))
    assert (change.kind, change.p) == ("number", None)


def test_the_exact_range_of_a_grid_is_no_noise():
    grid = {"low": 1.0, "high": 2.0, "confidence": 1.0}
    assert [c.kind for c in last(night(0, estimate=2.0, **grid), night(1, estimate=1.9, **grid))] == ["number"]


@pytest.mark.parametrize("other", [{"workload": "cifar10"}, {"estimate": None}])
def test_numbers_of_other_data_and_missing_numbers_are_not_compared(other):
    assert last(night(0, estimate=1.0), night(1, **({"estimate": 2.0} | other))) == []


def test_scales_have_histories_of_their_own():
    assert last(night(0, estimate=1.0), night(1, estimate=2.0, scale="small")) == []


# ---------------------------------------------------------------------------------------------- verdicts and coverage


def kinds(*verdicts: str) -> list[list[str]]:
    found = replay(night(n, verdict=verdict) for n, verdict in enumerate(verdicts))
    return [[change.kind for change in changes] for _, changes in found]


def test_a_verdict_that_changes_is_one_change_whatever_its_number_does():
    records = (night(0, estimate=1.0), night(1, estimate=1.0), night(2, estimate=9.0, verdict="deviates"))
    (change,) = last(*records)
    assert change.kind == "verdict"
    assert (change.before, change.after) == records[1:]


def test_coverage_is_apart_from_verdicts_and_does_not_hide_a_change():
    assert kinds("reproduced", "not run", "reproduced") == [[], ["coverage"], ["coverage"]]
    assert kinds("reproduced", "not run", "deviates") == [[], ["coverage"], ["coverage", "verdict"]]
    assert kinds("not run", "deviates") == [[], ["coverage"]]


def test_a_crash_is_a_change_and_its_end_another_while_the_number_keeps_its_reference():
    assert kinds("reproduced", "crashed", "reproduced") == [[], ["verdict"], ["verdict"]]
    found = last(night(0, estimate=1.0), night(1, verdict="crashed", workload="exact"), night(2, estimate=1.5))
    assert [change.kind for change in found] == ["verdict", "number"]


def test_a_round_ends_where_a_claim_comes_again():
    nights = [night(n, claim=claim) for n, claim in enumerate(["a", "b", "a", "c", "b", "a"])]
    assert [[record.claim for record in new] for new, _ in replay(nights)] == [["a", "b"], ["a", "c", "b"], ["a"]]
