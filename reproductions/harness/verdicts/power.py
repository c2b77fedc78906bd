"""Power: how many seeds it takes to see an effect, and what is left of the level where several tests are made."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST_SEEDS = 3
POWER = 0.8
_CLEAR, _FAINT = 20.0, 1e-3  # effects in standard deviations: beyond, the fewest seeds do; below, n goes as 1/effect^2


def seeds_to_see(effect: float, deviation: float, alpha: float = 0.05, power: float = POWER) -> int:
    """Return how many seeds a one-sided t test at level alpha needs to see an effect with this probability.

    Parameters
    ----------
    effect, deviation
        Distance of the mean from the threshold and standard deviation over seeds, of differences if seeds are paired.
        A ValueError says that the effect is not positive or the deviation negative.
    """
    from statsmodels.stats.power import TTestPower

    if not effect > 0 or not deviation >= 0:
        raise ValueError(f"an effect above 0 and a deviation of at least 0 are needed, not {effect} and {deviation}")
    size = effect / deviation if deviation else math.inf
    test, faint = TTestPower(), max(size, _FAINT)
    if size >= _CLEAR or test.power(size, FEWEST_SEEDS, alpha, alternative="larger") >= power:
        return FEWEST_SEEDS
    n = float(test.solve_power(effect_size=faint, power=power, alpha=alpha, alternative="larger"))
    return math.ceil(n * (faint / max(size, 1e-150)) ** 2)


def holm(pvalues: ArrayLike) -> NDArray[np.float64]:
    """Return Holm's adjusted p-values in the order given; those below alpha are significant as a family.

    They are those of ``multipletests`` of statsmodels, which runs the garbage collector in every call.
    """
    p = np.asarray(pvalues, dtype=np.float64)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted
