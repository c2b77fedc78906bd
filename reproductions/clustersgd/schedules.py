"""Schedules that look at no values, one that does, and what an execution shows of each round.

The paper's bounds on expectations hold if which messages arrive does not depend on what they say; `Hears` and `Uniform`
are such schedules. `LargestFirst` is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from algorithms.clustersgd.adversaries import Adversary, Draw, Faults, Strategy, uniform
from algorithms.clustersgd.agreement import ClusterAgreement, SharedMemoryAgreement
from algorithms.clustersgd.model import Broadcast, Clusters, Process, Receive, Tag, Vector
from algorithms.clustersgd.scheduler import Deliver, Event, Execution, Step, System, run

Groups = tuple[tuple[int, ...], ...]
"""For every process the senders that it hears first."""

Values = dict[int, Vector]


@dataclass(frozen=True)
class Death:
    """A process crashes in the middle of its broadcast of iteration t; only these recipients get it."""

    process: int
    t: int
    recipients: tuple[int, ...] = ()


@dataclass(frozen=True)
class Hears(Strategy):
    """Every process hears given senders first, all others as late as possible.

    Parameters
    ----------
    outer
        Who hears whom in iterations, or in the rounds of an agreement that runs alone: one `Groups` for each, used in
        turn. Empty: everyone hears everyone.
    inner
        The same in the rounds of the agreement that ends an iteration of algorithm 2.
    deaths
        Who crashes.
    """

    outer: tuple[Groups, ...] = ()
    inner: tuple[Groups, ...] = ()
    deaths: tuple[Death, ...] = ()

    def holds(self, system: System, message: Deliver) -> bool:
        """Delay what comes from others."""
        groups = self._groups(message.tag)
        return bool(groups) and message.sender not in groups[(message.tag[-1] - 1) % len(groups)][message.process]

    def slow(self, system: System, process: int) -> bool:
        """Let messages arrive first where everyone hears everyone."""
        effect = system.effects[process]
        return isinstance(effect, Receive) and not self._groups(effect.tag)

    def crashes(self, system: System, process: int, draw: Draw) -> tuple[int, ...] | None:
        """Crash whose time has come."""
        effect = system.effects[process]
        if isinstance(effect, Broadcast):
            for death in self.deaths:
                if (death.process, (death.t,)) == (process, effect.tag):
                    return death.recipients
        return None

    @property
    def faults(self) -> Faults:
        """What the adversary must be allowed to crash."""
        return Faults(len(self.deaths), len(self.deaths))

    def _groups(self, tag: Tag) -> tuple[Groups, ...]:
        return self.outer if len(tag) == 1 else self.inner


class Patient(Adversary):
    """Lets slow processes make steps, the ones in the oldest round first, before messages that are held back arrive."""

    def choose(self, system: System) -> Event | None:
        """See `Adversary.choose`."""
        self._sort(system)
        for messages, processes in ((self.prompt, self._eager(system)), ([], _behind(system)), (self.held, [])):
            if possible := len(messages) + len(processes):
                k = self.draw(possible)
                if k < len(messages):
                    return self._delivery(messages, k)
                return self._step(system, processes[k - len(messages)])
        return None


def _behind(system: System) -> list[int]:
    tags = {i: effect.tag for i in system.ready if (effect := system.effects[i]) is not None}
    return [i for i, tag in tags.items() if tag == min(tags.values())]


class LargestFirst(Adversary):
    """Sees the values: once nobody can make a step, the message with the largest first coordinate arrives."""

    def choose(self, system: System) -> Event | None:
        """See `Adversary.choose`."""
        self._sort(system)
        if system.ready:
            return Step(min(system.ready))
        self.prompt = [m for m in self.prompt if self._wanted(system, m)]
        if not self.prompt:
            return None
        largest = max(self.prompt, key=lambda m: self._value(system, m))
        self.prompt.remove(largest)
        return largest

    def _wanted(self, system: System, message: Deliver) -> bool:
        """Whether its recipient is not done, and not past its round."""
        effect = system.effects[message.process]
        return isinstance(effect, Receive) and message.tag >= effect.tag

    def _value(self, system: System, message: Deliver) -> float:
        value = system.latest[message.sender]
        return -np.inf if value is None else float(value[0])


def alone(n: int) -> Groups:
    """Return groups of one: every process hears itself."""
    return tuple((i,) for i in range(n))


def apart(n: int, size: int) -> Groups:
    """Return the partition of 0..n-1 into neighbours, `size` each, that hear each other only."""
    return tuple(tuple(range(i - i % size, i - i % size + size)) for i in range(n))


def execute(
    clusters: Clusters,
    process: Callable[[int], Process],
    strategy: Strategy,
    seed: int,
    faults: Faults | None = None,
) -> Execution:
    """Run all processes under a strategy; the draws of the adversary have their own seed."""
    allowed = faults if faults is not None else getattr(strategy, "faults", Faults())
    adversary = Patient(uniform(seed, "clustersgd/adversary"), strategy, allowed)
    return run(System(clusters, [process(i) for i in range(clusters.n)]), adversary.choose, record=False)


def agree(
    algorithm: ClusterAgreement | SharedMemoryAgreement, inputs: Sequence[Vector], strategy: Strategy, seed: int
) -> Execution:
    """Run an agreement on inputs, one (d,) vector for each process."""
    return execute(algorithm.clusters, lambda i: algorithm.process(i, inputs[i]), strategy, seed)


def rounds(
    algorithm: ClusterAgreement | SharedMemoryAgreement, inputs: Sequence[Vector], done: Execution
) -> list[Values]:
    """Return x_1, x_2, ..., x_{R+1}: the values of V_0, V_1, ..., V_R by process."""
    history = done.history
    assert history is not None
    if isinstance(algorithm, SharedMemoryAgreement):
        return [history.written.get((r,), {}) for r in range(1, algorithm.rounds + 2)]
    later = [history.computed.get((r,), {}) for r in range(1, algorithm.rounds + 1)]
    return [dict(enumerate(inputs)), *later]


def diameter(values: Values) -> float:
    """Return the largest squared distance of two values, 0 for fewer."""
    return max((float((a - b) @ (a - b)) for a, b in combinations(values.values(), 2)), default=0.0)


def contractions(values: Sequence[Values]) -> NDArray[np.float64]:
    """Return diam(x_{r+1})/diam(x_r) for every round; 0 once rounding alone separates the values."""
    diameters = np.array([diameter(v) for v in values])
    before = diameters[:-1]
    still = before > 1e-20 * diameters[0]
    return np.where(still, diameters[1:] / np.where(still, before, 1.0), 0.0)
