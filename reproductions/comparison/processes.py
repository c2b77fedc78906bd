"""SGD in the cluster model by the clock: the processes of the paper, whose messages take the time of a link.

`algorithms.clustersgd.scheduler` lets an adversary choose the order of events. Here time chooses it: a process that
waits for N messages goes on when the N-th arrives. Messages are never lost, as the model wants it: they are repeated,
which takes time. Registers are in the memory of a machine that a cluster shares, and take none.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from algorithms.clustersgd.model import Clusters, Computed, Process, Vector
from algorithms.clustersgd.scheduler import Crash, Deliver, Step, System
from algorithms.clustersgd.sgd import GeneralSGD, StronglyConvexSGD
from algorithms.schedule import StepDecay
from algorithms.streams import stream
from reproductions.comparison.clock import Clock
from reproductions.comparison.conditions import COMPUTE, MODEL, OVERHEAD, NetworkCondition
from reproductions.comparison.contestants import Waiting
from reproductions.comparison.log import RaceLog, moments
from reproductions.comparison.tasks import RaceTask

CLUSTER = 2  # processes that share a memory
CONTRACTION = 0.96  # q of the agreement in each iteration: one round of algorithm 3


@dataclass
class Processes:
    """The processes of a run.

    Parameters
    ----------
    rule, lr
        Which algorithm, and the step size.
    condition, task, steps, seed
        Where, on what, T, and the key of all draws.
    most
        See `RaceLog`; the run ends when it is over.
    """

    rule: Waiting
    lr: float
    condition: NetworkCondition
    task: RaceTask
    steps: int
    seed: int
    most: float | None = None
    log: RaceLog = field(init=False)

    def __post_init__(self) -> None:
        n = self.condition.workers
        self.log, self.clock = RaceLog(self.task, self.most), Clock([self.condition], n, self.steps, self.seed)
        self.now, self.sent = self.clock.now[0], self.clock.sent[0]  # views
        self.samples = self.task.drawn(n, self.steps, self.seed, self.condition.sorted)
        self.messages = 0
        self.out, self.busy = np.zeros(n), np.zeros(n)  # until when the link from and to a process is taken
        self.models: dict[int, list[Vector]] = {t: [] for t in moments(self.steps, self.task.looks)}
        self.sent_at = dict.fromkeys(self.models, 0.0)  # bytes that those who have got to a moment had sent by then
        self.events: list[tuple[float, int, Deliver]] = []
        start = self.task.start().numpy().astype(np.float64)
        sgd = self._algorithm(n)
        self.system = System(
            sgd.clusters, [self._watched(i, sgd.process(i, start, self._gradient)) for i in range(n)], record=False
        )

    def run(self) -> RaceLog:
        """Let time choose the events until all are done, or those that are left wait for ever."""
        while (self.events or self.system.ready) and not self.log.over:
            ready = min(self.system.ready, key=lambda process: self.now[process], default=None)
            if ready is not None and (not self.events or self.now[ready] <= self.events[0][0]):
                self._go_on(ready)
            else:
                self._deliver(*heapq.heappop(self.events))
        return self.log

    def _go_on(self, i: int) -> None:
        """Let a process make its step, and send what it says; nothing more, if it has crashed."""
        self.system.apply(Crash(i) if np.isinf(self.now[i]) else Step(i))
        self._send(self.system.posted)
        self.system.posted.clear()

    def _deliver(self, moment: float, _: int, message: Deliver) -> None:
        """Let a message arrive; a process that waited for it goes on at this moment."""
        i = message.process
        if message in self.system.messages and self.system.effects[i] is not None:
            waited = i not in self.system.ready
            self.system.apply(message)
            if waited and i in self.system.ready:
                self.now[i] = max(self.now[i], moment)

    def _algorithm(self, n: int) -> StronglyConvexSGD | GeneralSGD:
        clusters, rate = Clusters.even(n, max(n // CLUSTER, 1)), StepDecay(self.lr)
        wanted = self._wanted()
        if self.rule.agrees:
            return GeneralSGD(
                clusters, self.steps, wanted, rate, n - wanted, contraction=CONTRACTION, output=self.steps
            )
        return StronglyConvexSGD(clusters, self.steps, wanted, rate, n - wanted)

    def _wanted(self) -> int:
        """Return N."""
        return max(round(self.rule.share * self.condition.workers), 1)

    def _gradient(self, i: int, t: int, x: Vector) -> Vector:
        """Compute a gradient, which takes its time."""
        self.clock.compute(i, t - 1)
        row = torch.from_numpy(x).float()[None]
        gradient: Vector = np.asarray(self.task.gradients(row, self.samples[i, t - 1][None])[0], dtype=np.float64)
        return gradient

    def _watched(self, i: int, process: Process) -> Process:
        """Run a process and look at its model at the moments of the log."""
        result: Any = None
        while True:
            try:
                effect = process.send(result)
            except StopIteration as stop:
                output: Vector = stop.value
                return output
            if isinstance(effect, Computed) and len(effect.tag) == 1:
                self._look(i, effect.tag[0], effect.value)
            result = yield effect

    def _send(self, messages: Sequence[Deliver]) -> None:
        """Put what was broadcast on the link of its sender, and note when it arrives."""
        for message in messages:
            sender, receiver = message.sender, message.process
            if sender == receiver:
                heapq.heappush(self.events, (self.now[sender], self.messages, message))
            else:
                heapq.heappush(self.events, (self._arrival(sender, receiver), self.messages, message))
            self.messages += 1

    def _arrival(self, sender: int, receiver: int) -> float:
        """Send a model of one process to another; return when it is there."""
        condition, seconds = self.condition, OVERHEAD + 8 * 4 * MODEL / self.condition.bandwidth
        attempts = self._attempts(sender, receiver)
        self.sent[sender] += 4 * MODEL * attempts
        self.out[sender] = max(self.out[sender], self.now[sender]) + seconds * attempts
        there = self.out[sender] + condition.latency + condition.timeout * (attempts - 1)
        self.busy[receiver] = max(there, self.busy[receiver] + seconds)
        return float(self.busy[receiver])

    def _attempts(self, sender: int, receiver: int) -> int:
        if not self.condition.loss:
            return 1
        probability = self.condition.loss
        if self.condition.burst:
            step = int(self.now[sender] / COMPUTE)
            probability = self.condition.bursts(self.seed).probability(step, self.condition.workers)[sender, receiver]
        return int(stream(self.seed, "comparison/again", sender, self.messages).geometric(1 - probability))

    def _look(self, i: int, t: int, model: Vector) -> None:
        """Note a moment when N processes have got there, which is when a user has an answer."""
        wanted, there = self._wanted(), self.models.get(t)
        if there is None or len(there) == wanted:
            return
        there.append(model)
        self.sent_at[t] += self.sent[i]
        if len(there) == wanted:
            rows = torch.from_numpy(np.array(there)).float()
            self.log.add(t, float(self.now[i]), self.sent_at[t] / wanted, self.log.measure(rows))
