"""Elias format of QPRSGD's Appendix G: for each element one sign bit and the Elias gamma code of zeta + 1.

Elias(k) is floor(log2 k) zeros before the binary representation of k. The paper puts len(bin(k)) zeros there and gives
the length as "O(2log(k) - 1)", while its Lemma 13 and Theorem 3 count 2 log(k) + 1. Decided is the code of Elias's
paper, |Elias(k)| = 2 floor(log2 k) + 1: one zero less than the text says is enough to decode, and Lemma 13 counts as
many bits up to the floor. Bits run from the highest of each 32-bit word to the lowest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.cpython.unsafe import numbers
from numpy import int64, uint32, uint64

from algorithms.compiled import kernel
from algorithms.qprsgd.wire import Words

_leading_zeros: Any = numbers.leading_zeros

_SIGN, _WORD = np.uint64(1 << 63), np.uint64(32)


def gamma_bits(k: int) -> int:
    """Return |Elias(k)| for an integer k >= 1."""
    return 2 * k.bit_length() - 1


@kernel
def write(codes: Words, s: int, words: Words, bit: int) -> int:
    """Append codes (level + s) at a position in bits and return the position behind them."""
    at, waiting = bit >> 5, bit & 31
    pending = uint64(words[at] >> uint32(32 - waiting)) if waiting else uint64(0)
    for i in range(len(codes)):
        level = int64(codes[i]) - s
        k = uint64(abs(level) + 1)
        zeros = 63 - int(_leading_zeros(k))
        # at most 22 bits at once: sign and zeros, then k from its leading one on
        for half in range(2):
            length = zeros + 1
            piece = k if half else uint64(level < 0) << uint64(zeros)
            pending = (pending << uint64(length)) | piece
            waiting += length
            if waiting >= 32:
                waiting -= 32
                words[at] = uint32(pending >> uint64(waiting))
                at += 1
    if waiting:
        words[at] = uint32(pending << uint64(32 - waiting))
    return 32 * at + waiting


@kernel
def read(words: Words, bit: int, s: int, codes: Words) -> int:
    """Read codes from a position in bits and return the position behind them; -1 if there is none or |level| > s."""
    end = len(words)
    for i in range(len(codes)):
        at, skip = bit >> 5, uint64(bit & 31)
        window = uint64(words[at]) << _WORD if at < end else uint64(0)
        window |= uint64(words[at + 1]) if at + 1 < end else uint64(0)
        beyond = uint64(words[at + 2]) if at + 2 < end else uint64(0)
        window = (window << skip) | (beyond >> (_WORD - skip))
        tail = window << uint64(1)
        zeros = int(_leading_zeros(tail))
        if zeros > 20:  # zeta + 1 <= 2^20 + 1
            return -1
        k = int((tail << uint64(zeros)) >> uint64(63 - zeros))
        if k - 1 > s:
            return -1
        codes[i] = uint32(s + 1 - k if window & _SIGN else s - 1 + k)
        bit += 2 * zeros + 2
    return bit if bit <= 32 * end else -1
