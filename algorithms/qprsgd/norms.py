"""Norms of buckets on CPU: summed in float64 in an order of its own, which a GPU can follow, and rounded up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import float64, uint64
from numpy.typing import NDArray

from algorithms.compiled import kernel, prefetch, use_512_bits

Rows = NDArray[Any]  # float32 or float64
_SUMS, _CHUNK = 256, 1 << 16


@kernel
def norms_of(v: Rows, bucket: int, norms: Rows) -> bool:
    """Write the l2 norm of every bucket, summed in float64 and rounded up to the type of v; False if one is not finite.

    Rounding up (and a sum of squares that is never below its largest term) makes every |v_i| <= norm.
    """
    use_512_bits()
    sums = np.empty(_SUMS)
    for b in range(len(norms)):
        x = v[b * bucket : (b + 1) * bucket]
        norm = math.sqrt(_sum_of_squares(x, sums))
        if not 1e-140 < norm < 1e150:  # squares of float64 may have left its range
            norm = _careful_norm(x)
        norms[b] = norm
        if norms[b] < norm:
            norms[b] = np.nextafter(norms[b], norms.dtype.type(np.inf))
        if not math.isfinite(norms[b]):
            return False
    return True


@kernel
def _sum_of_squares(x: Rows, sums: NDArray[np.float64]) -> float:
    """Add the sums of chunks of 2^16 elements one after another."""
    total = 0.0
    for start in range(0, len(x), _CHUNK):
        total += _sum_of_chunk(x[start : start + _CHUNK], sums)
    return total


@kernel
def _sum_of_chunk(x: Rows, sums: NDArray[np.float64]) -> float:
    """Sum in 256 interleaved parts, folded by halves: an order of its own, the same for vectors of any width."""
    use_512_bits()
    sums[:] = 0
    for start in range(0, len(x), _SUMS):
        first, n = uint64(start), uint64(min(_SUMS, len(x) - start))
        for i in range(uint64(0), n, uint64(16)):
            prefetch(x, first + i + uint64(4 * _SUMS))
        for i in range(n):
            sums[i] += float64(x[first + i]) * float64(x[first + i])
    half = _SUMS // 2
    while half:
        for i in range(half):
            sums[i] += sums[half + i]
        half //= 2
    return float(sums[0])


@kernel
def _careful_norm(x: Rows) -> float:
    """Return the norm of elements scaled by a power of two; infinity if one is not finite."""
    largest = 0.0
    for i in range(len(x)):
        if not math.isfinite(x[i]):
            return math.inf
        largest = max(largest, abs(float64(x[i])))
    exponent, total = math.frexp(largest)[1], 0.0
    for i in range(len(x)):
        total += math.ldexp(float64(x[i]), -exponent) ** 2
    return math.ldexp(math.sqrt(total), exponent)
