"""The fixed format of `wire` as Triton kernels for GPUs: the same bits, and nothing waits for the device.

A message is written by one kernel behind that of its norms, and read by one. A program works on one block of 2048
elements. `codes_triton` says what makes the bits those of a CPU.
"""

from __future__ import annotations

import triton.language as tl
from torch import Tensor
from triton.language import constexpr, tensor

from algorithms.qprsgd.codes_triton import (
    BLOCK,
    COUNTERS,
    LANES,
    Sizes,
    bucket_of,
    check,
    checked_norms,
    codes_of,
    is_last,
    jit,
    judge,
    launch,
    philox,
    scratch_of,
    signature_of,
    signed,
    sizes_of,
    values_of,
    weighted,
)
from algorithms.qprsgd.layout import Layout
from algorithms.qprsgd.norms_triton import norms_of

__all__ = ["Layout", "check", "norms_of", "read", "write"]


@jit
def _row_and_lane(i: tensor, lanes: tensor) -> tensor:
    row, lane = i // LANES, i % LANES
    if lanes != LANES:  # only in the last block
        row = i // tl.maximum(lanes, 1)
        lane = i - row * lanes
    return row, lane


@jit
def _packed(codes: tensor, count: tensor, BITS: constexpr, WORDS: constexpr) -> tensor:
    """Return the words of a block of `count` codes, see `wire`: each collects the codes that have bits in it."""
    word = tl.arange(0, WORDS)
    lanes = count // 32
    k, lane = _row_and_lane(word, lanes)
    inside = word < lanes * BITS  # else it is of the up to 31 last elements, in one lane
    k = tl.where(inside, k, word - lanes * BITS)
    first = tl.where(inside, lane, 32 * lanes)
    stride = tl.where(inside, lanes, 1)
    rows = tl.where(inside, 32, count % 32)
    packed = (word * 0).to(tl.uint32)
    for part in tl.static_range((30 + BITS) // BITS + 1):
        row = 32 * k // BITS + part
        shift = row * BITS - 32 * k
        code = tl.gather(codes, tl.minimum(first + row * stride, BLOCK - 1), 0)
        code = tl.where((row < rows) & (shift < 32), code, 0)
        packed |= tl.where(shift < 0, code >> (-shift & 31).to(tl.uint32), code << (shift & 31).to(tl.uint32))
    return packed


@jit
def _unpacked(codes: tensor, first: tensor, element: tensor, count: tensor, BITS: constexpr) -> tensor:
    """Return the codes of a block whose first word is given."""
    lanes = count // 32
    row, lane = _row_and_lane(element, lanes)
    inside = element < 32 * lanes
    row = tl.where(inside, row, element - 32 * lanes)
    stride = tl.where(inside, lanes, 1)
    bit = row * BITS
    word = codes + first + tl.where(inside, lane, lanes * BITS) + bit // 32 * stride
    shift = (bit & 31).to(tl.uint32)
    over = shift + BITS > 32
    low = tl.load(word, mask=element < count, other=0).to(tl.uint32, bitcast=True)
    high = tl.load(word + stride, mask=(element < count) & over, other=0).to(tl.uint32, bitcast=True)
    code = (low >> shift) | tl.where(over, high << ((32 - shift) & 31), 0)
    if BITS < 32:
        code = code & ((1 << BITS) - 1)
    return code


@jit
def _write(
    v: tensor, codes: tensor, norms: tensor, header: tensor, scratch: tensor, k0: tensor, k1: tensor, salt: tensor,
    s: tensor, bucket: tensor, n: tensor, words: tensor, buckets: tensor, WIDTH: constexpr, BITS: constexpr,
    WORDS: constexpr, ONE: constexpr
) -> None:  # fmt: skip
    block, element = tl.program_id(0), tl.arange(0, BLOCK)
    start = block * BLOCK
    count = tl.minimum(n - start, BLOCK)
    x = tl.load(v + start + element, mask=element < count, other=0)
    norm = tl.load(norms + tl.minimum(bucket_of(start, element, bucket, ONE), buckets - 1), mask=buckets > 0, other=0)
    code = codes_of(x, norm, philox(block * COUNTERS, k0, k1), s, WIDTH)
    word, first = tl.arange(0, WORDS), block * (LANES * BITS)
    packed = code if BITS == 32 else _packed(code, count, BITS, WORDS)
    inside = first + word < tl.minimum(words, first + LANES * BITS)
    tl.store(codes + first + word, packed.to(tl.int32, bitcast=True), mask=inside)
    total, _ = checked_norms(norms, buckets, words)
    total += tl.sum(tl.where(inside, weighted(packed, first + word), 0), 0)
    if is_last(scratch, total):
        tl.store(header, signature_of(scratch, salt))
        tl.store(header + 1, words)
        tl.store(codes + words, 0, mask=words % 2 == 1)


@jit
def _read(
    header: tensor, norms: tensor, codes: tensor, out: tensor, fault: tensor, scratch: tensor, salt: tensor, s: tensor,
    bucket: tensor, n: tensor, words: tensor, buckets: tensor, ADD: constexpr, BITS: constexpr, WORDS: constexpr,
    ONE: constexpr
) -> None:  # fmt: skip
    block, element = tl.program_id(0), tl.arange(0, BLOCK)
    start, first = block * BLOCK, block * (LANES * BITS)
    count = tl.minimum(n - start, BLOCK)
    code = _unpacked(codes, first, element, count, BITS)
    norm = tl.load(norms + tl.minimum(bucket_of(start, element, bucket, ONE), buckets - 1), mask=buckets > 0, other=0)
    value = values_of(code, norm, s)
    if ADD:
        value = tl.load(out + start + element, mask=element < count) + value
    tl.store(out + start + element, value, mask=element < count)
    total, bad = checked_norms(norms, buckets, words)
    most = tl.max(tl.where(element < count, code, 0), 0).to(tl.int64)
    state = tl.maximum(tl.where(most > 2 * s, most, 0), bad.to(tl.int64) << 40)
    tl.atomic_max(scratch + 1, state, mask=state > 0, sem="relaxed")
    word = tl.arange(0, WORDS)
    inside = first + word < tl.minimum(words, first + LANES * BITS)
    packed = tl.load(codes + first + word, mask=inside, other=0).to(tl.uint32, bitcast=True)
    if is_last(scratch, total + tl.sum(weighted(packed, first + word), 0)):
        state = tl.atomic_xchg(scratch + 1, 0)
        judge(header, fault, tl.load(header + 1) == words, signature_of(scratch, salt), state)


def write(
    v: Tensor, key: int, layout: Layout, header: Tensor, norms: Tensor, codes: Tensor, fault: Tensor | None = None
) -> None:
    """Quantize v into the parts of a message.

    Parameters
    ----------
    v
        (n,) float32 or float64.
    key
        Of the random numbers, 0 <= key < 2^64.
    layout
        Of the message; codes of 32 bits are not packed.
    header, norms, codes
        (2,) int32, (buckets,) of the type of v, and (words,) int32, one more if words is odd, which becomes zero.
    fault
        (1,) int32; if given, it says whether v has an element or a norm that is not finite. A reader sees it, too.
    """
    sizes = sizes_of(v.numel(), layout.bucket)
    norms_of(v, layout.bucket, norms, fault)
    numbers = signed(key), signed(key >> 32), signed(layout.salt), layout.s, sizes.bucket, sizes.n, layout.words
    parts, width = (v, codes, norms, header, scratch_of(v)), (2 * layout.s).bit_length()
    launch(_write, sizes.blocks, v, *parts, *numbers, sizes.buckets, WIDTH=width, **_options(layout, sizes))


def read(header: Tensor, norms: Tensor, codes: Tensor, layout: Layout, out: Tensor, add: bool, fault: Tensor) -> None:
    """Write what a message says into out, (n,), or add it; out is undefined after a fault. See `write`."""
    sizes = sizes_of(out.numel(), layout.bucket)
    numbers = signed(layout.salt), layout.s, sizes.bucket, sizes.n, layout.words, sizes.buckets
    parts = header, norms, codes, out, fault, scratch_of(out)
    launch(_read, sizes.blocks, out, *parts, *numbers, ADD=add, **_options(layout, sizes))


def _options(layout: Layout, sizes: Sizes) -> dict[str, int]:
    """Return what kernels are compiled for: bits of a code, room for the words of a block, one norm in a block."""
    room = 1 << (LANES.value * layout.bits - 1).bit_length()
    return {"BITS": layout.bits, "WORDS": room, "ONE": sizes.one}
