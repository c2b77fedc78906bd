"""Random streams keyed by (seed, purpose, worker, step).

A draw depends on its key alone: never on the rank that makes it, on the number of ranks or on what was drawn
before. Streams are Philox counters, so different keys give disjoint, independent streams without any state.
"""

from __future__ import annotations

import zlib

import numpy as np

_WORD = 1 << 64


def stream(seed: int, purpose: str, worker: int = 0, step: int = 0) -> np.random.Generator:
    """Return the generator of one key.

    Parameters
    ----------
    seed
        Seed of the whole run, 0 <= seed < 2**64.
    purpose
        What is drawn, such as ``"batch"``; part of the key.
    worker, step
        Non-negative integers; the worker that draws and the iteration in which it does.

    Raises
    ------
    ValueError
        If a part of the key is negative or does not fit 64 bits.
    """
    for name, value in (("seed", seed), ("worker", worker), ("step", step)):
        if not 0 <= value < _WORD:
            raise ValueError(f"{name} is {value}, but a stream key needs 0 <= {name} < 2**64")
    key = np.array([seed, zlib.crc32(purpose.encode())], dtype=np.uint64)
    # the low half of the counter advances as numbers are drawn; the high half is ours
    counter = np.array([0, 0, worker, step], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def torch_seed(seed: int, purpose: str, worker: int = 0, step: int = 0) -> int:
    """Return a 32-bit seed for ``torch.manual_seed``, which ignores higher bits on CPU."""
    return int(stream(seed, purpose, worker, step).integers(1 << 32))


def kernel_key(seed: int, purpose: str, worker: int = 0, step: int = 0) -> int:
    """Return a 64-bit key for kernels with Philox counters of their own, such as `algorithms.qprsgd.quantize`."""
    return int(stream(seed, purpose, worker, step).bit_generator.random_raw())
