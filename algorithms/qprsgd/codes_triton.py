"""What Triton kernels of both formats share: random bits, codes and their values, checksums and faults.

Programs add their parts of the checksum to a number in memory; the one that comes last writes the header or compares
it. What a reader finds wrong becomes a number in a tensor of the device, which `check` turns into an error when the
caller has the time to wait.

What could give other bits on a GPU than on a CPU, and what is done about it:

- A product and a sum may become one operation that rounds once: `launch` says ``enable_fp_fusion=False``.
- Sums of floating-point numbers depend on their order: `norms_triton` adds in the order of `wire`. All other sums are
  of integers, also those that programs add to memory in any order.
- float32 may lose numbers below 2^-126, and division and roots may be approximate: not in the instructions that Triton
  takes for products, sums, conversions, and division and roots of float64. float32 is neither divided nor rooted here.
- Triton has no rint that its interpreter knows too: `_rint` adds 2^23 or 2^52 and takes it away, which rounds to even.
- Words, codes and random bits are unsigned, and shifts are by less than their width.

`wire` lowers a factor as long as it is too large. One step is always enough: the factor is at most half a unit in the
last place above the exact one, and a step takes at least a whole one away.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language import constexpr, tensor

from algorithms.qprsgd import wire
from algorithms.qprsgd.layout import Layout, damage

BLOCK, LANES = tl.constexpr(wire.BLOCK), tl.constexpr(wire.LANES)
COUNTERS = tl.constexpr(wire.BLOCK // 8)
INFINITY = tl.constexpr(float("inf"))
BAD_WORDS, BAD_NORM, BAD_CHECKSUM, BAD_CODE, CUT_OFF, NOT_FINITE, TOO_LARGE = (tl.constexpr(i) for i in range(1, 8))
KIND = tl.constexpr(28)  # bits of a fault below its kind: a number that belongs to it
_MOST = tl.constexpr((1 << 28) - 1)
_NORMS = tl.constexpr(512)  # that a program checks at once
_MOST_ELEMENTS = (1 << 31) - (1 << 12)  # whatever is counted fits 32 bits
_NUMBERS = ["k0", "k1", "salt", "s", "bucket", "n", "words", "buckets", "chunks", "capacity"]


def jit(function: Callable[..., Any]) -> Any:
    """Compile a kernel once for all numbers that it is given."""
    return triton.jit(function, do_not_specialize=_NUMBERS)


@jit
def philox(first: tensor, k0: tensor, k1: tensor) -> tensor:
    """Return the random bits of the elements of a block whose first counter is given, see `wire`."""
    c0 = (first + tl.arange(0, COUNTERS)).to(tl.uint32)
    c1, c2, c3 = c0 * 0, c0 * 0, c0 * 0
    k0 = k0.to(tl.uint32, bitcast=True)
    k1 = k1.to(tl.uint32, bitcast=True)
    for _ in tl.static_range(10):
        high0, low0 = tl.umulhi(c0, 0xD2511F53), c0 * 0xD2511F53
        high1, low1 = tl.umulhi(c2, 0xCD9E8D57), c2 * 0xCD9E8D57
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0 = k0 + 0x9E3779B9
        k1 = k1 + 0xBB67AE85
    plain = _behind(tl.reshape(tl.join(c1, c0), (2 * COUNTERS,)), tl.reshape(tl.join(c3, c2), (2 * COUNTERS,)))
    return _behind(plain, (plain << 16) | (plain >> 16))


@jit
def _behind(a: tensor, b: tensor) -> tensor:
    """Return the elements of a, then those of b."""
    return tl.reshape(tl.permute(tl.join(a, b), (1, 0)), (2 * a.shape[0],))


@jit
def _rint(x: tensor, LARGE: constexpr) -> tensor:
    """Round to the nearest integer, halves to the even one; from LARGE on all numbers are integers."""
    size = tl.abs(x)
    whole = tl.where(size < LARGE, (size + LARGE) - LARGE, size)
    return tl.where(x < 0, -whole, whole)


@jit
def codes_of(x: tensor, norm: tensor, u: tensor, s: tensor, WIDTH: constexpr) -> tensor:
    """Return floor(x s/norm + u) + s in fixed point, see `wire._round`; norm has one number, or one an element."""
    positive = norm > 0
    safe = tl.where(positive, norm, 1).to(tl.float64)
    if x.dtype == tl.float32 and WIDTH <= 16:
        one = s << (32 - WIDTH)
        lift = tl.where(norm < 2.0**-60, 2.0**100, 1.0)
        factor = tl.where(positive, one.to(tl.float64) / (safe * lift.to(tl.float64)), 0).to(tl.float32)
        over = norm * lift * factor > one.to(tl.float32)
        factor = tl.where(over, factor * (1 - 2.0**-23), factor)
        level = _rint(x * lift * factor, 2.0**23).to(tl.int32)
        return (level.to(tl.uint32, bitcast=True) + one.to(tl.uint32) + (u >> WIDTH)) >> (32 - WIDTH)
    else:
        one = s.to(tl.int64) << 32
        lift = tl.where(norm.to(tl.float64) < 2.0**-500, 2.0**600, 1.0).to(tl.float64)
        factor = tl.where(positive, one.to(tl.float64) / (safe * lift), 0)
        over = norm.to(tl.float64) * lift * factor > one.to(tl.float64)
        factor = tl.where(over, factor * (1 - 2.0**-52), factor)
        level = _rint(x.to(tl.float64) * lift * factor, 2.0**52).to(tl.int64)
        return ((level + one + u.to(tl.int64)) >> 32).to(tl.uint32)


@jit
def values_of(codes: tensor, norm: tensor, s: tensor) -> tensor:
    """Return level * norm/s in the type of the norm, see `wire._values`; a norm that is not valid counts as zero."""
    safe = tl.where((norm >= 0) & (norm < INFINITY), norm, 0)
    if norm.dtype == tl.float32:
        lift = tl.where(safe < 2.0**-60, 2.0**100, 1.0)
        lower = tl.where(safe < 2.0**-60, 2.0**-100, 1.0)
        unit = (safe.to(tl.float64) * lift.to(tl.float64) / s.to(tl.float64)).to(tl.float32)
        unit = tl.where(s.to(tl.float32) * unit * lower > safe, unit * (1 - 2.0**-23), unit)
    else:
        lift = tl.where(safe < 2.0**-500, 2.0**600, 1.0)
        lower = tl.where(safe < 2.0**-500, 2.0**-600, 1.0)
        unit = safe * lift / s.to(tl.float64)
        unit = tl.where(s.to(tl.float64) * unit * lower > safe, unit * (1 - 2.0**-52), unit)
    return (codes.to(tl.int32, bitcast=True) - s).to(norm.dtype) * unit * lower


@jit
def bucket_of(start: tensor, element: tensor, bucket: tensor, ONE: constexpr) -> tensor:
    """Return the bucket of elements of a block: a number if it is ONE."""
    if ONE:
        return start // bucket
    else:
        return (start + element) // bucket


@jit
def weighted(words: tensor, position: tensor) -> tensor:
    """Return each word times its weight in the checksum."""
    return words.to(tl.uint64) * (2 * position.to(tl.uint32) + 1).to(tl.uint64)


@jit
def checked_norms(norms: tensor, buckets: tensor, words: tensor) -> tensor:
    """Return what the norms of this program's part add to the checksum, and whether one is not a finite number >= 0."""
    span = (buckets + tl.num_programs(0) - 1) // tl.num_programs(0)
    start = tl.program_id(0) * span
    i = tl.arange(0, _NORMS)
    total = (i * 0).to(tl.uint64)
    bad = i < 0
    for at in range(0, tl.minimum(span, buckets - start), _NORMS):
        inside = (at + i < span) & (start + at + i < buckets)
        norm = tl.load(norms + start + at + i, mask=inside, other=0)
        if norm.dtype == tl.float32:
            total += tl.where(inside, weighted(norm.to(tl.uint32, bitcast=True), words + start + at + i), 0)
        else:
            both, position = norm.to(tl.uint64, bitcast=True), words + 2 * (start + at + i)
            sum2 = weighted(both & 0xFFFFFFFF, position) + weighted(both >> 32, position + 1)
            total += tl.where(inside, sum2, 0)
        bad = bad | (inside & ~((norm >= 0) & (norm < INFINITY)))
    return tl.sum(total, 0), tl.max(bad.to(tl.int32), 0)


@jit
def is_last(scratch: tensor, total: tensor) -> tensor:
    """Add to the checksum of all programs; return whether this is the last one to do so."""
    tl.atomic_add(scratch, total.to(tl.int64, bitcast=True), sem="relaxed")
    return tl.atomic_add(scratch + 2, 1, sem="acq_rel") == tl.num_programs(0) - 1


@jit
def signature_of(scratch: tensor, salt: tensor) -> tensor:
    """Return the signature of the checksum that all programs have added up, and make it zero for the next kernel."""
    tl.atomic_xchg(scratch + 2, 0)
    total = tl.atomic_xchg(scratch, 0).to(tl.uint64, bitcast=True)
    total += salt.to(tl.uint32, bitcast=True).to(tl.uint64) << 31
    mixed = (total ^ (total >> 33)) * 0xFF51AFD7ED558CCD
    return (mixed >> 32).to(tl.uint32).to(tl.int32, bitcast=True)


@jit
def judge(header: tensor, fault: tensor, fits: tensor, signature: tensor, state: tensor) -> None:
    """Write the first fault of a message, unless an earlier one stands there; state is a code or 2^40 for bad norms."""
    announced = tl.load(header + 1).to(tl.uint32, bitcast=True).to(tl.int64)
    kind = tl.where(state > 0, BAD_CODE, 0)
    kind = tl.where(signature != tl.load(header), BAD_CHECKSUM, kind)
    kind = tl.where(state >= 1 << 40, BAD_NORM, kind)
    kind = tl.where(fits, kind, BAD_WORDS)
    number = tl.where(kind == BAD_WORDS, announced, tl.where(kind == BAD_CODE, state, 0))
    tl.atomic_cas(fault, 0, (kind << KIND) | tl.minimum(number, _MOST).to(tl.int32))


def launch(kernel: Any, programs: int, row: Tensor, *arguments: Any, **options: Any) -> None:
    """Start programs of a kernel on the device of a row, with every product and every sum rounded."""
    if programs:
        with torch.cuda.device_of(row):  # type: ignore[no-untyped-call]
            kernel[(programs,)](*arguments, enable_fp_fusion=False, **options)


def check(fault: Tensor, layout: Layout) -> None:
    """Raise the ValueError that a fault stands for, if there is one; this waits for the device.

    Parameters
    ----------
    fault
        (1,) int32, which was zero before `write`, `read` or `norms_of` were given it.
    layout
        Of the message, or of any one if all have the same levels and number of elements.
    """
    kind, number = divmod(int(fault), 1 << KIND.value)
    if kind:
        raise ValueError(_sentence(kind, number, layout))


def _sentence(kind: int, number: int, layout: Layout) -> str:
    if kind == NOT_FINITE.value:
        return "v holds NaN or infinity, so it cannot be quantized"
    if kind == TOO_LARGE.value:
        real = "torch.float32" if number == 32 else "torch.float64"
        return f"v has a norm that {real} cannot hold, so it cannot be quantized"
    return damage(kind, f"{number} or more" if number == _MOST.value else number, layout)


class Sizes(NamedTuple):
    """Numbers of a message: elements, in a bucket, buckets, blocks, and whether blocks have one bucket."""

    n: int
    bucket: int
    buckets: int
    blocks: int
    one: bool


def sizes_of(n: int, bucket: int) -> Sizes:
    """Return the sizes of a message of n elements; a bucket of 0 is all of them.

    Raises
    ------
    ValueError
        If n elements are more than kernels can count.
    """
    if n > _MOST_ELEMENTS:
        raise ValueError(f"the row has {n} elements, but a message of a GPU has at most {_MOST_ELEMENTS}")
    bucket = min(bucket or n, n) or 1
    return Sizes(n, bucket, -(-n // bucket), -(-n // BLOCK.value) or 1, bucket == n or bucket % BLOCK.value == 0)


def signed(number: int) -> int:
    """Return the low 32 bits of a number as a signed integer, so that kernels are compiled for one type alone."""
    return (number & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)


def scratch_of(row: Tensor) -> Tensor:
    """Return three numbers on the device of a row that kernels of the current stream start and leave at zero."""
    stream = torch.cuda.current_stream(row.device).cuda_stream if row.is_cuda else 0
    return _scratch(row.device, stream)


@cache
def _scratch(device: torch.device, stream: int) -> Tensor:
    return torch.zeros(3, dtype=torch.int64, device=device)
