"""What QPRSGD sends: a vector as bytes, and one such message of every worker.

A `Codec` turns a vector into a message and back: Q_s with its wire format (`algorithms.qprsgd.quantize`), or `Dense`,
with which the two algorithms of `ring` and `gossip` are the paper's baselines:

    K = 1, dense        PSGD on the ring, D-PSGD by gossip
    K = 1, quantized    QSGD on the ring, DCD-PSGD by gossip
    K > 1, dense        PR-SGD

Iterations t = 0, 1, ... of ours are local updates; synchronization n = 1, 2, ... of the paper follows t = n K - 1.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.world import World

_LOW = (1 << 64) - 1
_PURPOSE = zlib.crc32(b"quantize")


class Codec(Protocol):
    """How a vector travels: `algorithms.qprsgd.quantize.Quantizer`, or `Dense`."""

    @property
    def fixed(self) -> bool:
        """Whether every message of n elements takes all of size(n) bytes."""
        ...

    def size(self, n: int) -> int:
        """Return the bytes that a message of n elements needs at most."""
        ...

    def encode(self, v: Tensor, key: int, message: Tensor) -> int:
        """Write v (n,) into a byte buffer, by the random stream of `key`; return the bytes used."""
        ...

    def decode(self, message: Tensor, out: Tensor, add: bool = False) -> None:
        """Write what a message says into out (n,), or add it."""
        ...


@runtime_checkable
class NotingCodec(Codec, Protocol):
    """A codec that notes on a GPU what is wrong with a message in `fault`, (1,) int32, so that nobody waits for it."""

    def encode(self, v: Tensor, key: int, message: Tensor, fault: Tensor | None = None) -> int:
        """See `Codec.encode`."""
        ...

    def decode(self, message: Tensor, out: Tensor, add: bool = False, fault: Tensor | None = None) -> None:
        """See `Codec.decode`."""
        ...

    def check(self, fault: Tensor, row: Tensor) -> None:
        """Raise the ValueError that `fault` stands for, of messages of a row (n,)."""
        ...


@dataclass(frozen=True)
class Dense:
    """float32 elements travel as they are."""

    fixed: ClassVar[bool] = True

    def size(self, n: int) -> int:
        """See `Codec.size`."""
        return 4 * n

    def encode(self, v: Tensor, key: int, message: Tensor) -> int:
        """See `Codec.encode`."""
        message[: 4 * len(v)].copy_(v.view(torch.uint8))
        return 4 * len(v)

    def decode(self, message: Tensor, out: Tensor, add: bool = False) -> None:
        """See `Codec.decode`."""
        values = message.view(torch.float32)
        if add:
            out.add_(values)
        else:
            out.copy_(values)


class Mail:
    """One message of every local worker, on the device of its rows, with the lengths of all messages.

    What is wrong with a quantized message on a GPU is noted there; `check` asks for it, once a synchronization.
    """

    def __init__(self, world: World, codec: Codec, elements: int, like: Tensor) -> None:
        self.world, self.codec = world, codec
        shape = len(world.local), codec.size(elements)
        self.bytes = world.buffer("mail", shape[0] * shape[1], like.new_empty(0, dtype=torch.uint8)).view(shape)
        self.lengths = np.zeros(world.workers, dtype=np.int64)
        self._known = False
        self._noting = codec if isinstance(codec, NotingCodec) and like.device.type != "cpu" else None
        self._fault = like.new_zeros(1, dtype=torch.int32)

    def expect(self, elements: NDArray[np.int64]) -> None:
        """Announce how many elements every worker, (M,), will write; with a fixed format this tells all lengths."""
        self._known = self.codec.fixed
        if self._known:
            self.lengths = np.array([self.codec.size(int(n)) for n in elements])

    def write(self, row: int, v: Tensor, turn: int) -> None:
        """Encode v into the message of a local worker; `turn` keys its randomness."""
        worker = self.world.local[row]
        key = message_key(self.world.seed, worker, turn)
        if self._noting:
            self.lengths[worker] = self._noting.encode(v, key, self.bytes[row], self._fault)
        else:
            self.lengths[worker] = self.codec.encode(v, key, self.bytes[row])

    def read(self, message: Tensor, out: Tensor, add: bool = False) -> None:
        """Decode a message into out, (n,), or add it."""
        if self._noting:
            self._noting.decode(message, out, add, self._fault)
        else:
            self.codec.decode(message, out, add)

    def check(self, row: Tensor) -> None:
        """Raise what was wrong with any message of a row (n,)."""
        if self._noting:
            self._noting.check(self._fault, row)

    def pass_on(self) -> None:
        """Give every worker the message of the one before it in the ring."""
        self._agree()
        self.bytes.copy_(self.world.shift(self.bytes, 1, self.lengths))
        self.lengths = np.roll(self.lengths, 1)

    def spread(self, routes: NDArray[np.bool_]) -> dict[int, Tensor]:
        """Send every message along its routes; return those that local workers received, by source."""
        self._agree()
        self.world.count(self.bytes, routes, self.lengths)
        return self.world.fetch(self.bytes, routes, lengths=self.lengths)

    def _agree(self) -> None:
        """Tell all ranks the lengths that no format fixes, which MPI messages carry with them: outside the ledger."""
        if not self._known:
            mine = torch.from_numpy(self.lengths[self.world.local.start : self.world.local.stop].copy())
            self.lengths = self.world.collect(mine[:, None])[:, 0].numpy()
            self._known = True

    def __getitem__(self, row: int) -> Tensor:
        """Return the message of a local worker."""
        return self.bytes[row, : self.lengths[self.world.local[row]]]


def message_key(seed: int, worker: int, turn: int) -> int:
    """Return `streams.kernel_key` of (seed, "quantize", worker, turn) in a sixth of its time.

    It is the first word of Philox4x64-10 (Salmon et al. 2011) at counter (1, 0, worker, turn).
    """
    c0, c1, c2, c3, k0, k1 = 1, 0, worker, turn, seed, _PURPOSE
    for _ in range(10):
        p0, p2 = c0 * 0xD2E7470EE14C6C93, c2 * 0xCA5A826395121157
        c0, c1, c2, c3 = p2 >> 64 ^ c1 ^ k0, p2 & _LOW, p0 >> 64 ^ c3 ^ k1, p0 & _LOW
        k0, k1 = k0 + 0x9E3779B97F4A7C15 & _LOW, k1 + 0xBB67AE8584CAA73B & _LOW
    return c0


def check_period(K: int) -> None:
    """Refuse a number of local updates between synchronizations below one: a ValueError."""
    if K < 1:
        raise ValueError(f"K is {K}, but there is at least one local update between synchronizations")
