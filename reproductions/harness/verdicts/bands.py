"""Bands: what a printed, and so rounded, number stands for."""

from __future__ import annotations

import math
from decimal import Decimal

Band = tuple[float, float]


def rounding(value: float, digit: float) -> Band:
    """Return the smallest and the largest number that is printed as `value`.

    Parameters
    ----------
    value
        What is printed.
    digit
        Unit of its last digit: 0.01 for a value with two decimals, which stands for [value - 0.005, value + 0.005).

    Examples
    --------
    >>> low, high = rounding(0.01, 0.01)
    >>> low, high < 0.015 < high + 1e-12
    (0.005, True)
    """
    middle, half = _exact(value), _unit(digit) / 2
    return float(middle - half), math.nextafter(float(middle + half), -math.inf)


def difference_of_rounded(a: float, b: float, digit: float) -> Band:
    """Return between what a - b lies where both are printed with the last digit `digit`.

    Both ends are left out: 0.02 - 0.01 at two decimals is anything above 0 and below 0.02, so that a difference of 0,
    no effect, is outside.
    """
    middle, unit = _exact(a) - _exact(b), _unit(digit)
    return math.nextafter(float(middle - unit), math.inf), math.nextafter(float(middle + unit), -math.inf)


def _exact(value: float) -> Decimal:
    return Decimal(str(value))  # as it is printed: 0.03 - 0.02 - 0.01 is 0


def _unit(digit: float) -> Decimal:
    if not digit > 0:
        raise ValueError(f"the unit of the last digit is {digit}, but must be above 0, such as 0.01")
    return _exact(digit)
