"""Compiled loops of Q_s on CPU: stochastic rounding, codes packed into 32-bit words without gaps, a checksum.

All loops are in this one file because numba's cache does not notice changes in functions of other files. They work on
blocks of 2048 elements that stay in the L1 cache between random bits, rounding and packing, use one thread and
release the GIL. Every loop that matters is vectorized: unsigned integers keep their width through explicit casts.

Random bits. Counter j of Philox4x32-10 under the 64-bit key gives four words. Elements e and e + 1024 of block b share
one word, the second with its halves exchanged: element e < 1024 has word 1 - e % 2 + 2 (e // 512) of counter
256 b + (e % 512) // 2. Each element's bits are exactly uniform. Those of the two differ from independent ones by 2^-16
in any joint probability, which halves the work; no moment of a single element and no sum of variances notices.

Packed layout. A full block is 32 rows of 64 lanes; lane l packs elements l, 64 + l, 128 + l, ... one after another,
lowest bits first, and word k of all lanes comes before word k + 1. What remains after the last full block is one block
with fewer lanes, and up to 31 elements in one lane. A width of 32 leaves codes as they are, in order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import float32, float64, int32, int64, uint32, uint64
from numpy.typing import NDArray

from algorithms.compiled import LOW, UP, kernel, philox, prefetch, use_512_bits
from algorithms.qprsgd.layout import BAD_CHECKSUM, BAD_CODE, BAD_NORM, BAD_WORDS, FINE, Form, Layout
from algorithms.qprsgd.norms import norms_of

__all__ = [
    "BLOCK", "LANES", "checksum", "decode", "encode", "header_of", "key", "norms_of", "read", "width_of", "words_of",
    "write",
]  # fmt: skip

Words = NDArray[np.uint32]
Rows = NDArray[Any]  # float32 or float64


LANES = 64
BLOCK = 32 * LANES
HALF = BLOCK // 2
_COUNTERS = BLOCK // 8
_EIGHTH = _COUNTERS // 8


def key(value: int) -> np.uint64:
    """Return a number of 64 bits without a sign, such as a key, as loops take it."""
    return np.uint64(value)


@kernel
def _philox(first: Any, key: Any, words: NDArray[np.uint64], part: int) -> None:
    """Write the words of counters first, first + 1, ... in one eighth of a block."""
    use_512_bits()
    for i in range(uint64(_EIGHTH * part), uint64(_EIGHTH * (part + 1))):
        c0, c1, c2, c3 = philox(first + i, (first + i) >> UP, uint64(0), uint64(0), key)
        words[i] = (c0 << UP) | (c1 & LOW)
        words[i + uint64(_COUNTERS)] = (c2 << UP) | (c3 & LOW)


@kernel
def _round(x: Rows, lo: int, hi: int, norm: float, s: int, width: int, random: Words, codes: Words) -> None:
    """Write codes lo..hi of a block, floor(x_i s/norm + u_i) + s, in fixed point so that no sum is rounded.

    float32 and s < 2^15: 32 - width bits after the point, so that P of (4) is exact to 2^(width - 33); else 32 bits.
    """
    use_512_bits()
    narrow = x.itemsize == 4 and width <= 16
    point = 32 - width if narrow else 32
    tiny = norm < (2.0**-60 if narrow else 2.0**-500)  # then s/norm might overflow
    lift = (2.0**100 if narrow else 2.0**600) if tiny else 1.0
    one = float64(s) * 2.0**point  # what the norm itself becomes: s, before the point is moved
    factor = one / (float64(norm) * lift) if norm > 0 else 0.0
    lift4, factor4, norm4 = float32(lift), float32(factor), float32(norm)
    while narrow and norm4 * lift4 * factor4 > float32(one):
        factor4 *= float32(1 - 2.0**-23)
    while float64(norm) * lift * factor > one:
        factor *= 1 - 2.0**-52
    base4, shift, drop = uint32(one), uint32(point & 31), uint32(width & 31)
    for half in range(2):
        turn, offset = uint32(16 * half), half * HALF
        for i in range(uint64(max(lo, offset)), uint64(min(hi, offset + HALF))):
            r = random[i - uint64(offset)]
            u = uint32(r << turn) | uint32(r >> turn)
            if narrow:
                level4 = uint32(int32(np.rint(float32(x[i]) * lift4 * factor4)))
                codes[i] = uint32(uint32(level4 + base4) + uint32(u >> drop)) >> shift
            else:
                level = int64(np.rint(float64(x[i]) * lift * factor))
                codes[i] = uint32((level + int64(one) + int64(u)) >> int64(32))


@kernel
def _values(codes: Words, lo: int, hi: int, norm: float, s: int, out: Rows, add: bool) -> Any:
    """Write or add level * norm/s for codes lo..hi of a block and return the largest code."""
    use_512_bits()
    real = out.dtype.type
    tiny = norm < (2.0**-60 if out.itemsize == 4 else 2.0**-500)
    lift = (2.0**100 if out.itemsize == 4 else 2.0**600) if tiny else 1.0
    unit, lower, most, zero = real(float64(norm) * lift / s), real(1 / lift), uint32(0), int32(s)
    while real(s) * unit * lower > norm:
        unit *= real(1 - (2.0**-23 if out.itemsize == 4 else 2.0**-52))
    for i in range(uint64(lo), uint64(hi)):
        most = max(most, codes[i])
        value = real(int32(int32(codes[i]) - zero)) * unit * lower
        out[i] = out[i] + value if add else value
    return most


@kernel
def _pack(codes: Words, width: int, lanes: int, rows: int, words: Words) -> None:
    """Pack rows of codes, one after another in each lane. Unsigned indices need no check for negative ones."""
    use_512_bits()
    word, bit, n = uint64(0), 0, uint64(lanes)
    for row in range(rows):
        code, shift = uint64(row) * n, uint32(bit & 31)
        if bit == 0:
            for lane in range(n):
                words[word + lane] = codes[code + lane]
        else:
            for lane in range(n):
                words[word + lane] |= uint32(codes[code + lane] << shift)
        bit += width
        if bit >= 32:
            bit, word = bit - 32, word + n
            if bit:
                done = uint32(width - bit)
                for lane in range(n):
                    words[word + lane] = codes[code + lane] >> done


@kernel
def _unpack(words: Words, width: int, lanes: int, rows: int, codes: Words, ahead: Rows, start: int) -> None:
    """Undo `_pack`, and fetch 32 rows from element `start` of what is needed next while doing so."""
    use_512_bits()
    word, bit, n, mask = uint64(0), 0, uint64(lanes), uint32((1 << width) - 1)
    for row in range(rows):
        code, shift = uint64(row) * n, uint32(bit & 31)
        for i in range(0, LANES, 16):
            prefetch(ahead, uint64(start + LANES * row + i))
        bit += width
        if bit <= 32:
            for lane in range(n):
                codes[code + lane] = (words[word + lane] >> shift) & mask
        else:
            done, high = uint32(32 - shift), word + n
            for lane in range(n):
                later = uint32(words[high + lane] << done)
                codes[code + lane] = ((words[word + lane] >> shift) | later) & mask
        if bit >= 32:
            bit, word = bit - 32, word + n


@kernel
def checksum(words: Words, first: int) -> Any:
    """Return the sum of word i times 2 i + 1 modulo 2^64, for i = first, ...; no single wrong word leaves it."""
    use_512_bits()
    total = uint64(0)
    for i in range(len(words)):
        total += uint64(words[i]) * uint64(uint32(2 * (first + i) + 1))
    return total


@kernel
def words_of(n: int, width: int) -> int:
    """Return how many words n codes take."""
    return (n * width + 31) // 32


@kernel
def encode(v: Rows, first: int, last: int, key: Any, norms: Rows, form: Form, words: Words) -> Any:
    """Quantize elements first..last of v and pack their codes; return the checksum of the words.

    first is a multiple of BLOCK, and words are those of this part.
    """
    use_512_bits()
    s, bucket, wire = form
    random64, codes = np.empty(2 * _COUNTERS, np.uint64), np.empty(BLOCK, np.uint32)
    random, total, width = random64.view(np.uint32), uint64(0), width_of(s)
    for start in range(first, last, BLOCK):
        n = min(BLOCK, last - start)
        x = v[start : start + n]
        for part in range(8):
            for i in range(0, BLOCK // 8, 16):
                prefetch(v, uint64(start + BLOCK + part * BLOCK // 8 + i))
            _philox(uint64(start // 8), key, random64, part)
        lo = 0
        while lo < n:
            b = (start + lo) // bucket
            hi = min(n, (b + 1) * bucket - start)
            _round(x, lo, hi, norms[b], s, width, random, codes)
            lo = hi
        at = words_of(start - first, wire)
        block = words[at : at + words_of(n, wire)]
        lanes = n // 32
        _pack(codes, wire, lanes, 32, block)
        _pack(codes[32 * lanes :], wire, 1, n % 32, block[lanes * wire :])
        total += checksum(block, at)
    return total


@kernel
def decode(words: Words, first: int, last: int, norms: Rows, form: Form, out: Rows, add: bool) -> Any:
    """Write or add Q_s for elements first..last of out; return the checksum of the words and the largest code."""
    use_512_bits()
    s, bucket, wire = form
    codes, total, most = np.empty(BLOCK, np.uint32), uint64(0), uint32(0)
    for start in range(first, last, BLOCK):
        n = min(BLOCK, last - start)
        at = words_of(start - first, wire)
        block = words[at : at + words_of(n, wire)]
        total += checksum(block, at)
        lanes = n // 32
        _unpack(block, wire, lanes, 32, codes, out, start + BLOCK)
        _unpack(block[lanes * wire :], wire, 1, n % 32, codes[32 * lanes :], out, start + 2 * BLOCK)
        lo = 0
        while lo < n:
            b = (start + lo) // bucket
            hi = min(n, (b + 1) * bucket - start)
            most = max(most, _values(codes, lo, hi, norms[b], s, out[start : start + n], add))
            lo = hi
    return total, most


@kernel
def write(v: Rows, key: Any, layout: Layout, header: Words, norms: Rows, codes: Words) -> None:
    """Quantize v, (n,), into the header and codes of a message of the fixed format whose norms are there already."""
    form, words = Form(layout.s, layout.bucket, layout.bits), layout.words
    total = encode(v, 0, layout.n, key, norms, form, codes[:words])
    header[:] = header_of(total, norms, words, layout.salt)
    codes[words:] = 0


@kernel
def read(header: Words, norms: Rows, codes: Words, layout: Layout, out: Rows, add: bool) -> Any:
    """Write or add what a message says into out, (n,); return what was found and the largest code."""
    form, words = Form(layout.s, layout.bucket, layout.bits), layout.words
    if header[1] != words:
        return BAD_WORDS, uint32(0)
    for norm in norms:
        if not 0 <= norm < math.inf:
            return BAD_NORM, uint32(0)
    total, most = decode(codes[:words], 0, layout.n, norms, form, out, add)
    if header_of(total, norms, words, layout.salt)[0] != header[0]:
        return BAD_CHECKSUM, most
    return (BAD_CODE if most > 2 * layout.s else FINE), most


@kernel
def header_of(total: Any, norms: Rows, words: int, salt: int) -> Any:
    """Return the checksum of words, of norms as if they came after them and of salt, then the number of words."""
    mixed = uint64(total) + checksum(norms.view(np.uint32), words) + (uint64(salt) << uint64(31))
    mixed = (mixed ^ (mixed >> uint64(33))) * uint64(0xFF51AFD7ED558CCD)
    return np.array([uint32(mixed >> uint64(32)), uint32(words)])


@kernel
def width_of(s: int) -> int:
    """Return ceil(log2(2 s + 1)), the bits that codes 0..2s take."""
    width = 0
    while (2 * s) >> width:
        width += 1
    return width
