"""Messages of Q_s for the tests of kernels: norms written for reading, all else by the loops of `wire` and `elias`."""

from __future__ import annotations

import math
import zlib
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.qprsgd import elias, wire
from algorithms.qprsgd.quantize import Quantizer

LOW, ALL = (1 << 32) - 1, (1 << 64) - 1


class Message(NamedTuple):
    """Parts of a message, as the kernels take them."""

    header: Tensor
    norms: Tensor
    codes: Tensor


def layout_of(module: Any, q: Quantizer, n: int, dtype: torch.dtype) -> Any:
    """Return what a kernel is told of a message, as a `Layout` of its module."""
    salt = zlib.crc32(f"{q.s} {q.bucket} {q.wire} {n} {dtype}".encode())
    return module.Layout(q.s, q.bucket, q.bits, n, -(-n * q.bits // 32), salt)


def norms_of(v: NDArray[Any], bucket: int) -> NDArray[Any]:
    """Return the norm of every bucket, rounded up."""
    size = bucket or max(len(v), 1)
    exact = np.array([norm_of(v[at : at + size].astype(np.float64)) for at in range(0, len(v), size)])
    rounded = exact.astype(v.dtype)
    return np.where(rounded < exact, np.nextafter(rounded, v.dtype.type(np.inf)), rounded)


def norm_of(x: NDArray[np.float64]) -> float:
    """Sum squares in 256 parts of every 65536 elements; where they may leave the range, of scaled elements in turn."""
    total = 0.0
    for start in range(0, len(x), 65536):
        rows = np.zeros((256, 256))
        rows.flat[: len(x[start : start + 65536])] = x[start : start + 65536]
        sums = np.zeros(256)
        for row in rows:
            sums += row * row
        while len(sums) > 1:
            sums = sums[: len(sums) // 2] + sums[len(sums) // 2 :]
        total += float(sums[0])
    if 1e-140 < math.sqrt(total) < 1e150:
        return math.sqrt(total)
    exponent, total = math.frexp(float(np.abs(x).max()))[1], 0.0
    for element in x.tolist():
        scaled = math.ldexp(element, -exponent)
        total += scaled * scaled  # not ** 2, which is not always rounded to the nearest
    return math.ldexp(math.sqrt(total), exponent)


def signed(words: NDArray[np.uint32], norms: NDArray[Any], salt: int) -> Tensor:
    """Return a header."""
    total = int(wire.checksum(words, 0)) + int(wire.checksum(norms.view(np.uint32), len(words))) + (salt << 31)
    mixed = ((total & ALL) ^ (total & ALL) >> 33) * 0xFF51AFD7ED558CCD & ALL
    return torch.from_numpy(np.array([mixed >> 32, len(words)], np.uint32).view(np.int32))


def message_of(q: Quantizer, v: Tensor, key: int, layout: Any) -> Message:
    """Return a message; room that it does not need is zero."""
    x, n = v.numpy(), len(v)
    norms = norms_of(x, q.bucket)
    bits = q.bits if q.fixed else 32
    words = np.zeros(-(-n * bits // 32), np.uint32)
    wire.encode(x, 0, n, wire.key(key), norms, wire.Form(q.s, q.bucket or max(n, 1), bits), words)
    room = np.zeros(layout.words + layout.words % 2, np.uint32)
    if q.fixed:
        room[: len(words)] = words
    else:
        words = room[: -(-elias.write(words, q.s, room, 0) // 32)]
    header = signed(words, norms, layout.salt)
    return Message(header, torch.from_numpy(norms.copy()), torch.from_numpy(room.view(np.int32)))


def values_of(q: Quantizer, v: Tensor, key: int, norms: Tensor, out: Tensor) -> Tensor:
    """Return Q_s(v), added to out."""
    x, n, total = v.numpy(), len(v), out.clone()
    words, form = np.zeros(n, np.uint32), wire.Form(q.s, q.bucket or max(n, 1), 32)
    wire.encode(x, 0, n, wire.key(key), norms.numpy(), form, words)
    wire.decode(words, 0, n, norms.numpy(), form, total.numpy(), True)
    return total


def room_for(message: Message) -> Message:
    """Return a message of the same size, full of other numbers."""
    return Message(*(torch.full_like(part, 77) for part in message))
