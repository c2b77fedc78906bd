"""Vectors on which bounds on Q_s are tried: friendly ones and those that make inequalities equalities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from algorithms.streams import stream
from reproductions.qprsgd.rounding import Array


def structured(d: int, s: int) -> Iterator[Array]:
    """Yield vectors (d,), d >= 2: normal, one-hot, equal, on half levels, on levels, geometric, one against many."""
    rng = stream(0, "vectors", d, s)
    yield rng.standard_normal(d)
    yield rng.standard_t(2, d)
    yield np.eye(d)[0]
    yield np.ones(d)
    yield np.exp2(-np.arange(d, dtype=np.float64))
    for level in {0, s // 2, s - 1}:
        yield _at_level(d, s, level + 0.5)
        yield _at_level(d, s, level + 1.0)


def _at_level(d: int, s: int, level: float) -> Array:
    """Return a vector whose elements but the first are at |v_i| s / |v|_2 = level, as far as its norm allows."""
    others = min(d - 1, int(s * s / level**2))
    v = np.zeros(d)
    v[1 : others + 1] = level / s
    v[0] = np.sqrt(max(0.0, 1 - others * (level / s) ** 2))
    return v
