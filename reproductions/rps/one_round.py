"""One round of RPS by enumeration: fixed models and gradients, and all W that losses can make, for Lemma 4 and (22)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from algorithms.streams import stream
from reproductions.rps.exact import Array, mixing_matrix

ENUMERATED = ((2, 0.2), (3, 0.1), (3, 0.6), (4, 0.2), (4, 0.9))  # n and p
GAMMA = 0.5


def models(n: int) -> tuple[Array, Array, Array]:
    """Return X, G and V = X - gamma G, (n, n): one block of n coordinates for n workers, of which one is far off."""
    x = stream(0, "model", n).standard_normal((n, n)) + 3 * np.eye(n)[0]
    g = stream(0, "gradient", n).standard_normal((n, n)) + 1
    return x, g, x - GAMMA * g


def outcomes(n: int, p: float) -> Iterator[tuple[float, Array]]:
    """Yield all W of one block with their probabilities: every owner, every fate of 2 (n-1) messages."""
    for owner, fates in product(range(n), product((0, 1), repeat=2 * (n - 1))):
        sent, received = np.insert(np.reshape(fates, (2, n - 1)), owner, 1, axis=1)
        chance = (1 - p) ** sum(fates) * p ** (len(fates) - sum(fates)) / n
        yield chance, mixing_matrix(owner, sent, received)
