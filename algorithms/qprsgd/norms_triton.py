"""The norms of `wire` as Triton kernels: summed in its order, so bit for bit the same.

A bucket is summed in chunks of 2^16 elements: element i of a chunk goes to sum i % 256, the 256 sums are folded by
halves, and chunks are added one after another. Fewer than 256 elements need fewer sums: the others would be zero. A
program sums one chunk, or some buckets of up to 128 elements.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor
from triton.language import constexpr, tensor

from algorithms.qprsgd.codes_triton import INFINITY, KIND, NOT_FINITE, TOO_LARGE, jit, launch, sizes_of

_CHUNK, _SUMS = tl.constexpr(1 << 16), tl.constexpr(256)
_TILE = 1024  # elements that a program reads at once, of buckets with fewer than _SUMS


@jit
def _power(k: tensor) -> tensor:
    """Return 2^k in float64, for k = -1074..1023."""
    below, bits = tl.minimum(tl.maximum(k + 1074, 0), 52), k.to(tl.int64) * 0 + 1
    bits = tl.where(k < -1022, bits << below.to(tl.int64), (k + 1023).to(tl.int64) << 52)
    return bits.to(tl.float64, bitcast=True)


@jit
def _scaled(x: tensor, k: tensor) -> tensor:
    """Return x 2^k, rounded once, for k = -1074..2000."""
    return x * _power(tl.minimum(k, 1000)) * _power(tl.maximum(k - 1000, 0))


@jit
def _careful_norm(v: tensor, first: tensor, length: tensor, peak: tensor, longest: tensor) -> tensor:
    """Return the norm of elements scaled by a power of two, see `wire`: squares are added one after another."""
    tiny = peak < 2.0**-1022
    bits = tl.where(tiny, peak * 2.0**54, peak).to(tl.int64, bitcast=True)
    exponent = (bits >> 52).to(tl.int32) - 1022 - tl.where(tiny, 54, 0)
    total = peak * 0
    for i in range(0, longest):
        x = _scaled(tl.load(v + first + i, mask=i < length, other=0).to(tl.float64), -exponent)
        total += x * x
    return _scaled(tl.sqrt(total), exponent)


@jit
def _root(v: tensor, total: tensor, peak: tensor, first: tensor, length: tensor, longest: tensor) -> tensor:
    """Return the norm of elements whose sum of squares and largest size are given."""
    norm = tl.sqrt(total)
    wide = ~((norm > 1e-140) & (norm < 1e150))  # squares of float64 may have left its range
    norm = tl.where(wide, tl.where(peak > 0, INFINITY, 0.0).to(tl.float64), norm)
    if v.dtype.element_ty == tl.float64:
        careful = wide & (peak > 0) & (peak < INFINITY)
        if tl.max(careful.to(tl.int32), 0) > 0:
            scaled = _careful_norm(v, first, tl.where(careful, length, 0), tl.where(careful, peak, 1), longest)
            norm = tl.where(careful, scaled, norm)
    return norm


@jit
def _store(norms: tensor, fault: tensor, norm: tensor, peak: tensor, inside: tensor) -> None:
    """Write norms, rounded up to their type, and note it if one is not finite."""
    stored = norm.to(norms.dtype.element_ty)
    if stored.dtype == tl.float32:
        above = (stored.to(tl.int32, bitcast=True) + 1).to(tl.float32, bitcast=True)
        stored = tl.where(stored.to(tl.float64) < norm, above, stored)
    tl.store(norms, stored, mask=inside)
    kind = tl.where(peak < INFINITY, (TOO_LARGE << KIND) + stored.dtype.primitive_bitwidth, NOT_FINITE << KIND)
    kind = tl.max(tl.where(inside & ~(stored < INFINITY), kind, 0), 0)
    tl.atomic_cas(fault, 0, kind)


@jit
def _sum_chunks(
    v: tensor, norms: tensor, fault: tensor, sums: tensor, peaks: tensor, n: tensor, bucket: tensor, buckets: tensor,
    chunks: tensor, COLUMNS: constexpr, FOLDS: constexpr, GROUP: constexpr, WHOLE: constexpr
) -> None:  # fmt: skip
    """Write the sum of squares of chunks and their largest elements; the norms of buckets if chunks are WHOLE ones."""
    at = tl.program_id(0) * GROUP + tl.arange(0, GROUP)
    own = tl.minimum(at // chunks, buckets - 1)
    start = at % chunks * _CHUNK
    first, longest = own * bucket + start, tl.minimum(bucket, _CHUNK)
    length = tl.where(at < buckets * chunks, tl.minimum(tl.minimum(bucket - start, _CHUNK), n - first), 0)
    total = tl.full((GROUP, COLUMNS), 0, tl.float64)
    peak = tl.full((GROUP, COLUMNS), 0, tl.float64)
    for row in range(0, longest, _SUMS):
        i = row + tl.arange(0, COLUMNS)[None, :]
        x = tl.load(v + first[:, None] + i, mask=i < length[:, None], other=0).to(tl.float64)
        total += x * x
        peak = tl.maximum(peak, tl.where(tl.abs(x) < INFINITY, tl.abs(x), INFINITY))
    for fold in tl.static_range(FOLDS):
        total = tl.sum(tl.reshape(total, (GROUP, 2, COLUMNS >> (fold + 1))), 1)  # of two, so in any order
    total, peak = tl.reshape(total, (GROUP,)), tl.max(peak, 1)
    if WHOLE:
        _store(norms + own, fault, _root(v, total, peak, first, length, longest), peak, length > 0)
    else:
        tl.store(sums + at, total, mask=length > 0)
        tl.store(peaks + at, peak, mask=length > 0)


@jit
def _join_chunks(
    v: tensor, norms: tensor, fault: tensor, sums: tensor, peaks: tensor, n: tensor, bucket: tensor, buckets: tensor,
    chunks: tensor
) -> None:  # fmt: skip
    """Write the norm of a bucket of several chunks."""
    own = tl.program_id(0) + tl.arange(0, 1)
    first = own * bucket
    length = tl.minimum(bucket, n - first)
    total, peak = tl.full((1,), 0, tl.float64), tl.full((1,), 0, tl.float64)
    for chunk in range(0, chunks):
        inside = chunk * _CHUNK < length
        total += tl.load(sums + own * chunks + chunk, mask=inside, other=0)
        peak = tl.maximum(peak, tl.load(peaks + own * chunks + chunk, mask=inside, other=0))
    _store(norms + own, fault, _root(v, total, peak, first, length, bucket), peak, length > 0)


def norms_of(v: Tensor, bucket: int, norms: Tensor, fault: Tensor | None = None) -> None:
    """Write the l2 norm of every bucket, as `wire.norms_of` does.

    Parameters
    ----------
    v
        (n,) float32 or float64.
    bucket
        Elements that share a norm; 0 is all.
    norms
        (buckets,) of the type of v.
    fault
        (1,) int32; if given, it says whether a norm is not finite, see `codes_triton.check`.
    """
    sizes = sizes_of(v.numel(), bucket)
    folds = min(sizes.bucket - 1, _SUMS.value - 1).bit_length()
    group = 1 if 1 << folds == _SUMS.value else _TILE >> folds
    chunks = -(-sizes.bucket // _CHUNK.value)
    sums = v.new_empty((2, sizes.buckets * chunks if chunks > 1 else 0), dtype=torch.float64)
    unseen = v.new_zeros(1, dtype=torch.int32) if fault is None else fault
    arguments = v, norms, unseen, *sums, sizes.n, sizes.bucket, sizes.buckets, chunks
    options = {"COLUMNS": 1 << folds, "FOLDS": folds, "GROUP": group, "WHOLE": chunks == 1}
    launch(_sum_chunks, -(-sizes.buckets * chunks // group), v, *arguments, **options)
    if chunks > 1:
        launch(_join_chunks, sizes.buckets, v, *arguments)
