"""Algorithms that work in rounds: one run of the real code, timed on the links of several conditions at once.

The step of an algorithm makes phases of messages. `TimedWorld` shows each phase to the clocks of all conditions: a
reliable collective is repeated until everything has arrived, an unreliable one goes on without what is lost. So one run
serves all conditions under which the same messages arrive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.network import Delivered, Lossless
from algorithms.qprsgd.messages import Codec
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.world import World
from reproductions.comparison.clock import Clock
from reproductions.comparison.conditions import MODEL, NetworkCondition
from reproductions.comparison.log import RaceLog, moments
from reproductions.comparison.tasks import RaceTask

PROBE = 64  # steps in which an algorithm has to communicate


class TimedWorld(World):
    """A world whose phases move clocks.

    Parameters
    ----------
    clock
        Of all conditions; none only notes what kind of phases there are.
    scale
        Bytes that are charged for a byte that is sent, see `charged`.

    Attributes
    ----------
    kinds : set of bool
        Whether phases were reliable.
    """

    def __init__(self, workers: int, clock: Clock | None = None, scale: float = 1.0, seed: int = 0) -> None:
        network = clock.conditions[0].network(seed) if clock else Lossless()
        super().__init__(None, workers, network, seed)
        self.clock, self.scale, self.kinds, self._step = clock, scale, set[bool](), 0
        self._reliable = True

    def at(self, step: int) -> None:
        """Say which iteration comes, for the losses of its links."""
        self._step = step

    def _fates(self, step: int, phase: str, routes: Delivered | None) -> tuple[Delivered, Delivered]:
        arrives, sent = super()._fates(step, phase, routes)
        self._reliable = False
        if self.clock:
            present: NDArray[np.bool_] = np.all(self.clock.present(), axis=0)
            arrives &= (present[:, None] & present) | np.eye(self.workers, dtype=np.bool_)
        return arrives, sent

    def _count(self, elements: NDArray[np.int64], itemsize: int, arrives: Delivered) -> None:
        super()._count(elements, itemsize, arrives)
        nbytes = elements.astype(np.float64) * (itemsize * self.scale)
        np.fill_diagonal(nbytes, 0.0)
        self.kinds.add(self._reliable)
        if self.clock:
            self.clock.phase(nbytes, arrives, self._step, self._reliable)
        self._reliable = True


def charged(algorithm: Algorithm, d: int, nodes: int) -> float:
    """Return the bytes that a model of `MODEL` parameters sends for a byte of one of d parameters.

    Encoded messages have headers, which weigh more the smaller the model is: their sizes at both lengths are compared.
    """
    codec: Codec | None = getattr(algorithm, "codec", None)
    if codec is None:
        return MODEL / d
    parts = nodes if isinstance(algorithm, RingQPRSGD) else 1
    return codec.size(-(-MODEL // parts)) / codec.size(-(-d // parts))


def tolerant(algorithm: Algorithm, nodes: int) -> bool:
    """Return whether an algorithm does without messages that are lost: none of its phases is a reliable one."""
    workers = nodes + algorithm.auxiliaries
    world, x = TimedWorld(workers), torch.zeros(workers, 2 * workers)
    state = algorithm.state(world, x)
    for t in range(PROBE):
        algorithm.step(world, x, torch.zeros_like(x), state, t, 0.0)
        if world.kinds:
            break
    return world.kinds == {False}


def race(
    algorithm: Algorithm,
    lr: float,
    conditions: Sequence[NetworkCondition],
    task: RaceTask,
    steps: int,
    seed: int,
    background: bool = False,
    most: Sequence[float | None] = (),
) -> list[RaceLog]:
    """Return what one run shows under conditions in which the same messages arrive.

    Parameters
    ----------
    algorithm, lr
        What is run, with which step size.
    conditions
        They agree in n and in how data are spread; see `shared`.
    task, steps, seed
        On what, how many gradients of every worker, and the key of all draws.
    background
        See `Clock`.
    most
        Of each condition, see `RaceLog`; the run ends when it is over in all of them.

    Returns
    -------
    list of RaceLog
        One a condition.
    """
    first = conditions[0]
    nodes, workers = first.workers, first.workers + algorithm.auxiliaries
    clock = Clock(conditions, workers, steps, seed, background)
    start = task.start()
    world, x = TimedWorld(workers, clock, charged(algorithm, len(start), nodes), seed), start.repeat(workers, 1)
    state, samples = algorithm.state(world, x), task.drawn(nodes, steps, seed, first.sorted)
    goes_on = tolerant(algorithm, nodes)
    logs = [RaceLog(task, each) for each in most or [None] * len(conditions)]
    looks = moments(steps, task.looks)
    for t in range(steps):
        active = clock.present()[0, :nodes] if goes_on else np.ones(nodes, dtype=np.bool_)
        for worker in np.flatnonzero(active):
            clock.compute(int(worker), t)
        world.at(t)
        algorithm.step(world, x, _gradients(task, x, samples[:, t], active), state, t, lr)
        if t + 1 in looks:
            algorithm.settle(world, x)
            there = clock.present()[0, :nodes] if goes_on else active
            seen = logs[0].measure(x[:nodes][torch.from_numpy(there)])
            for log, now, sent in zip(logs, clock.now, clock.sent, strict=True):
                log.add(t + 1, float(now[:nodes][there].max()), sent.sum() / nodes, seen)
            if all(log.over for log in logs):
                break
    return logs


def _gradients(task: RaceTask, x: Tensor, samples: NDArray[np.int64], active: NDArray[np.bool_]) -> Tensor:
    """Return the gradients of all rows; zero for who is not there and for auxiliary variables."""
    g = torch.zeros_like(x)
    g[: len(samples)] = task.gradients(x[: len(samples)], samples)
    g[: len(samples)][torch.from_numpy(~active)] = 0.0
    return g


def shared(
    algorithm: Algorithm, condition: NetworkCondition, others: Sequence[NetworkCondition]
) -> list[NetworkCondition]:
    """Return the conditions among `others` under which the run of an algorithm is that under `condition`.

    An algorithm that waits for every message makes the same steps whatever the links and machines are; one that does
    without lost messages only where the same are lost.
    """
    alike = [each for each in others if (each.workers, each.sorted) == (condition.workers, condition.sorted)]
    if tolerant(algorithm, condition.workers):
        lost = condition.loss, condition.burst
        alike = [each for each in alike if each.steady and condition.steady and (each.loss, each.burst) == lost]
    return [condition, *(each for each in alike if each != condition)]
