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

FINE, BAD_WORDS, BAD_NORM, BAD_CHECKSUM, BAD_CODE, CUT_OFF = range(6)  # what a reader found
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


def check_message(message: Tensor, size: int, row: Tensor) -> None:
    """Refuse what cannot be a message of a row, of at least `size` bytes: a ValueError."""
    if message.ndim != 1 or message.dtype != torch.uint8 or not message.is_contiguous():
        raise ValueError(f"message is a contiguous 1-d tensor of uint8, not {message.dtype} {tuple(message.shape)}")
    if message.numel() < size:
        raise ValueError(f"the message has {message.numel()} bytes, but {row.numel()} elements need {size}")
    if message.device != row.device:
        raise ValueError(f"the message is on {message.device}, but the elements are on {row.device}")
    if message.data_ptr() % 8:
        raise ValueError(f"the message starts {message.data_ptr() % 8} bytes behind a multiple of eight")


def damage(found: int, number: object, layout: Layout) -> str:
    """Return the sentence for what a reader found; number is that of the words announced, or the largest code."""
    return (
        "the message "
        + {
            BAD_WORDS: f"announces {number} words, which does not fit {layout.n} elements and its length",
            BAD_NORM: "is damaged: a norm is not a finite number >= 0",
            BAD_CHECKSUM: "is damaged or was made by another quantizer: its checksum does not match",
            BAD_CODE: f"is damaged: code {number} is out of range 0..{2 * layout.s}",
            CUT_OFF: f"is damaged: a code is cut off or its level exceeds s = {layout.s}",
        }[found]
    )
