"""Wrong quantizers, each with one mistake that the reproductions of QPRSGD have to notice. Their messages are real."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.wire_torch import pack


@dataclass(frozen=True)
class WithoutRandomness(Quantizer):
    """Levels are a function of v s/||v|| alone."""

    @abstractmethod
    def round(self, x: Tensor) -> Tensor:
        """Return the levels of v s/||v||."""

    def _quantize(self, v: Tensor, key: int, norms: Tensor, part: range, bits: int, codes: Tensor) -> int:
        norm = norms[torch.arange(part.start, part.stop) // self._bucket(len(v))].double()
        x = v[part.start : part.stop].double() * self.s / torch.where(norm > 0, norm, 1)
        return pack(self.round(x).long() + self.s, bits, codes)


@dataclass(frozen=True)
class Nearest(WithoutRandomness):
    """Rounds to the nearest level: the smallest error of all, but always the same one."""

    def round(self, x: Tensor) -> Tensor:
        return x.round()


@dataclass(frozen=True)
class TowardsZero(WithoutRandomness):
    """Never takes the upper level of (4): shrinks every element."""

    def round(self, x: Tensor) -> Tensor:
        return x.trunc()


@dataclass(frozen=True)
class Floor(WithoutRandomness):
    """Forgets u: shifts every element downwards by half a level on average."""

    def round(self, x: Tensor) -> Tensor:
        return x.floor()
