"""Q_s of QSGD and QPRSGD (arXiv 2004.09125, equations (2)-(4)) and messages that carry its levels bit by bit.

Level l_i = floor(v_i s/||v|| + u_i) with u_i uniform in [0, 1) is sgn(v_i) zeta(v_i, s) of (3) and (4): a negative v_i
goes to -(l + 1) with the same probability with which (4) takes l + 1. The norm is summed in float64 and stored in the
type of the row, rounded up, so that |l_i| <= s always; Q_s(v)_i = norm l_i/s uses the stored norm and stays unbiased.

`layout` says where the parts of a message are. `wire` and `elias` have the loops that fill and read them on a CPU,
`wire_triton` and `elias_triton` the kernels for a GPU, `wire_torch` the same as operations of torch.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, get_args

import torch
from torch import Tensor

from algorithms.qprsgd.layout import (
    BAD_CHECKSUM,
    BAD_NORM,
    BAD_WORDS,
    CUT_OFF,
    FINE,
    Form,
    Format,
    Layout,
    Parts,
    Places,
    bits_of,
    check_message,
    damage,
    padded,
    parts_of,
    places_of,
)

MOST_LEVELS = 1 << 20
_RAW = 32  # bits of a code that is not packed
_CHUNK = 1 << 16  # elements; a multiple of wire.BLOCK whose codes stay in the L2 cache
_WORD, _MASK = (1 << 32) - 1, (1 << 64) - 1


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
    wire: Format = "fixed"

    def __post_init__(self) -> None:
        if not 1 <= self.s <= MOST_LEVELS:
            raise ValueError(f"s is {self.s}, but the number of levels is from 1 to {MOST_LEVELS}")
        if self.bucket < 0:
            raise ValueError(f"bucket is {self.bucket}, but a bucket has at least one element (0: the whole vector)")
        if self.wire not in get_args(Format):
            raise ValueError(f'wire is "{self.wire}", but the formats are "fixed" and "elias"')

    @property
    def bits(self) -> int:
        """Bits that an element takes: always in the fixed format, at most in the Elias format."""
        return bits_of(self.s, self.wire)

    @property
    def fixed(self) -> bool:
        """Whether the length of a message depends on its number of elements alone."""
        return self.wire == "fixed"

    def size(self, n: int, dtype: torch.dtype = torch.float32) -> int:
        """Return the bytes of a message of n elements: exactly if fixed, at most if Elias; a multiple of eight."""
        return places_of(self.s, self.bucket, self.wire, n, dtype).most

    def encode(self, v: Tensor, key: int, message: Tensor, fault: Tensor | None = None) -> int:
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
        fault
            (1,) int32 zero on a GPU: what is wrong with v is noted there and not raised, so that nobody waits; see
            `check`. On a CPU it is raised at once.
        """
        places = self._places(v, "v")
        check_message(message, places.most, v)
        _check_key(key)
        if kernels := self._kernels(v):
            return self._write_on_gpu(kernels, v, key, message, fault)
        loops = self._loops(v)
        parts, words = parts_of(message, places, v.dtype), places.layout.words
        self._norms(v, parts.norms)
        if self.wire == "fixed":
            loops.write(_native(v), loops.key(key), places.layout, *parts)
            return places.most
        words = self._write_elias(v, key, parts)
        parts.header[:] = self._header(v, parts, words)
        parts.codes[words : words + words % 2] = 0
        return places.least + padded(4 * words)

    def decode(self, message: Tensor, out: Tensor, add: bool = False, fault: Tensor | None = None) -> None:
        """Write Q_s(v) of a message into `out`, (n,), or add it.

        A damaged message, or one of another quantizer or length, is a ValueError. In the fixed format it is noticed
        as the message is read: `out` is then undefined. On a GPU it is noted in `fault`, if given; see `encode`.
        """
        places = self._places(out, "out")
        check_message(message, places.least, out)
        parts = parts_of(message, places, out.dtype)
        if kernels := self._kernels(out):
            noted = _none_yet(out) if fault is None else fault
            kernels.read(*parts, places.layout, out, add, noted)
            if fault is None:
                self.check(noted, out)
            return
        loops = self._loops(out)
        if self.wire == "fixed":
            found, most = loops.read(*parts, places.layout, _native(out), add)
        else:
            found, most = self._read_elias(parts, places.layout, out, add)
        if found:
            number = int(parts.header[1]) & _WORD if found == BAD_WORDS else int(most)
            raise ValueError(damage(int(found), number, places.layout))

    def check(self, fault: Tensor, row: Tensor) -> None:
        """Raise what a GPU has noted in `fault`, of messages of a row; this waits for it."""
        if kernels := self._kernels(row):
            kernels.check(fault, self._places(row, "row").layout)

    def quantize(self, v: Tensor, key: int) -> Tensor:
        """Return Q_s(v), the very bits that a decoded message holds; arguments as for `encode`."""
        layout, out = self._places(v, "v").layout, torch.empty_like(v)
        _check_key(key)
        if self._kernels(v):  # sum norms as messages have them
            message = v.new_empty(self.size(layout.n, v.dtype), dtype=torch.uint8)
            self.decode(message[: self.encode(v, key, message)], out)
            return out
        loops, norms, form = self._loops(v), v.new_empty(-(-layout.n // layout.bucket)), self._raw(layout)
        self._norms(v, _native(norms))
        for part, codes in _chunks(v):
            span = part.start, part.stop
            loops.encode(_native(v), *span, loops.key(key), _native(norms), form, _native(codes))
            loops.decode(_native(codes), *span, _native(norms), form, _native(out), False)
        return out

    def _places(self, row: Tensor, name: str) -> Places:
        if row.ndim != 1 or row.dtype not in (torch.float32, torch.float64) or not row.is_contiguous():
            raise ValueError(
                f"{name} is a contiguous (n,) tensor of float32 or float64, not {row.dtype} {tuple(row.shape)} with"
                f" strides {row.stride()}"
            )
        return places_of(self.s, self.bucket, self.wire, row.numel(), row.dtype)

    def _kernels(self, row: Tensor) -> Any:
        """Return the kernels of the format for a row on a GPU, where there is Triton; else None."""
        return _kernels_on(row.device.type, self.wire)

    def _write_on_gpu(self, kernels: Any, v: Tensor, key: int, message: Tensor, fault: Tensor | None) -> int:
        places, noted = self._places(v, "v"), _none_yet(v) if fault is None else fault
        parts = parts_of(message[: places.most], places, v.dtype)
        kernels.write(v, key, places.layout, *parts, noted)
        if fault is None:
            self.check(noted, v)
        return places.most if self.wire == "fixed" else places.least + padded(4 * int(parts.header[1]))

    def _loops(self, row: Tensor) -> Any:
        """Return the loops for the device of a row."""
        return _loops_on(row.device.type)

    def _raw(self, layout: Layout) -> Form:
        return Form(self.s, layout.bucket, _RAW)

    def _norms(self, v: Tensor, norms: Any) -> None:
        if not self._loops(v).norms_of(_native(v), self._places(v, "v").layout.bucket, norms):
            raise ValueError(_why_not_finite(v))

    def _header(self, row: Tensor, parts: Parts, words: int) -> Any:
        loops, salt = self._loops(row), self._places(row, "row").layout.salt
        total = loops.key(int(loops.checksum(parts.codes[:words], 0)))  # of 64 bits
        return loops.header_of(total, parts.norms, words, salt)

    def _write_elias(self, v: Tensor, key: int, parts: Parts) -> int:
        from algorithms.qprsgd import elias

        loops, form, words, bit = self._loops(v), self._raw(self._places(v, "v").layout), _on_host(parts.codes), 0
        for part, codes in _chunks(v):
            loops.encode(_native(v), part.start, part.stop, loops.key(key), parts.norms, form, _native(codes))
            bit = elias.write(_native(codes.cpu()), self.s, words, bit)
        parts.codes[:] = words if v.device.type == "cpu" else torch.from_numpy(words.view("int32"))
        return -(-bit // 32)

    def _read_elias(self, parts: Parts, layout: Layout, out: Tensor, add: bool) -> tuple[int, int]:
        from algorithms.qprsgd import elias

        loops, words = self._loops(out), int(parts.header[1]) & _WORD
        if words > len(parts.codes):
            return BAD_WORDS, 0
        if len(parts.norms) and not 0 <= float(parts.norms.min()) <= float(parts.norms.max()) < math.inf:
            return BAD_NORM, 0
        if not bool((parts.header == self._header(out, parts, words)).all()):
            return BAD_CHECKSUM, 0
        host, bit, form = _on_host(parts.codes[:words]), 0, self._raw(layout)
        for part, codes in _chunks(out):
            levels = torch.empty_like(codes, device="cpu")
            bit = elias.read(host, bit, self.s, _native(levels))
            if bit < 0:
                return CUT_OFF, 0
            loops.decode(_native(codes.copy_(levels)), part.start, part.stop, parts.norms, form, _native(out), add)
        return FINE, 0


def _check_key(key: int) -> None:
    if not 0 <= key <= _MASK:
        raise ValueError(f"key is {key}, but a key needs 0 <= key < 2**64")


def _why_not_finite(v: Tensor) -> str:
    finite = bool(torch.isfinite(v).all())
    cause = f"has a norm that {v.dtype} cannot hold" if finite else "holds NaN or infinity"
    return f"v {cause}, so it cannot be quantized"


def _chunks(v: Tensor) -> Iterator[tuple[range, Tensor]]:
    """Yield parts of a row, each with room for its codes."""
    scratch = torch.empty(min(_CHUNK, v.numel()), dtype=torch.int32, device=v.device)
    for start in range(0, v.numel(), _CHUNK):
        part = range(start, min(start + _CHUNK, v.numel()))
        yield part, scratch[: len(part)]


def _none_yet(row: Tensor) -> Tensor:
    return torch.zeros(1, dtype=torch.int32, device=row.device)


@cache
def _kernels_on(device: str, wire: Format) -> ModuleType | None:
    """Return the kernels of a format; Triton comes with the CUDA build of torch, other GPUs use `wire_torch`."""
    if device == "cpu" or importlib.util.find_spec("triton") is None:
        return None
    from algorithms.qprsgd import elias_triton, wire_triton

    return wire_triton if wire == "fixed" else elias_triton


@cache
def _loops_on(device: str) -> ModuleType:
    """Return the loops for a kind of device; numba is loaded with the first row on a CPU."""
    if device == "cpu":
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


def _on_host(words: Any) -> Any:
    """Return words as an array of this CPU, to be read or written."""
    return _native(words.cpu()) if isinstance(words, Tensor) else words
