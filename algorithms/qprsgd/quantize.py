"""Q_s of QSGD and QPRSGD (arXiv 2004.09125, equations (2)-(4)) and messages that carry its levels bit by bit.

Level l_i = floor(v_i s/||v|| + u_i) with u_i uniform in [0, 1) is sgn(v_i) zeta(v_i, s) of (3) and (4): a negative v_i
goes to -(l + 1) with the same probability with which (4) takes l + 1. The norm is summed in float64 and stored in the
type of the row, rounded up, so that |l_i| <= s always; Q_s(v)_i = norm l_i/s uses the stored norm and stays unbiased.

A message has a header of eight bytes (checksum, number of words), one norm for each bucket and the codes in 32-bit
words, each padded to a multiple of eight bytes. Codes are l + s in ceil(log2(2 s + 1)) bits ("fixed", laid out in
`wire`) or a sign and an Elias gamma code ("elias", `elias`). Fixed codes come first, so that they
are aligned where the message is; variable ones come last.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from algorithms.qprsgd.wire import Form

MOST_LEVELS = 1 << 20
_HEADER = 8  # bytes
_RAW = 32  # bits of a code that is not packed
_CHUNK = 1 << 16  # elements; a multiple of wire.BLOCK whose codes stay in the L2 cache
_MASK = (1 << 64) - 1


class _Parts(NamedTuple):
    """Views of a message."""

    header: Tensor
    norms: Tensor
    codes: Tensor


@dataclass(frozen=True)
class Quantizer:
    """Q_s with its wire format.

    Parameters
    ----------
    s
        Levels on each side of zero, 1..2^20. An element of the fixed format takes 12 bits up to s = 2047.
    bucket
        Elements that share one norm; 0 is the whole vector, as in the paper.
    wire
        ``"fixed"``, or ``"elias"`` for messages whose length depends on the levels.

    Raises
    ------
    ValueError
        If s or bucket is out of range or the wire format unknown. Methods raise it for tensors that do not fit.
    """

    s: int = 2047
    bucket: int = 0
    wire: Literal["fixed", "elias"] = "fixed"

    def __post_init__(self) -> None:
        if not 1 <= self.s <= MOST_LEVELS:
            raise ValueError(f"s is {self.s}, but the number of levels is from 1 to {MOST_LEVELS}")
        if self.bucket < 0:
            raise ValueError(f"bucket is {self.bucket}, but a bucket has at least one element (0: the whole vector)")
        if self.wire not in ("fixed", "elias"):
            raise ValueError(f'wire is "{self.wire}", but the formats are "fixed" and "elias"')

    @property
    def bits(self) -> int:
        """Bits that an element takes: always in the fixed format, at most in the Elias format."""
        return (2 * self.s).bit_length() if self.wire == "fixed" else 2 * (self.s + 1).bit_length()

    @property
    def fixed(self) -> bool:
        """Whether the length of a message depends on its number of elements alone."""
        return self.wire == "fixed"

    def size(self, n: int, dtype: torch.dtype = torch.float32) -> int:
        """Return the bytes of a message of n elements: exactly if fixed, at most if Elias; a multiple of eight."""
        return self._bytes(n, dtype, self._words(n))

    def encode(self, v: Tensor, key: int, message: Tensor) -> int:
        """Write Q_s(v) into a message and return how many bytes it takes.

        Parameters
        ----------
        v
            (n,) contiguous float32 or float64, finite.
        key
            Of the random numbers, 0 <= key < 2^64, see `algorithms.streams.kernel_key`. Element i's depend on the key
            and i alone.
        message
            (>= size(n),) uint8, contiguous, on the device of v, starting at a multiple of eight bytes.
        """
        n = _checked_row(v, "v")
        _check_message(message, self.size(n, v.dtype), v)
        parts, loops = self._parts(message, n, v.dtype), _loops(v)
        self._norms(v, parts.norms)
        words = self._words(n)
        if self.wire == "fixed":
            total = self._quantize(v, key, parts.norms, range(n), self.bits, parts.codes[:words])
        else:
            words = self._write_elias(v, key, parts)
            total = loops.checksum(_native(parts.codes[:words]), 0)
        parts.header.copy_(torch.tensor([self._sign(total, words, parts.norms, n), words]))
        parts.codes[words : words + words % 2] = 0
        return self._bytes(n, v.dtype, words)

    def decode(self, message: Tensor, out: Tensor, add: bool = False) -> None:
        """Write Q_s(v) of a message into `out`, (n,), or add it.

        A damaged message, or one of another quantizer or length, is a ValueError. In the fixed format it is noticed
        as the message is read: `out` is then undefined.
        """
        n = _checked_row(out, "out")
        least = self.size(n, out.dtype) if self.wire == "fixed" else self._bytes(n, out.dtype, 0)
        _check_message(message, least, out)
        parts = self._parts(message, n, out.dtype)
        signature, words = (value & 0xFFFFFFFF for value in parts.header.tolist())
        if words > len(parts.codes) or (self.wire == "fixed" and words != self._words(n)):
            raise ValueError(f"the message announces {words} words, which does not fit {n} elements and its length")
        codes = parts.codes[:words]
        if len(parts.norms) and not 0 <= float(parts.norms.min()) <= float(parts.norms.max()) < math.inf:
            raise ValueError("the message is damaged: a norm is not a finite number >= 0")
        if self.wire == "fixed":
            total, most = self._restore(codes, self.bits, parts.norms, range(n), out, add)
            self._verify(signature, total, words, parts.norms, n)
        else:
            self._verify(signature, _loops(out).checksum(_native(codes), 0), words, parts.norms, n)
            most = self._read_elias(codes, parts.norms, out, add)
        if most > 2 * self.s:
            raise ValueError(f"the message is damaged: code {most} is out of range 0..{2 * self.s}")

    def quantize(self, v: Tensor, key: int) -> Tensor:
        """Return Q_s(v), the very bits that a decoded message holds; arguments as for `encode`."""
        n = _checked_row(v, "v")
        norms, out = v.new_empty(self._buckets(n)), torch.empty_like(v)
        self._norms(v, norms)
        for part, codes in _chunks(v):
            self._quantize(v, key, norms, part, _RAW, codes)
            self._restore(codes, _RAW, norms, part, out, False)
        return out

    def _buckets(self, n: int) -> int:
        return -(-n // self._bucket(n))

    def _bucket(self, n: int) -> int:
        return self.bucket or max(n, 1)

    def _form(self, n: int, bits: int) -> Form:
        from algorithms.qprsgd.wire import Form

        return Form(self.s, self._bucket(n), bits)

    def _bytes(self, n: int, dtype: torch.dtype, words: int) -> int:
        return _HEADER + _padded(self._buckets(n) * dtype.itemsize) + _padded(4 * words)

    def _parts(self, message: Tensor, n: int, dtype: torch.dtype) -> _Parts:
        norms = self._buckets(n) * dtype.itemsize
        if self.wire == "fixed":
            at = _padded(4 * self._words(n))
            codes, norm, head = message[:at], message[at : at + norms], message[at + _padded(norms) :]
        else:
            at = _HEADER + _padded(norms)
            head, norm, codes = (
                message,
                message[_HEADER : _HEADER + norms],
                message[at : at + (len(message) - at) // 8 * 8],
            )
        return _Parts(head[:_HEADER].view(torch.int32), norm.view(dtype), codes.view(torch.int32))

    def _words(self, n: int) -> int:
        return -(-n * self.bits // 32)

    def _norms(self, v: Tensor, norms: Tensor) -> None:
        if not _loops(v).norms_of(_native(v), self._bucket(len(v)), _native(norms)):
            finite = bool(torch.isfinite(v).all())
            cause = f"has a norm that {v.dtype} cannot hold" if finite else "holds NaN or infinity"
            raise ValueError(f"v {cause}, so it cannot be quantized")

    def _quantize(self, v: Tensor, key: int, norms: Tensor, part: range, bits: int, codes: Tensor) -> int:
        if not 0 <= key <= _MASK:
            raise ValueError(f"key is {key}, but a key needs 0 <= key < 2**64")
        loops, form = _loops(v), self._form(len(v), bits)
        arguments = (_native(v), part.start, part.stop, loops.key(key), _native(norms), form, _native(codes))
        return int(loops.encode(*arguments))

    def _restore(self, codes: Tensor, bits: int, norms: Tensor, part: range, out: Tensor, add: bool) -> tuple[int, int]:
        form = self._form(len(out), bits)
        arguments = (_native(codes), part.start, part.stop, _native(norms), form, _native(out), add)
        total, most = _loops(out).decode(*arguments)
        return int(total), int(most)

    def _write_elias(self, v: Tensor, key: int, parts: _Parts) -> int:
        from algorithms.qprsgd import elias

        words, bit = parts.codes.cpu(), 0
        for part, codes in _chunks(v):
            self._quantize(v, key, parts.norms, part, _RAW, codes)
            bit = elias.write(_native(codes.cpu()), self.s, _native(words), bit)
        parts.codes.copy_(words)
        return -(-bit // 32)

    def _read_elias(self, words: Tensor, norms: Tensor, out: Tensor, add: bool) -> int:
        from algorithms.qprsgd import elias

        host, bit, most = words.cpu(), 0, 0
        for part, codes in _chunks(out):
            levels = torch.empty_like(codes, device="cpu")
            bit = elias.read(_native(host), bit, self.s, _native(levels))
            if bit < 0:
                raise ValueError(f"the message is damaged: a code is cut off or its level exceeds s = {self.s}")
            most = max(most, self._restore(codes.copy_(levels), _RAW, norms, part, out, add)[1])
        return most

    def _sign(self, total: int, words: int, norms: Tensor, n: int) -> int:
        """Return the checksum, as int32: of words, norms (as if they came after the words) and what both sides know."""
        total += int(_loops(norms).checksum(_native(norms.view(torch.int32)), words))
        total += zlib.crc32(f"{self.s} {self.bucket} {self.wire} {n} {norms.dtype}".encode()) << 31
        mixed = (total & _MASK) ^ (total & _MASK) >> 33
        mixed = mixed * 0xFF51AFD7ED558CCD & _MASK
        return (mixed >> 32) - (mixed >> 63 << 32)

    def _verify(self, signature: int, total: int, words: int, norms: Tensor, n: int) -> None:
        if signature != self._sign(total, words, norms, n) & 0xFFFFFFFF:
            raise ValueError("the message is damaged or was made by another quantizer: its checksum does not match")


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _checked_row(row: Tensor, name: str) -> int:
    if row.ndim != 1 or row.dtype not in (torch.float32, torch.float64) or not row.is_contiguous():
        raise ValueError(
            f"{name} is a contiguous (n,) tensor of float32 or float64, not {row.dtype} {tuple(row.shape)} with strides"
            f" {row.stride()}"
        )
    return row.numel()


def _check_message(message: Tensor, size: int, row: Tensor) -> None:
    if message.ndim != 1 or message.dtype != torch.uint8 or not message.is_contiguous():
        raise ValueError(f"message is a contiguous 1-d tensor of uint8, not {message.dtype} {tuple(message.shape)}")
    if message.numel() < size:
        raise ValueError(f"the message has {message.numel()} bytes, but {row.numel()} elements need {size}")
    if message.device != row.device:
        raise ValueError(f"the message is on {message.device}, but the elements are on {row.device}")
    if message.data_ptr() % 8:
        raise ValueError(f"the message starts {message.data_ptr() % 8} bytes behind a multiple of eight")


def _chunks(v: Tensor) -> Iterator[tuple[range, Tensor]]:
    """Yield parts of a row, each with room for its codes."""
    scratch = torch.empty(min(_CHUNK, v.numel()), dtype=torch.int32, device=v.device)
    for start in range(0, v.numel(), _CHUNK):
        part = range(start, min(start + _CHUNK, v.numel()))
        yield part, scratch[: len(part)]


def _loops(row: Tensor) -> ModuleType:
    """Return the loops for the device of a row; numba is loaded with the first row on a CPU."""
    if row.device.type == "cpu":
        from algorithms.qprsgd import wire

        return wire
    from algorithms.qprsgd import wire_torch

    return wire_torch


def _native(tensor: Tensor) -> Any:
    """Return what the loops work on: arrays on CPU, with unsigned words."""
    if tensor.device.type != "cpu":
        return tensor
    array = tensor.detach().numpy()
    return array.view("uint32") if array.dtype == "int32" else array
