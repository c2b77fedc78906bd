"""Execution timelines, as in figures 1 and 6(b): what every worker and auxiliary variable did when, on its own rank.

Messages are real. Compute is not: a rank sleeps as long as a straggler model says, since few machines have a core for
every rank, and ranks that share one would measure the scheduler. All clocks are the monotonic clock of one machine.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from algorithms.cooperative import CooperativeSGD
from algorithms.network import Delivered, Traffic
from algorithms.overlap import Overlap
from algorithms.topology import Matrix
from algorithms.transport import Wait, poll, spin
from algorithms.world import Lengths, World
from reproductions.coopsgd.stragglers import ShiftedExponential
from reproductions.harness.context import Context
from reproductions.harness.experiment import Experiment

if TYPE_CHECKING:
    from mpi4py import MPI


@dataclass(frozen=True)
class Event:
    """The `number`-th event of a phase on one rank, in seconds of the monotonic clock."""

    phase: str
    number: int
    start: float
    end: float


@dataclass
class Recorder:
    """Events of one rank; its threads record phases of different names."""

    events: list[Event] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Record what happens inside as an event."""
        start = time.monotonic()
        yield
        self.add(phase, start, time.monotonic())

    def add(self, phase: str, start: float, end: float) -> None:
        """Record an event."""
        self.events.append(Event(phase, self.seen[phase], start, end))
        self.seen[phase] += 1

    def reset(self) -> None:
        """Forget all events."""
        self.events.clear()
        self.seen.clear()


class RecordedWorld(World):
    """A world that records its updates of auxiliary variables and what it fetches in the background."""

    def __init__(self, comm: MPI.Comm | None, workers: int, v: int, record: Recorder, wait: Wait = spin) -> None:
        super().__init__(comm, workers, wait=wait)
        self.v, self.record = v, record

    def fetch(
        self, x: Tensor, routes: Delivered, name: str = "rows", lengths: Lengths | None = None
    ) -> dict[int, Tensor]:
        """See `World.fetch`."""
        if name == "rows":
            return super().fetch(x, routes, name, lengths)
        with self.record(name):
            return super().fetch(x, routes, name, lengths)

    def combine(self, x: Tensor, rows: dict[int, Tensor], weights: Matrix, targets: Sequence[int]) -> None:
        """See `World.combine`."""
        if not any(i >= self.workers - self.v for i in targets):
            return super().combine(x, rows, weights, targets)
        with self.record("update"):
            super().combine(x, rows, weights, targets)


@dataclass(frozen=True)
class Timeline(Experiment):
    """Iterations of A(tau, W, v), one rank per worker and auxiliary variable.

    Logged for the n-th (step n) event of every phase on every worker: ``<phase> <worker> start`` and ``... end``, in
    seconds. Phases are ``compute`` (one local update), ``average`` (the averaging step of the main thread) and, at its
    end, ``update`` (of an auxiliary variable); if these overlap with compute, the background has the phases ``models``
    (on their way to auxiliary variables), ``update`` and ``anchors`` (new auxiliary variables on their way to workers).
    At step 0 also the traffic ledger. Two averagings go ahead unrecorded: they allocate buffers and make connections.

    Parameters
    ----------
    algorithm
        Who averages with whom, and when.
    compute
        Seconds of a local update.
    iterations
        Number of iterations.
    floats
        Parameters of a model.
    seed
        Keys the seconds of the local updates.
    """

    dedicated: ClassVar[bool] = True

    algorithm: CooperativeSGD
    compute: ShiftedExponential
    iterations: int
    floats: int
    seed: int

    @property
    def workers(self) -> int:
        """Workers and auxiliary variables."""
        return len(self.algorithm.weights)

    @property
    def cost(self) -> float:
        """Seconds on ranks of their own, most of them asleep."""
        return 2 * self.iterations * (self.compute.shift + self.compute.scale) + 0.1

    def execute(self, context: Context) -> None:
        """Run on one rank per worker and auxiliary variable."""
        record = Recorder()
        world = self._world(context.comm, record)
        x = torch.zeros(len(world.local), self.floats)
        g = torch.zeros_like(x)
        self._run(world, x, g, record, 2 * self.algorithm.tau, ShiftedExponential(0.0, 0.0))
        record.reset()
        world.traffic = Traffic(self.workers)
        _start_together(context.comm)
        self._run(world, x, g, record, self.iterations, self.compute)
        context.log(0, world.traffic.totals())
        self._log(context, record)

    def _world(self, comm: MPI.Comm | None, record: Recorder) -> World:
        algorithm = self.algorithm
        world = RecordedWorld(comm, self.workers, algorithm.v, record)
        if algorithm.overlap:
            overlap = world.resource("overlap", lambda: Overlap(world, algorithm.W, algorithm.v))
            overlap.side = RecordedWorld(overlap.side.comm, self.workers, algorithm.v, record, poll)
        return world

    def _run(
        self, world: World, x: Tensor, g: Tensor, record: Recorder, iterations: int, compute: ShiftedExponential
    ) -> None:
        for t in range(iterations):
            begin, sent = time.monotonic(), world.traffic.busiest_messages
            if world.rank < self.algorithm.workers:
                time.sleep(compute.seconds(self.seed, world.rank, t))
            arrived = time.monotonic()
            self.algorithm.step(world, x, g, {}, t, lr=0.1)
            averaged, done = world.traffic.busiest_messages > sent, time.monotonic()
            if world.rank < self.algorithm.workers:
                record.add("compute", begin, arrived if averaged else done)
            if averaged:
                record.add("average", arrived, done)
        self.algorithm.settle(world, x)

    def _log(self, context: Context, record: Recorder) -> None:
        everyone = context.comm.allgather(record.events) if context.comm else [record.events]
        zero = min(event.start for events in everyone for event in events)
        for worker, events in enumerate(everyone):
            for event in events:
                context.log(event.number, {
                    f"{event.phase} {worker} start": event.start - zero,
                    f"{event.phase} {worker} end": event.end - zero,
                })  # fmt: skip


def _start_together(comm: MPI.Comm | None) -> None:
    """Leave on all ranks at the same time of the clock: they leave a barrier at different times if they share cores."""
    if comm:
        time.sleep(max(0.0, max(comm.allgather(time.monotonic())) + 0.01 - time.monotonic()))
