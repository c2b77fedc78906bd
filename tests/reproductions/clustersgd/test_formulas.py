"""Closed forms behind the errata of the cluster model, by enumeration and by simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from algorithms.streams import stream
from reproductions.clustersgd import opening, two_camps, wells
from reproductions.clustersgd.midpoints import MIDEXT_COMMON, approach_bound, midext_bound
from reproductions.clustersgd.schedules import Hears, alone
from reproductions.clustersgd.skewed import camps, midrange, skewed


def test_camps_by_hand():
    # three values, two camps {1, 2} and {2, 3}: they differ by 1/2 if exactly one outer value is 1
    p = 0.2
    assert camps(3, p) == pytest.approx(2 * p * (1 - p) / 4)
    assert sum(two_camps.kicked(3)) == pytest.approx(2 / 4)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_midrange_by_enumeration(n):
    p, mean, square = 0.1, 0.0, 0.0
    for ones in product((0, 1), repeat=n):
        chance = p ** sum(ones) * (1 - p) ** (n - sum(ones))
        middle = (min(ones) + max(ones)) / 2 - p
        mean, square = mean + chance * middle, square + chance * middle**2
    assert midrange(n, p) == pytest.approx((mean, square - mean**2))


@pytest.mark.parametrize(("n", "h"), [(3, 0.3), (5, 0.3), (5, 4.0)])
def test_opening_by_enumeration(n, h):
    p, groups = 0.2, [list(heard) for heard in opening.around_a_core(n)]
    draws = np.array(list(product((0, 1), repeat=n)))
    chances = p ** draws.sum(axis=1) * (1 - p) ** (n - draws.sum(axis=1))
    bias, apart, largest = np.zeros(n), np.zeros((n, n)), 0.0
    for chance, z in zip(chances, draws - p, strict=True):
        x = np.array([-(z[heard].min() + z[heard].max()) / 2 for heard in groups])
        y = (1 + h) * x - (draws - p)
        third = chances @ (y.min(axis=1) + y.max(axis=1)) / 2
        bias += chance * ((1 + h) * x - third) ** 2  # (x_2 - E x_3)/eta + L x_2
        apart += chance * (x[:, None] - x) ** 2
        largest += chance * np.ptp(x) ** 2
    assert opening.opened(n, p, h) == pytest.approx((bias.max(), apart.max(), largest))


def test_bias_of_simulated_runs():
    n, p, T = 25, 0.03, 60
    rare = stream(1, "clustersgd/rare").random((n, T + 1, 1)) < p
    values = two_camps.iterates(two_camps.descend(n, n, rare - p, Hears((alone(n),)), start=-0.2), T)
    x = np.array([-0.2, *(float(v[0][0]) for v in values)])
    effective = (x[:-1] - x[1:]) / two_camps.ETA - x[:-1]
    error = effective.std(ddof=1) / np.sqrt(T)
    assert abs(effective.mean() - midrange(n, p).bias) < 4 * error
    assert effective.mean() > 4 * error  # it is no mean-zero noise
    assert max(float(np.ptp([v[i][0] for i in range(n)])) for v in values) < 1e-12


def test_smallest_gradient_by_iterating():
    run = skewed(9, 50, 0.05, lipschitz=0.7, start=-2.0)
    mean, variance, found = run.start, 0.0, []
    for _ in range(run.T):
        found.append(0.49 * (mean**2 + variance))
        mean = mean - run.eta * (0.7 * mean + run.noise.bias)
        variance = (1 - run.eta * 0.7) ** 2 * variance + run.eta**2 * run.noise.variance
    assert run.smallest_gradient == pytest.approx(min(found))


def test_constants_of_one_round_meet_where_clusters_are_singletons():
    assert midext_bound(0.0) == pytest.approx(MIDEXT_COMMON)
    assert approach_bound(0.0) == pytest.approx(7 / 8)


def test_law_of_one_well_is_the_closed_form():
    x = wells.law(wells.WellSlope(1), 6)
    assert x.var() == pytest.approx(sum((wells.ETA * wells.KICK) ** 2 * (1 - wells.ETA) ** (2 * k) for k in range(6)))
