"""Clocks: when each worker is done with what, on modelled links and machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from algorithms.network import Delivered
from algorithms.streams import stream
from reproductions.comparison.conditions import OVERHEAD, PATIENCE, NetworkCondition

Seconds = NDArray[np.float64]


@dataclass
class Clock:
    """One clock a worker, and the bytes that it has sent, in one condition or in several at once.

    Parameters
    ----------
    conditions
        Links, machines and losses; all with the same n. Several are timed at once, as numpy is as fast for many.
    workers
        All columns: workers of the conditions, then auxiliary variables, which compute nothing.
    steps
        Gradients of a worker in a whole run.
    seed
        Key of delays and repeated messages.
    background
        Whether messages travel while workers compute: what a phase brings is needed only in the next phase.

    Attributes
    ----------
    now, sent
        (conditions, workers) seconds, infinite for who has crashed or waits for such a worker for ever; as many bytes.
    """

    conditions: Sequence[NetworkCondition]
    workers: int
    steps: int
    seed: int
    background: bool = False
    now: Seconds = field(init=False)
    sent: Seconds = field(init=False)

    def __post_init__(self) -> None:
        shape = len(self.conditions), self.workers
        self.now, self.sent = np.zeros(shape), np.zeros(shape)
        self._arrived = np.zeros(shape)  # when what travels in the background has come
        self._phases = 0
        nodes = range(self.conditions[0].workers)
        self._gradients = np.array(
            [[each.gradient_seconds(i, self.steps, self.seed) for i in nodes] for each in self.conditions]
        )
        self._outages = [
            (row, *outage) for row, each in enumerate(self.conditions) for outage in each.outages(self.steps, self.seed)
        ]

    def compute(self, worker: int, step: int) -> None:
        """Let a worker compute a gradient, its `step`-th; who leaves meanwhile goes on when it is back."""
        before = self.now[:, worker].copy()
        self.now[:, worker] += self._gradients[:, worker, step % self.steps]
        for outage in [each for each in self._outages if each[1] == worker and before[each[0]] < each[3]]:
            row, _, goes, comes = outage
            if self.now[row, worker] > goes:
                self.now[row, worker] = max(self.now[row, worker] + comes - max(goes, before[row]), comes)
                self._outages.remove(outage)

    def present(self) -> NDArray[np.bool_]:
        """Return for whom others wait, (conditions, workers): who is not far behind the middle one."""
        nodes = self.now[:, : self.conditions[0].workers]
        middle = [np.median(row[np.isfinite(row)]) for row in nodes]
        present: NDArray[np.bool_] = self.now <= np.array(middle)[:, None] + PATIENCE
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
        bandwidth, latency, timeout = self._links
        start = np.maximum(self.now, self._arrived)
        messages = nbytes > 0
        attempts = self._attempts(messages, step) if reliable else messages.astype(float)
        sent = (attempts * nbytes).sum(axis=-1)
        self.sent += sent
        busy = OVERHEAD * attempts.sum(axis=-1) + 8 * sent / bandwidth
        came = messages & arrives
        on_the_way = (start + busy + latency)[:, :, None] + timeout[:, :, None] * np.maximum(attempts - 1, 0)
        last = np.max(on_the_way, axis=1, where=came, initial=-np.inf)
        first = np.min(np.broadcast_to(start[:, :, None], on_the_way.shape), axis=1, where=came, initial=np.inf)
        inward = OVERHEAD * came.sum(axis=0) + 8 * (came * nbytes).sum(axis=0) / bandwidth
        last = np.where(came.any(axis=0), np.maximum(last, first + latency + inward), start)
        missed = (messages & ~arrives).any(axis=0)
        done = np.maximum(np.maximum(start + busy, last), start + missed * (busy + timeout))
        if self.background:
            self._arrived = done
        else:
            self.now = done

    @cached_property
    def _links(self) -> tuple[Seconds, Seconds, Seconds]:
        """Return bandwidth, latency and timeout, (conditions, 1) each."""
        columns = np.array([(each.bandwidth, each.latency, each.timeout) for each in self.conditions]).T
        return columns[0][:, None], columns[1][:, None], columns[2][:, None]

    def _attempts(self, messages: NDArray[np.bool_], step: int) -> Seconds:
        """Return how often each message is sent until it arrives, (conditions, workers, workers); 0 for no message."""
        self._phases += 1
        losses = np.array([each.loss for each in self.conditions])
        if not losses.any():
            return messages.astype(float)
        n = self.conditions[0].workers
        probability = np.broadcast_to(losses[:, None, None], (len(losses), *messages.shape)).copy()
        for row, each in enumerate(self.conditions):
            if each.burst:
                probability[row, :n, :n] = each.bursts(self.seed).probability(step, n)
        luck = stream(self.seed, "comparison/again", step=self._phases).random(messages.shape)
        with np.errstate(divide="ignore"):
            again = np.floor(np.log(luck) / np.log(probability))
        return np.where(messages, 1 + again, 0.0)
