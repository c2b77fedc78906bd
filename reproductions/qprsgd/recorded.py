"""What a codec was given and what came out: checks of algorithms without a quantizer of their own."""

from __future__ import annotations

import torch
from torch import Tensor

from algorithms.qprsgd.messages import Codec


class Recorded:
    """A codec that remembers every vector it encodes and what its message decodes to.

    Attributes
    ----------
    hops
        Pairs of what was encoded and what is decoded, in the order of encoding.
    decoded
        How many elements were decoded.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.hops: list[tuple[Tensor, Tensor]] = []
        self.decoded = 0

    @property
    def fixed(self) -> bool:
        """See `algorithms.qprsgd.messages.Codec.fixed`."""
        return self.codec.fixed

    def size(self, n: int) -> int:
        """See `algorithms.qprsgd.messages.Codec.size`."""
        return self.codec.size(n)

    def encode(self, v: Tensor, key: int, message: Tensor) -> int:
        """See `algorithms.qprsgd.messages.Codec.encode`."""
        used = self.codec.encode(v, key, message)
        decoded = torch.empty_like(v)
        self.codec.decode(message[:used], decoded)
        self.hops.append((v.clone(), decoded))
        return used

    def decode(self, message: Tensor, out: Tensor, add: bool = False) -> None:
        """See `algorithms.qprsgd.messages.Codec.decode`."""
        self.decoded += len(out)
        self.codec.decode(message, out, add)


def possible(v: Tensor, quantized: Tensor, s: int) -> bool:
    """Say whether a vector is an outcome of Q_s(v): every element one of the two levels around it, by (3) and (4)."""
    exact = v.double() * s / v.double().norm()
    level = quantized.double() * s / v.double().norm()
    rounding = 1e-6 * s  # of float32, in levels
    return bool(((level - level.round()).abs() <= rounding).all() and ((level - exact).abs() < 1 + rounding).all())
