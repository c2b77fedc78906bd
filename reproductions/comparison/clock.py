"""Clocks: when each worker is done with what, on modelled links and machines."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from algorithms.network import Delivered
from algorithms.streams import stream
from reproductions.comparison.conditions import OVERHEAD, PATIENCE, NetworkCondition

Seconds = NDArray[np.float64]


@dataclass
class Clock:
    """One clock a worker, and the bytes that it has sent.

    Parameters
    ----------
    condition
        Links, machines and losses.
    workers
        All rows: workers of the condition, then auxiliary variables, which compute nothing.
    steps
        Gradients of a worker in a whole run.
    seed
        Key of delays and repeated messages.
    background
        Whether messages travel while workers compute: what a phase brings is needed only in the next phase.

    Attributes
    ----------
    now, sent
        (workers,) seconds, infinite for who has crashed or waits for such a worker for ever; (workers,) bytes.
    """

    condition: NetworkCondition
    workers: int
    steps: int
    seed: int
    background: bool = False
    now: Seconds = field(init=False)
    sent: Seconds = field(init=False)

    def __post_init__(self) -> None:
        self.now, self.sent = np.zeros(self.workers), np.zeros(self.workers)
        self._arrived = np.zeros(self.workers)  # when what travels in the background has come
        self._phases = 0
        nodes = range(self.condition.workers)
        self._gradients = np.array([self.condition.gradient_seconds(i, self.steps, self.seed) for i in nodes])
        self._outages = list(self.condition.outages(self.steps, self.seed))

    def compute(self, worker: int, step: int) -> None:
        """Let a worker compute a gradient, its `step`-th; who leaves meanwhile goes on when it is back."""
        before = self.now[worker]
        self.now[worker] += self._gradients[worker, step % self.steps]
        for outage in [each for each in self._outages if each[0] == worker and before < each[2]]:
            if self.now[worker] > outage[1]:
                self.now[worker] = max(self.now[worker] + outage[2] - max(outage[1], before), outage[2])
                self._outages.remove(outage)

    def present(self) -> NDArray[np.bool_]:
        """Return for whom others wait, (workers,): who is not far behind the middle one."""
        nodes = self.now[: self.condition.workers]
        present: NDArray[np.bool_] = self.now <= np.median(nodes[np.isfinite(nodes)]) + PATIENCE
        return present

    def phase(self, nbytes: Seconds, arrives: Delivered, step: int, reliable: bool) -> None:
        """Let everybody send a phase of messages and wait for those to it.

        Parameters
        ----------
        nbytes
            (workers, workers) bytes from row to column, 0 for no message.
        arrives
            Which of them arrive.
        step
            Iteration, which has the losses of its links.
        reliable
            Whether a lost message is sent again until it arrives. If not, a receiver gives up on it after the timeout.
        """
        start = np.maximum(self.now, self._arrived)
        messages = nbytes > 0
        attempts = self._attempts(messages, step) if reliable else messages.astype(float)
        self.sent += (attempts * nbytes).sum(axis=1)
        busy = OVERHEAD * attempts.sum(axis=1) + 8 * (attempts * nbytes).sum(axis=1) / self.condition.bandwidth
        came = messages & arrives
        on_the_way = (
            (start + busy)[:, None] + self.condition.latency + self.condition.timeout * np.maximum(attempts - 1, 0)
        )
        last = np.max(on_the_way, axis=0, where=came, initial=-np.inf)
        first = np.min(np.broadcast_to(start[:, None], came.shape), axis=0, where=came, initial=np.inf)
        inward = OVERHEAD * came.sum(axis=0) + 8 * (came * nbytes).sum(axis=0) / self.condition.bandwidth
        last = np.where(came.any(axis=0), np.maximum(last, first + self.condition.latency + inward), start)
        missed = (messages & ~arrives).any(axis=0)
        done = np.maximum(np.maximum(start + busy, last), start + missed * (busy + self.condition.timeout))
        if self.background:
            self._arrived = done
        else:
            self.now = done

    def _attempts(self, messages: NDArray[np.bool_], step: int) -> Seconds:
        """Return how often each message is sent until it arrives; none is sent where there is none."""
        self._phases += 1
        if not self.condition.loss:
            return messages.astype(float)
        n = self.condition.workers
        probability = np.full(messages.shape, self.condition.loss)
        if self.condition.burst:
            probability[:n, :n] = self.condition.bursts(self.seed).probability(step, n)
        luck = stream(self.seed, "comparison/again", step=self._phases).random(messages.shape)
        with np.errstate(divide="ignore"):
            again = np.floor(np.log(luck) / np.log(probability))
        return np.where(messages, 1 + again, 0.0)
