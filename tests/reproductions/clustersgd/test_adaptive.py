"""Closed forms of what an adversary does that sees values, against all outcomes."""

from itertools import product
from math import sqrt

import numpy as np
import pytest

from reproductions.clustersgd import adaptive
from reproductions.clustersgd.moments import Theorem1Constants

P = 0.2
VALUES = {-1 / sqrt(P): P / 2, 0.0: 1 - P, 1 / sqrt(P): P / 2}


def expectation(n, f):
    """Return E f(z) over all outcomes of the noise of n gradients."""
    return sum(np.prod([VALUES[v] for v in z]) * f(z) for z in product(VALUES, repeat=n))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_one_iteration_is_that_of_all_outcomes(n):
    assert adaptive.over_lemma4(n, P) == pytest.approx(expectation(n, lambda z: (max(z) - min(z)) ** 2) / 4)
    assert adaptive.over_lemma6(n, P) == pytest.approx(expectation(n, lambda z: max(v * v for v in z)))


def test_iterations_are_those_of_all_outcomes():
    constants = Theorem1Constants(1.0, 1.0, 1.0, 1.0, 2.0, 1.0)
    first, second = (constants.rate.lr(t) for t in (1, 2))

    def apart(z):  # halves of four gradients in two iterations
        step = [max(z[k : k + 2]) - min(z[k + 2 : k + 4]) for k in (0, 4)]
        return ((1 - second) * first * step[0] + second * step[1]) ** 2

    found = adaptive.over_theorem1(constants, 2, 4, P) * constants.theorem1(2, 1, internal=True)
    assert found == pytest.approx(expectation(8, apart))


def test_nothing_decays():
    constants = Theorem1Constants(1.0, 1.0, 1.0, 1.0, 2.0, 1.0)
    ratios = [adaptive.over_theorem1(constants, T) for T in (100, 1000, 10_000)]
    assert np.all(np.diff(ratios) > 0)
    assert ratios[-1] > 50
