"""Quantized vectors sent and received, and a random search over quantizers and vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from algorithms.qprsgd.quantize import Quantizer

FORMATS = ("fixed", "elias")
DTYPES = (torch.float32, torch.float64)
SIZES = (0, 1, 2, 31, 32, 33, 63, 1023, 2047, 2048, 2049, 4096, 5001)
LEVELS = (1, 2, 3, 62, 127, 2047, 32767, 32768, 1 << 20)


def sent(q: Quantizer, v: Tensor, key: int) -> Tensor:
    """Return the message, cut to the bytes that travel, from a buffer that was full of ones."""
    message = torch.full((q.size(v.numel(), v.dtype),), 255, dtype=torch.uint8)
    used = q.encode(v, key, message)
    assert used <= message.numel()
    assert used == message.numel() or q.wire == "elias"
    return message[:used].clone()


def received(q: Quantizer, message: Tensor, like: Tensor) -> Tensor:
    out = torch.full_like(like, math.nan)
    q.decode(message, out)
    return out


def cases(seed: int, many: int) -> Iterator[tuple[Quantizer, Tensor, int]]:
    """Search at random over formats, types, sizes, levels, buckets and scales, some elements zero."""
    rng = np.random.default_rng(seed)
    for _ in range(many):
        s = int(rng.choice(LEVELS)) if rng.random() < 0.5 else int(2 ** rng.uniform(0, 20))
        n = int(rng.choice(SIZES)) if rng.random() < 0.5 else int(rng.integers(0, 9000))
        q = Quantizer(s, int(rng.choice([0, 1, 7, 100, 2048, 3000])), FORMATS[rng.integers(2)])
        v = rng.standard_normal(n) * (rng.random(n) < 0.9) * 10.0 ** rng.uniform(-40, 35)
        yield q, torch.tensor(v, dtype=DTYPES[rng.integers(2)]), int(rng.integers(1 << 63)) * 2 + 1
