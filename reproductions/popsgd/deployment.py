"""Time per batch on real ranks, one per node, and of a model of it (figure 2, right).

Messages and averaging are real. Compute is not: a rank sleeps, since few machines have a core for every rank, and ranks
that share one would measure the scheduler.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from algorithms.cooperative import fully_synchronous
from algorithms.onesided import OneSided, partner_of
from algorithms.streams import stream
from algorithms.windows import Windows
from algorithms.world import World
from reproductions.harness.context import Context
from reproductions.harness.experiment import Experiment

Combine = Literal["one-sided", "symmetric", "data-parallel"]
WARM_UP = 3  # steps that connect ranks and touch memory
RESNET20 = 272_474  # floats


@dataclass(frozen=True)
class Deployment(Experiment):
    """Nodes on ranks of their own make steps of `compute` seconds and combine their models after each.

    Logged at step n: ``seconds``, the mean over nodes of their time per batch, in which ranks that oversleep, as they
    do where they share cores, count as if they had slept `compute`. Nobody waits for anybody but as the method does.

    Parameters
    ----------
    combine
        PopSGD by either rule, or data-parallel SGD, which averages all models after every step.
    nodes, floats
        n, and parameters of a model.
    compute, steps
        Seconds of a step's compute, and number of steps.
    seed
        Keys partners.
    """

    dedicated: ClassVar[bool] = True

    combine: Combine
    nodes: int
    floats: int
    compute: float
    steps: int
    seed: int

    @property
    def workers(self) -> int:
        """n."""
        return self.nodes

    @property
    def cost(self) -> float:
        """Seconds on ranks of their own, most of them asleep."""
        return 2 * self.steps * self.compute

    def execute(self, context: Context) -> None:
        """Make the steps and log their time."""
        assert context.comm, "a deployment is timed on MPI ranks"
        average, free = self._averaging(context)
        for step in range(WARM_UP):
            average(step)
        context.comm.Barrier()
        asleep, start = 0.0, time.perf_counter()
        for step in range(WARM_UP, WARM_UP + self.steps):
            began = time.perf_counter()
            time.sleep(self.compute)
            asleep += time.perf_counter() - began
            average(step)
        mine = (time.perf_counter() - start - asleep) / self.steps + self.compute
        seconds = World(context.comm, self.nodes).mean(torch.tensor([[mine]], dtype=torch.float64)).item()
        free()
        context.notes["workload"] = "sleeping ranks"
        context.log(self.nodes, {"seconds": seconds})

    def _averaging(self, context: Context) -> tuple[Callable[[int], object], Callable[[], object]]:
        """Return what averages after a step, and what cleans up."""
        if self.combine not in ("one-sided", "symmetric"):
            world, x = World(context.comm, self.nodes), torch.zeros(1, self.floats)
            algorithm, zero = fully_synchronous(self.nodes), torch.zeros_like(x)
            return lambda step: algorithm.step(world, x, zero, {}, step, 0.0), lambda: None
        windows = Windows(context.comm, self.nodes, torch.zeros(self.floats), self.combine == "symmetric")
        system, node, descent = OneSided(windows, self.combine), context.rank, torch.zeros(self.floats)

        def average(step: int) -> None:
            system.interact(node, partner_of(self.nodes, self.seed, node, step), descent, windows.version(node))

        return average, windows.free


def modelled_seconds(nodes: int, steps: int, compute: float, transfer: float, seed: int = 0) -> float:
    """Return the mean time per batch if reads of one node's model share its link, one after the other.

    Parameters
    ----------
    nodes, steps
        n, and steps of every node.
    compute, transfer
        Seconds of a step's compute, and of a model on an idle link.
    seed
        Keys partners and when nodes start, which is spread over one step.
    """
    if nodes == 1:
        return compute
    ready = [(compute * (1 + float(stream(seed, "start", node).random())), node) for node in range(nodes)]
    heapq.heapify(ready)
    free, made, ends = [0.0] * nodes, [0] * nodes, dict(sorted((node, -at + compute) for at, node in ready))
    while ready:
        now, node = heapq.heappop(ready)
        partner = partner_of(nodes, seed, node, made[node])
        free[partner] = max(now, free[partner]) + transfer
        made[node] += 1
        if made[node] < steps:
            heapq.heappush(ready, (free[partner] + compute, node))
        else:
            ends[node] += free[partner]
    return sum(ends.values()) / nodes / steps
