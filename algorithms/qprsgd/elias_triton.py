"""The Elias format of `elias` as Triton kernels for GPUs: the same bits, and nothing waits for the device.

Writing takes two passes over the blocks of a row. The first makes codes and counts their bits; sums over blocks tell
the second where its bits begin, and it sets them in words that were zero.

Reading is parallel although only the code before it tells where a code begins. The bits are cut into segments. As all
codes have an even number of bits, at most 42, the first one of a segment begins at one of 21 places. From each of them
the segment is read, to see at which place of the next one that ends and after how many codes. One program then goes
from segment to segment along the places that are true, and after that all segments are read at once.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor
from triton.language import constexpr, tensor

from algorithms.qprsgd.codes_triton import (
    BLOCK,
    COUNTERS,
    CUT_OFF,
    KIND,
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

__all__ = ["check", "read", "write"]

_PLACES, _NOWHERE = tl.constexpr(32), tl.constexpr(31)  # where a segment is entered, in steps of two bits
_LAST_PLACE = tl.constexpr(20)
_GROUP = 32  # segments that a program reads at once
_SEGMENT = 1 << 13  # bits; longer ones take longer to read, and more of them to go along


@jit
def _zeros(k: tensor) -> tensor:
    """Return floor(log2(k)), for k = 1..2^24 - 1."""
    return (k.to(tl.float32).to(tl.int32, bitcast=True) >> 23) - 127


@jit
def _measure(
    v: tensor, norms: tensor, codes: tensor, lengths: tensor, k0: tensor, k1: tensor, s: tensor, bucket: tensor,
    n: tensor, buckets: tensor, WIDTH: constexpr, ONE: constexpr
) -> None:  # fmt: skip
    """Write the codes of a block, one in a word, and how many bits they will take."""
    block, element = tl.program_id(0), tl.arange(0, BLOCK)
    start = block * BLOCK
    inside = element < n - start
    x = tl.load(v + start + element, mask=inside, other=0)
    norm = tl.load(norms + tl.minimum(bucket_of(start, element, bucket, ONE), buckets - 1), mask=buckets > 0, other=0)
    code = codes_of(x, norm, philox(block * COUNTERS, k0, k1), s, WIDTH).to(tl.int32, bitcast=True)
    tl.store(codes + start + element, code, mask=inside)
    bits = 2 * _zeros(tl.abs(code - s) + 1) + 2
    tl.store(lengths + block, tl.sum(tl.where(inside, bits, 0), 0).to(tl.int64))


@jit
def _write_bits(levels: tensor, ends: tensor, codes: tensor, s: tensor, n: tensor, capacity: tensor) -> None:
    """Set the bits of a block, which begin where those of the block before it end."""
    block, element = tl.program_id(0), tl.arange(0, BLOCK)
    inside = element < n - block * BLOCK
    level = tl.load(levels + block * BLOCK + element, mask=inside, other=0) - s
    k = tl.abs(level) + 1
    zeros = _zeros(k)
    length = tl.where(inside, 2 * zeros + 2, 0)
    bit = tl.load(ends + block - 1, mask=block > 0, other=0) + tl.cumsum(length, 0) - length
    code = k.to(tl.uint64) | ((level < 0).to(tl.uint64) << (2 * zeros + 1).to(tl.uint64))
    code = code << (62 - 2 * zeros).to(tl.uint64)  # from the highest bit on
    skip, word = (bit & 31).to(tl.uint64), codes + (bit >> 5)
    here = inside & ((bit >> 5) < capacity)
    first, third = code >> skip, tl.where(skip > 0, code << ((64 - skip) & 63), 0)
    tl.atomic_or(word, _high(first), mask=here, sem="relaxed")
    tl.atomic_or(word + 1, _high(first << 32), mask=here & (length + skip.to(tl.int32) > 32), sem="relaxed")
    tl.atomic_or(word + 2, _high(third), mask=here & (length + skip.to(tl.int32) > 64), sem="relaxed")


@jit
def _high(bits: tensor) -> tensor:
    return (bits >> 32).to(tl.uint32).to(tl.int32, bitcast=True)


@jit
def _checked_words(codes: tensor, norms: tensor, words: tensor, buckets: tensor) -> tensor:
    """Return what this program's words and norms add to the checksum, and whether a norm is bad."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    word = tl.load(codes + at, mask=at < words, other=0).to(tl.uint32, bitcast=True)
    total, bad = checked_norms(norms, buckets, words)
    return total + tl.sum(weighted(word, at), 0), bad


@jit
def _sign(
    codes: tensor, norms: tensor, header: tensor, ends: tensor, scratch: tensor, salt: tensor, buckets: tensor,
    blocks: tensor
) -> None:  # fmt: skip
    """Write the header of a message whose words are written."""
    words = ((tl.load(ends + blocks - 1) + 31) >> 5).to(tl.int32)
    total, _ = _checked_words(codes, norms, words, buckets)
    if is_last(scratch, total):
        tl.store(header, signature_of(scratch, salt))
        tl.store(header + 1, words)


@jit
def _announced(header: tensor, capacity: tensor) -> tensor:
    """Return how many words a message has; none if it says that there are more than there is room for."""
    words = tl.load(header + 1)
    return tl.where((words >= 0) & (words <= capacity), words, 0)


@jit
def _verify(
    codes: tensor, norms: tensor, header: tensor, fault: tensor, scratch: tensor, salt: tensor, buckets: tensor,
    capacity: tensor
) -> None:  # fmt: skip
    """Note what is wrong with words, norms or header."""
    words = _announced(header, capacity)
    total, bad = _checked_words(codes, norms, words, buckets)
    tl.atomic_max(scratch + 1, bad.to(tl.int64) << 40, mask=bad > 0, sem="relaxed")
    if is_last(scratch, total):
        state = tl.atomic_xchg(scratch + 1, 0)
        judge(header, fault, tl.load(header + 1) == words, signature_of(scratch, salt), state)


@jit
def _code_at(codes: tensor, bit: tensor, words: tensor, s: tensor, active: tensor) -> tensor:
    """Return the code that begins at a bit, how many bits it takes, and whether there is one."""
    word = bit >> 5
    skip = (bit & 31).to(tl.uint64)
    first = _word_at(codes, word, words, active) << 32 | _word_at(codes, word + 1, words, active)
    window = (first << skip) | (_word_at(codes, word + 2, words, active) >> (32 - skip))
    tail = window << 1
    leading = (tail >> 40).to(tl.int32)
    zeros = 23 - _zeros(tl.maximum(leading, 1))
    k = ((tail << zeros.to(tl.uint64)) >> (63 - zeros).to(tl.uint64)).to(tl.int32)
    length = 2 * zeros + 2
    valid = (leading > 0) & (zeros <= 20) & (k - 1 <= s) & (bit + length <= words.to(tl.int64) * 32)
    return tl.where((window >> 63) > 0, s + 1 - k, s - 1 + k).to(tl.uint32, bitcast=True), length, valid


@jit
def _word_at(codes: tensor, word: tensor, words: tensor, active: tensor) -> tensor:
    return tl.load(codes + word, mask=active & (word < words), other=0).to(tl.uint32, bitcast=True).to(tl.uint64)


@jit
def _explore(
    codes: tensor, header: tensor, exits: tensor, counts: tensor, s: tensor, capacity: tensor, SEGMENT: constexpr
) -> None:
    """Write for every place where a segment may be entered where it is left, and after how many codes."""
    words, place = _announced(header, capacity), tl.arange(0, _PLACES)
    segment = tl.program_id(0).to(tl.int64)
    end, bit = (segment + 1) * SEGMENT, segment * SEGMENT + 2 * place
    alive, count = place <= _LAST_PLACE, place * 0
    active = alive
    while tl.max(active.to(tl.int32), 0) > 0:
        _, length, valid = _code_at(codes, bit, words, s, active)
        alive = alive & (valid | ~active)
        active = active & valid
        bit += tl.where(active, length, 0)
        count += active.to(tl.int32)
        active = active & (bit < end)
    tl.store(exits + segment * _PLACES + place, tl.where(alive, ((bit - end) >> 1).to(tl.int32), _NOWHERE))
    tl.store(counts + segment * _PLACES + place, count)


@jit
def _connect(
    header: tensor, exits: tensor, counts: tensor, entries: tensor, firsts: tensor, fault: tensor, n: tensor,
    capacity: tensor, SEGMENT: constexpr
) -> None:  # fmt: skip
    """Write where every segment is entered and which element is its first; note it if elements are missing."""
    words = _announced(header, capacity).to(tl.int64)
    place = tl.program_id(0)
    first = place.to(tl.int64)
    for segment in range(0, ((words * 32 + SEGMENT - 1) // SEGMENT).to(tl.int32)):
        tl.store(entries + segment, place)
        tl.store(firsts + segment, first)
        at = segment * _PLACES + place
        first += tl.load(counts + at)
        place = tl.load(exits + at)
    tl.atomic_cas(fault, 0, tl.where(first < n, CUT_OFF << KIND, 0))


@jit
def _read(
    codes: tensor, header: tensor, norms: tensor, entries: tensor, firsts: tensor, out: tensor, s: tensor,
    bucket: tensor, n: tensor, capacity: tensor, ADD: constexpr, SEGMENT: constexpr, GROUP: constexpr
) -> None:  # fmt: skip
    """Write or add the elements of segments."""
    words = _announced(header, capacity)
    segment = tl.program_id(0).to(tl.int64) * GROUP + tl.arange(0, GROUP)
    used = segment * SEGMENT < words.to(tl.int64) * 32
    place = tl.load(entries + segment, mask=used, other=_NOWHERE)
    element = tl.load(firsts + segment, mask=used, other=0)
    end, bit = (segment + 1) * SEGMENT, segment * SEGMENT + 2 * place
    active = (place != _NOWHERE) & (bit < end) & (element < n)
    while tl.max(active.to(tl.int32), 0) > 0:
        code, length, valid = _code_at(codes, bit, words, s, active)
        active = active & valid
        value = values_of(code, tl.load(norms + element // bucket, mask=active, other=0), s)
        if ADD:
            value = tl.load(out + element, mask=active, other=0) + value
        tl.store(out + element, value, mask=active)
        bit += tl.where(active, length, 0)
        element += active.to(tl.int64)
        active = active & (bit < end) & (element < n)


def write(
    v: Tensor, key: int, layout: Layout, header: Tensor, norms: Tensor, codes: Tensor, fault: Tensor | None = None
) -> None:
    """Quantize v into the parts of a message, see `wire_triton.write`; the header says how many words there are.

    codes has room for all words that there may be, n * layout.bits / 32 rounded up to an even number. Words behind the
    last one become zero.
    """
    sizes = sizes_of(v.numel(), layout.bucket)
    norms_of(v, layout.bucket, norms, fault)
    codes.zero_()
    levels, lengths = codes.new_empty(sizes.n), codes.new_zeros(sizes.blocks, dtype=torch.int64)
    numbers = signed(key), signed(key >> 32), layout.s, sizes.bucket, sizes.n, sizes.buckets
    width, salt = (2 * layout.s).bit_length(), signed(layout.salt)
    launch(_measure, sizes.blocks, v, v, norms, levels, lengths, *numbers, WIDTH=width, ONE=sizes.one)
    ends = lengths.cumsum(0)
    launch(_write_bits, sizes.blocks, v, levels, ends, codes, layout.s, sizes.n, len(codes))
    parts = codes, norms, header, ends, scratch_of(v)
    launch(_sign, _programs(codes), v, *parts, salt, sizes.buckets, sizes.blocks)


def read(header: Tensor, norms: Tensor, codes: Tensor, layout: Layout, out: Tensor, add: bool, fault: Tensor) -> None:
    """Write what a message says into out, (n,), or add it; out is undefined after a fault. See `write`."""
    sizes, capacity = sizes_of(out.numel(), layout.bucket), len(codes)
    segments = -(-capacity * 32 // _SEGMENT)
    exits, counts = codes.new_empty((2, segments * _PLACES.value))
    entries, firsts = codes.new_empty(segments), codes.new_empty(segments, dtype=torch.int64)
    parts = codes, norms, header, fault, scratch_of(out)
    launch(_verify, _programs(codes), out, *parts, signed(layout.salt), sizes.buckets, capacity)
    walk = {"SEGMENT": _SEGMENT, "num_warps": 1}
    launch(_explore, segments, out, codes, header, exits, counts, layout.s, capacity, **walk)
    launch(_connect, 1, out, header, exits, counts, entries, firsts, fault, sizes.n, capacity, **walk)
    numbers = layout.s, sizes.bucket, sizes.n, capacity
    tables, programs = (entries, firsts), -(-segments // _GROUP)
    launch(_read, programs, out, codes, header, norms, *tables, out, *numbers, ADD=add, GROUP=_GROUP, **walk)


def _programs(codes: Tensor) -> int:
    """Return how many blocks of words there are, at least one."""
    return -(-len(codes) // BLOCK.value) or 1
