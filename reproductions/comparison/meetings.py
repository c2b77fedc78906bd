"""PopSGD by the clock: whoever is ready meets a random other node.

In algorithm 1 of the paper two nodes make a step each and average. Here a node computes its gradients, then meets a
node drawn from all others. With ``symmetric`` both wait until both are ready, as in the paper; with ``one-sided``, as
in the authors' code, the node that is ready reads the last model of the other, which does not notice: its request and
the model travel one after the other. A lost message, or a node that is not there, makes a meeting fail: who came keeps
the model that it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from algorithms.streams import stream
from reproductions.comparison.clock import Clock
from reproductions.comparison.conditions import MODEL, OVERHEAD, PATIENCE, NetworkCondition
from reproductions.comparison.contestants import Pairs
from reproductions.comparison.log import RaceLog, moments
from reproductions.comparison.tasks import RaceTask


@dataclass
class Meetings:
    """The nodes of a run, and when each has computed its next gradients.

    Parameters
    ----------
    rule, lr
        How they meet, and the step size.
    condition, task, steps, seed
        Where, on what, how many gradients of a node on average, and the key of all draws.
    most
        See `RaceLog`; the run ends when it is over.
    """

    rule: Pairs
    lr: float
    condition: NetworkCondition
    task: RaceTask
    steps: int
    seed: int
    most: float | None = None
    made: int = 0
    meetings: int = 0
    log: RaceLog = field(init=False)

    def __post_init__(self) -> None:
        n = self.condition.workers
        self.x: Tensor = self.task.start().repeat(n, 1)
        self.log, self.clock = RaceLog(self.task, self.most), Clock([self.condition], n, self.steps, self.seed)
        self.now, self.sent = self.clock.now[0], self.clock.sent[0]  # views
        self.samples = self.task.drawn(n, self.steps, self.seed, self.condition.sorted)
        self.own = np.zeros(n, dtype=np.int64)
        self.partners = stream(self.seed, "comparison/partners").integers(n - 1, size=self.steps * n + n)
        self.luck = stream(self.seed, "comparison/meetings").random((self.steps * n + n, 2))
        for i in range(n):
            self._compute(i)

    def run(self) -> RaceLog:
        """Let nodes meet until all together have made the gradients of the run."""
        n, looks = self.condition.workers, sorted(moments(self.steps, self.task.looks))
        wanted = self.steps * n
        while self.made < wanted and np.isfinite(self.now).any() and not self.log.over:
            moment = self._meet(int(np.argmin(self.now)))
            while looks and self.made >= looks[0] * n:
                there = torch.from_numpy(np.isfinite(self.now))
                self.log.add(looks.pop(0), moment, self.sent.sum() / n, self.log.measure(self.x[there]))
        return self.log

    def _compute(self, i: int) -> None:
        """Let a node compute until it has made the steps of a period."""
        for k in range(self.rule.period):
            self.clock.compute(i, int(self.own[i]) + k)

    def _descend(self, i: int) -> None:
        """Make the local steps of a node, whose time has passed."""
        for _ in range(self.rule.period):
            batch = self.samples[i, self.own[i] % self.steps][None]
            self.x[i] -= self.lr * self.task.gradients(self.x[i : i + 1], batch)[0]
            self.own[i] += 1
            self.made += 1

    def _meet(self, i: int) -> float:
        """Let a node that is ready meet another; return when that is over."""
        self._descend(i)
        if self.rule.rule != "none":
            j = (i + 1 + int(self.partners[self.meetings % len(self.partners)])) % self.condition.workers
            lost = self.luck[self.meetings % len(self.luck)] < self._loss(i, j)
            self.meetings += 1
            if self.rule.rule == "one-sided":
                self._read(i, j, asked=not lost[1], answered=not lost[0])
            elif self.now[j] <= self.now[i] + PATIENCE:
                self._average(i, j, bool(lost.any()))
            else:
                self.now[i] += PATIENCE  # in vain
        moment = float(self.now[i])
        self._compute(i)
        return moment

    def _average(self, i: int, j: int, lost: bool) -> None:
        """Let both wait for each other and average; if a message is lost, both know it after the timeout."""
        self._descend(j)
        done = max(self.now[i], self.now[j]) + self._transfer(i) + lost * self.condition.timeout
        self._transfer(j)
        if not lost:
            self.x[i] = self.x[j] = (self.x[i] + self.x[j]) / 2
        self.now[i] = self.now[j] = done
        self._compute(j)

    def _read(self, i: int, j: int, asked: bool, answered: bool) -> None:
        """Let a node average with the last model of another one, if its request and the model arrive."""
        sent = asked and bool(np.isfinite(self.now[j]))
        if sent:
            self.now[i] += self.condition.latency + self._transfer(j)
        if sent and answered:
            self.x[i] = (self.x[i] + self.x[j]) / 2
        else:
            self.now[i] += self.condition.timeout

    def _transfer(self, sender: int) -> float:
        """Count a model that is sent; return how long that takes."""
        self.sent[sender] += 4 * MODEL
        return self.condition.latency + OVERHEAD + 8 * 4 * MODEL / self.condition.bandwidth

    def _loss(self, i: int, j: int) -> np.ndarray:
        """Return the probabilities that the messages from j to i and from i to j are lost."""
        if not self.condition.burst:
            return np.full(2, self.condition.loss)
        links = self.condition.bursts(self.seed).probability(int(self.own[i]), self.condition.workers)
        return np.array([links[j, i], links[i, j]])
