"""Q_s of equations (3) and (4) without any bytes: exact moments, all outcomes, samples, and a codec in float64.

An element is one of two neighbouring levels, whatever the other elements become, so the expected squared error is
exactly |v|^2/s^2 sum_i P_i (1 - P_i), and a recursion of few small vectors has few enough outcomes to list them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


class Rounding(NamedTuple):
    """What becomes of every element: sgn(v) unit l with probability 1 - P, sgn(v) unit (l + 1) with P; (4)."""

    level: Array
    chance: Array
    unit: Array
    """|v|_2 / s, (..., 1)"""

    @property
    def noise(self) -> Array:
        """E |Q_s(v) - v|_2^2."""
        squared: Array = (self.chance * (1 - self.chance)).sum(axis=-1) * self.unit[..., 0] ** 2
        return squared

    @property
    def moment(self) -> Array:
        """E |Q_s(v)|_2^2, from the second moments of zeta."""
        zeta = self.level**2 * (1 - self.chance) + (self.level + 1) ** 2 * self.chance
        squared: Array = zeta.sum(axis=-1) * self.unit[..., 0] ** 2
        return squared


def rounding(v: Array, s: int) -> Rounding:
    """Return levels and probabilities of vectors (..., d); a zero vector stays at level 0."""
    unit = np.sqrt((v * v).sum(axis=-1, keepdims=True)) / s
    exact = np.abs(v) / np.where(unit > 0, unit, 1)
    level = np.minimum(np.floor(exact), s)  # rounding may push |v_i| above |v|
    return Rounding(level, np.minimum(exact - level, 1), unit)


def draw(v: Array, s: int, rng: np.random.Generator) -> Array:
    """Return one sample of Q_s of each vector (..., d)."""
    r = rounding(v, s)
    return np.asarray(np.copysign((r.level + (rng.random(v.shape) < r.chance)) * r.unit, v))


class Outcomes(NamedTuple):
    """Every outcome of a recursion, (n, d), and its probability, (n,)."""

    values: Array
    probability: Array

    def noise_around(self, centre: Array) -> float:
        """Return E |X - centre|_2^2."""
        return float(self.probability @ ((self.values - centre) ** 2).sum(axis=1))


def outcomes(before: Outcomes, s: int) -> Outcomes:
    """Return all outcomes of Q_s of all outcomes, (n 2^d, d), without impossible ones."""
    r = rounding(before.values, s)
    up = np.array(list(product((0, 1), repeat=before.values.shape[1])), dtype=np.float64)
    chance = np.where(up, r.chance[:, None], 1 - r.chance[:, None]).prod(axis=2) * before.probability[:, None]
    values = np.copysign((r.level[:, None] + up) * r.unit[:, None], before.values[:, None])
    possible = chance > 0
    return Outcomes(values[possible], chance[possible])


def every_sum(w: Sequence[Array], s: int) -> Outcomes:
    """Return all outcomes of Q_s(... Q_s(Q_s(w_1) + w_2) ... + w_M)."""
    sums = Outcomes(np.zeros((1, len(w[0]))), np.ones(1))
    for vector in w:
        sums = outcomes(Outcomes(sums.values + vector, sums.probability), s)
    return sums


def sum_noise(w: Sequence[Array], s: int) -> float:
    """Return E |Q_s(... Q_s(Q_s(w_1) + w_2) ... + w_M) - sum_m w_m|_2^2, the last compression by its moments."""
    sums = every_sum(w[:-1], s) if len(w) > 1 else Outcomes(np.zeros((1, len(w[0]))), np.ones(1))
    last = sums.values + w[-1]
    # the error of a later compression has mean zero whatever came before: second moments add up
    return sums.noise_around(np.sum(w[:-1], axis=0)) + float(sums.probability @ rounding(last, s).noise)


def draw_sum(w: Array, s: int, rng: np.random.Generator) -> Array:
    """Return one sample of the recursion for every row: w is (M, ..., d), the result (..., d)."""
    partial = np.zeros(w.shape[1:])
    for vector in w:
        partial = draw(partial + vector, s, rng)
    return partial


@dataclass(frozen=True)
class Levels:
    """A codec in float64: messages are the values of Q_s(v), or of v if s is None, as they are.

    Objectives with known constants run in float64, and what is decided about them does not depend on the wire format;
    that of `algorithms.qprsgd.quantize` is tested by itself.
    """

    fixed: ClassVar[bool] = True
    s: int | None

    def size(self, n: int) -> int:
        """See `algorithms.qprsgd.messages.Codec.size`."""
        return 8 * n

    def encode(self, v: Tensor, key: int, message: Tensor) -> int:
        """See `algorithms.qprsgd.messages.Codec.encode`."""
        message[: 8 * len(v)].view(torch.float64).copy_(self.quantize(v, key))
        return 8 * len(v)

    def decode(self, message: Tensor, out: Tensor, add: bool = False) -> None:
        """See `algorithms.qprsgd.messages.Codec.decode`."""
        values = message.view(torch.float64)
        if add:
            out.add_(values)
        else:
            out.copy_(values)

    def quantize(self, v: Tensor, key: int) -> Tensor:
        """Return Q_s(v) by the random stream of `key`."""
        if self.s is None:
            return v
        return torch.from_numpy(draw(v.numpy(), self.s, np.random.Generator(np.random.Philox(key=key))))
