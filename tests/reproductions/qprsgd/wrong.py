"""Wrong quantizers, each with one mistake that the reproductions of QPRSGD have to notice. Their messages are real."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from algorithms.qprsgd import wire
from algorithms.qprsgd.layout import Form, Layout
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.wire_torch import pack


@dataclass(frozen=True)
class WithoutRandomness(Quantizer):
    """Levels are a function of v s/||v|| alone."""

    @abstractmethod
    def round(self, x: Tensor) -> Tensor:
        """Return the levels of v s/||v||."""

    def _loops(self, row: Tensor) -> _Loops:
        return _Loops(self)


class _Loops:
    """The loops of `wire`, but for the levels."""

    def __init__(self, quantizer: WithoutRandomness) -> None:
        self.quantizer = quantizer

    def __getattr__(self, name: str) -> Any:
        return getattr(wire, name)

    def write(self, v: Any, key: Any, layout: Layout, header: Any, norms: Any, codes: Any) -> None:
        form = Form(layout.s, layout.bucket, layout.bits)
        total = self.encode(v, 0, layout.n, key, norms, form, codes[: layout.words])
        header[:] = wire.header_of(total, norms, layout.words, layout.salt)
        codes[layout.words :] = 0

    def encode(self, v: Any, first: int, last: int, key: Any, norms: Any, form: Form, words: Any) -> int:
        norm = torch.from_numpy(norms)[torch.arange(first, last) // form.bucket].double()
        x = torch.from_numpy(v[first:last]).double() * form.s / torch.where(norm > 0, norm, 1)
        levels = self.quantizer.round(x).long()
        return pack(levels + form.s, form.bits, torch.from_numpy(words.view(np.int32)))


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
