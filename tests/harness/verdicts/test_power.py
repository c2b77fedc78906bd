"""Holm's correction, and how many seeds a claim needs."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from reproductions.harness.verdicts import power
from reproductions.harness.verdicts import statistics as st

A = np.array([1.1, 0.9, 1.3, 1.0, 1.2, 0.8])


def test_holm_is_that_of_statsmodels():
    p = np.random.default_rng(0).random(20) ** 3
    assert power.holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_by_hand():
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; made monotone: 0.02, 0.03, 0.06, 0.06
    np.testing.assert_allclose(power.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(power.holm([0.9, 0.8]), [1, 1])
    assert power.holm([]).size == 0


@pytest.mark.parametrize(("effect", "seeds"), [(0.5, 27), (1.0, 8), (0.1, 620)])
def test_seeds_to_see_match_the_power_of_the_t_test(effect, seeds):
    needed = power.seeds_to_see(effect, 1.0)
    assert needed == pytest.approx(seeds, abs=1)
    critical = stats.t.ppf(0.95, needed - 1)
    assert 0.79 < stats.nct.sf(critical, needed - 1, effect * np.sqrt(needed)) < 0.83


def test_seeds_to_see_at_the_extremes():
    assert power.seeds_to_see(0.1, 0.0) == 3
    assert power.seeds_to_see(1e-300, 0.5) > 10**15


def test_an_open_question_says_how_many_seeds_would_close_it():
    a, b = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.5, 1.0])
    decision = st.less(a, b)
    assert decision.outcome == "inconclusive"
    assert f"{power.seeds_to_see(abs((a - b).mean()), (a - b).std(ddof=1))} seeds would" in decision.explanation
    band = st.within(A, 1.0, 2.0)
    assert f"{power.seeds_to_see(A.mean() - 1.0, A.std(ddof=1), alpha=0.025)} seeds would" in band.explanation
