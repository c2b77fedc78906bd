"""Conditions: on what network, on what machines and with what data algorithms are compared. Each is one value.

All times are modelled. A message is charged as if it were of a model of `MODEL` parameters, whatever the size of the
model that is trained, and a gradient takes `COMPUTE` seconds: the proportions of ResNet-20 on a GPU. Links follow
LogGP: a message arrives `latency` seconds after its sender has put all messages of a phase on its link, each for
`OVERHEAD` seconds and its bits over `bandwidth`. What is lost is a message, large or small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.bursts import GilbertElliott
from algorithms.network import IndependentDrops, Network
from algorithms.streams import stream

MODEL = 272_474  # parameters of ResNet-20
COMPUTE = 0.010  # seconds of a gradient
OVERHEAD = 5e-6  # seconds of a message on its sender
PATIENCE = 10 * COMPUTE  # how long algorithms that do without a message wait for a worker before they go on without it

Outage = tuple[int, float, float]
"""A worker, when it goes and when it comes back, in seconds; never, if that is infinite."""


@dataclass(frozen=True)
class NetworkCondition:
    """What algorithms meet.

    Parameters
    ----------
    name
        Its name in tables.
    bandwidth, latency
        Bits a second and direction of the link of a worker; seconds from the sender to the receiver.
    loss, burst
        Average probability that a message is lost, and mean steps of a burst; 0 for independent losses.
    slowest
        How many times as long worker 0 takes for a gradient.
    tail
        Times of gradients are lognormal with this standard deviation of their logarithm and a mean of `COMPUTE`.
    crashes, leaves
        Share of workers that crash after a fifth of the time, and that are gone for a tenth of it, not all at once.
    sorted
        Whether a worker has a piece of the data sorted by target instead of a random one.
    workers
        n, at least 2.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    name: str
    bandwidth: float = 1e9
    latency: float = 50e-6
    loss: float = 0.0
    burst: float = 0.0
    slowest: float = 1.0
    tail: float = 0.0
    crashes: float = 0.0
    leaves: float = 0.0
    sorted: bool = False
    workers: int = 16

    def __post_init__(self) -> None:
        if self.workers < 2:
            raise ValueError(f"a comparison needs at least two workers, but n is {self.workers}")
        if self.bandwidth <= 0 or self.latency < 0:
            raise ValueError(f"links need bandwidth > 0 and latency >= 0, not {self.bandwidth} and {self.latency}")
        if not 0 <= self.loss < 1 or self.burst < 0:
            raise ValueError(f"losses need 0 <= loss < 1 and burst >= 0, not {self.loss} and {self.burst}")
        if self.slowest < 1 or self.tail < 0 or not (0 <= self.crashes < 0.5 and 0 <= self.leaves <= 1):
            raise ValueError(f"{self.name}: slowest >= 1, tail >= 0, crashes < 0.5 and leaves <= 1 are needed")

    @property
    def timeout(self) -> float:
        """Seconds after which a sender knows that a message was lost, and a receiver waits no longer: a round trip."""
        return 2 * self.latency + OVERHEAD

    @property
    def steady(self) -> bool:
        """Whether no worker is ever so late that others go on without it."""
        return self.crashes == self.leaves == self.tail == 0 and (self.slowest - 1) * COMPUTE < PATIENCE

    def network(self, seed: int) -> Network:
        """Return which messages are lost; several seeds differ in their losses."""
        return self.bursts(seed) if self.burst else IndependentDrops(self.loss, seed)

    def bursts(self, seed: int) -> GilbertElliott:
        """Return when links are bad, where losses come in bursts."""
        return GilbertElliott(self.loss, self.burst, seed=seed)

    def gradient_seconds(self, worker: int, steps: int, seed: int) -> NDArray[np.float64]:
        """Return how long the gradients of a worker take, (steps,)."""
        spread = stream(seed, "comparison/compute", worker).standard_normal(steps)
        factor = self.slowest if worker == 0 else 1.0
        seconds: NDArray[np.float64] = factor * COMPUTE * np.exp(self.tail * spread - self.tail**2 / 2)
        return seconds

    def outages(self, steps: int, seed: int) -> Sequence[Outage]:
        """Return who is gone and when, in a run of so many steps."""
        order = stream(seed, "comparison/outages").permutation(self.workers)
        horizon = steps * COMPUTE
        crashed = order[: round(self.crashes * self.workers)]
        leaving = order[: round(self.leaves * self.workers)]
        starts = horizon * (0.1 + 0.6 * np.arange(len(leaving)) / max(len(leaving), 1))
        return [(int(i), 0.2 * horizon, np.inf) for i in crashed] + [
            (int(i), float(start), float(start + 0.1 * horizon)) for i, start in zip(leaving, starts, strict=True)
        ]


IDEAL = NetworkCondition("ideal")
CONDITIONS = (
    IDEAL,
    NetworkCondition("1 % loss", loss=0.01),
    NetworkCondition("10 % loss", loss=0.1),
    NetworkCondition("30 % loss", loss=0.3),
    NetworkCondition("10 % loss in bursts", loss=0.1, burst=10),
    NetworkCondition("30 % loss in bursts", loss=0.3, burst=10),
    NetworkCondition("100 Mbit/s", bandwidth=1e8),
    NetworkCondition("20 Mbit/s", bandwidth=2e7),
    NetworkCondition("20 Mbit/s, 10 % loss", bandwidth=2e7, loss=0.1),
    NetworkCondition("between continents", bandwidth=1e8, latency=0.075),
    NetworkCondition("between continents, 10 % loss", bandwidth=1e8, latency=0.075, loss=0.1),
    NetworkCondition("one slow worker", slowest=5.0),
    NetworkCondition("heavy tails", tail=1.5),
    NetworkCondition("a quarter crashes", crashes=0.25),
    NetworkCondition("a quarter comes and goes", leaves=0.25),
    NetworkCondition("sorted data", sorted=True),
    NetworkCondition("4 workers", workers=4),
    NetworkCondition("64 workers", workers=64),
)


def condition(name: str) -> NetworkCondition:
    """Return the condition of a name; a ValueError lists those there are."""
    try:
        return next(each for each in CONDITIONS if each.name == name)
    except StopIteration:
        known = ", ".join(each.name for each in CONDITIONS)
        raise ValueError(f"there is no condition {name!r}, only {known}") from None
