"""Losses in bursts: the model of Gilbert and Elliott, a link that is good most of the time and bad for a while.

E. N. Gilbert, "Capacity of a burst-noise channel" (1960); E. O. Elliott, "Estimates of error rates for codes on
burst-noise channels" (1963). Here a link changes its state between steps, and in a step it loses each message
independently: none while it is good, most while it is bad.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.network import Delivered
from algorithms.streams import stream

CHUNK = 64  # steps whose states are drawn together


@dataclass(frozen=True)
class GilbertElliott:
    """Every link from one worker to another loses messages with probability `p` on average, in bursts.

    Parameters
    ----------
    p
        Average probability of a loss.
    length
        Mean number of steps that a link stays bad, >= 1.
    bad
        Probability of a loss while it is bad, p < bad <= 1.
    seed
        Key of the states and losses.

    Raises
    ------
    ValueError
        If p is not in [0, bad), bad not in (0, 1], or if states as long and as rare do not exist.
    """

    p: float
    length: float = 10.0
    bad: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.p < self.bad <= 1.0:
            raise ValueError(f"losses of {self.p} on average and {self.bad} in a burst need 0 <= p < bad <= 1")
        if self.length < 1 or self._begins > 1:
            raise ValueError(f"bursts of {self.length} steps cannot lose {self.p} of all messages: make them longer")

    @property
    def share(self) -> float:
        """Share of the steps in which a link is bad, p/bad."""
        return self.p / self.bad

    @property
    def _begins(self) -> float:
        return self.share / ((1 - self.share) * self.length)

    def probability(self, step: int, workers: int) -> NDArray[np.float64]:
        """Return the probability of a loss in a step, (workers, workers), from row to column; 0 on the diagonal."""
        states = _states(self.seed, self.share, self._begins, 1 / self.length, workers, step // CHUNK)
        probability: NDArray[np.float64] = self.bad * states[step % CHUNK]
        np.fill_diagonal(probability, 0.0)
        return probability

    def delivered(self, step: int, phase: str, workers: int) -> Delivered:
        """See `algorithms.network.Network.delivered`; draws are those of `IndependentDrops`."""
        luck = stream(self.seed, f"network/{phase}", step=step).random((workers, workers))
        np.fill_diagonal(luck, 1.0)
        return luck >= self.probability(step, workers)


@functools.lru_cache(maxsize=64)
def _states(seed: int, share: float, begins: float, ends: float, workers: int, chunk: int) -> NDArray[np.bool_]:
    """Return which links are bad in the steps of a chunk, (CHUNK, workers, workers); the chunks before it decide."""
    luck = stream(seed, "network/bursts", step=chunk).random((CHUNK, workers, workers))
    states = np.empty(luck.shape, dtype=np.bool_)
    if chunk:
        before = _states(seed, share, begins, ends, workers, chunk - 1)[-1]
        states[0] = np.where(before, luck[0] >= ends, luck[0] < begins)
    else:
        states[0] = luck[0] < share
    for step in range(1, CHUNK):
        states[step] = np.where(states[step - 1], luck[step] >= ends, luck[step] < begins)
    states.flags.writeable = False
    return states
