"""Where the parts of a message of Q_s are: header, norms and codes, and what a reader of it can find wrong.

A message has a header of eight bytes (checksum, number of words), one norm for each bucket and the codes in 32-bit
words, each padded to a multiple of eight bytes. Codes are l + s in ceil(log2(2 s + 1)) bits ("fixed", laid out in
`wire`) or a sign and an Elias gamma code ("elias", `elias`). Fixed codes come first, so that they are aligned where the
message is; variable ones come last.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

Format = Literal["fixed", "elias"]

FINE, BAD_WORDS, BAD_NORM, BAD_CHECKSUM, BAD_CODE = range(5)  # what a reader found
_HEADER = 8  # bytes


class Form(NamedTuple):
    """Levels s, elements that share a norm (>= 1) and bits that a code takes on the wire."""

    s: int
    bucket: int
    bits: int


class Layout(NamedTuple):
    """A message of n elements: its `Form`, its words (at most), and a number that both sides know, which is signed."""

    s: int
    bucket: int
    bits: int
    n: int
    words: int
    salt: int


class Places(NamedTuple):
    """Where the parts of a message are, in bytes, and how many bytes it takes."""

    layout: Layout
    header: slice
    norms: slice
    codes: slice
    least: int
    most: int


class Parts(NamedTuple):
    """Views of a message as loops take them: arrays on a CPU, tensors on a GPU, words of 32 bits."""

    header: Any
    norms: Any
    codes: Any


def bits_of(s: int, wire: Format) -> int:
    """Return the bits that an element takes: always in the fixed format, at most in the Elias format."""
    return (2 * s).bit_length() if wire == "fixed" else 2 * (s + 1).bit_length()


@lru_cache(maxsize=4096)
def places_of(s: int, bucket: int, wire: Format, n: int, dtype: torch.dtype) -> Places:
    """Return where the parts of a message of n elements are; a bucket of 0 is the whole vector."""
    bits = bits_of(s, wire)
    layout = Layout(s, bucket or max(n, 1), bits, n, -(-n * bits // 32), salt_of(s, bucket, wire, n, dtype))
    norms, codes = -(-n // layout.bucket) * dtype.itemsize, padded(4 * layout.words)
    least = _HEADER + padded(norms)
    if wire == "fixed":
        header = codes + padded(norms)
        parts = slice(header, header + _HEADER), slice(codes, codes + norms), slice(0, codes)
        return Places(layout, *parts, least=least + codes, most=least + codes)
    return Places(layout, slice(_HEADER), slice(_HEADER, _HEADER + norms), slice(least, None), least, least + codes)


def salt_of(s: int, bucket: int, wire: Format, n: int, dtype: torch.dtype) -> int:
    """Return what both sides know of a message, in 32 bits."""
    return zlib.crc32(f"{s} {bucket} {wire} {n} {dtype}".encode())


def parts_of(message: Tensor, places: Places, dtype: torch.dtype) -> Parts:
    """Return the parts of a message, which is cut to a multiple of eight bytes."""
    whole: Any = message
    words: Any = torch.int32
    real: Any = dtype
    if message.device.type == "cpu":
        whole, words, real = message.numpy(), np.uint32, np.float32 if dtype == torch.float32 else np.float64
    codes = whole[places.codes]
    return Parts(
        whole[places.header].view(words), whole[places.norms].view(real), codes[: len(codes) // 8 * 8].view(words)
    )


def padded(size: int) -> int:
    """Return a number of bytes, raised to a multiple of eight."""
    return -(-size // 8) * 8
