"""Appendix G: what a quantized vector costs, exactly and by the printed and corrected bounds, in bits.

A message is F = 32 bits for |v|_2 and, for every element, a sign and Elias(zeta + 1). Elias' gamma code of k is k in
binary after one zero less than it has digits: 2 floor(log2 k) + 1 bits.
"""

from __future__ import annotations

from math import log2

import numpy as np
from numpy.typing import ArrayLike

from reproductions.qprsgd.rounding import Array, rounding

NORM_BITS = 32


def gamma_code(k: int) -> str:
    """Return Elias' gamma code of a positive integer."""
    digits = f"{k:b}"
    return "0" * (len(digits) - 1) + digits


def gamma_bits(k: ArrayLike) -> Array:
    """Return the lengths of gamma codes of positive integers below 2^52."""
    return np.asarray(2.0 * np.frexp(np.asarray(k, dtype=np.float64))[1] - 1)  # frexp: 2^(e-1) <= k < 2^e


def expected_bits(v: Array, s: int) -> float:
    """Return the exact expected bits of the code of Q_s(v) for one vector (d,)."""
    r = rounding(v, s)
    up = np.where(r.chance > 0, r.level + 2, 1)
    elements = 1 + (1 - r.chance) * gamma_bits(r.level + 1) + r.chance * gamma_bits(up)
    return NORM_BITS + float(elements.sum())


def theorem3(d: int, s: int, ones: float) -> float:
    """Return the bound of Theorem 3; E |y + 1|_2^2 has `ones` for the squared norm of the vector of ones: 1, or d."""
    return NORM_BITS + 2 * d + d * log2((s * s + 2 * s * d**0.5 + ones + d / 4) / d)


def lemma13(d: int, power: float, size: float) -> float:
    """Return (2/p) d log2(size/d) + d, the bound of Lemma 13 on sum |Elias(v_i)| for |v|_p^p <= size."""
    return 2 * d / power * log2(size / d) + d
