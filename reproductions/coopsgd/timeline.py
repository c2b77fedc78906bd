"""Execution timelines, as in figures 1 and 6(b): what every worker and auxiliary variable did when, on its own rank.

Messages are real. Compute is not: a rank sleeps as long as a straggler model says, since few machines have a core for
every rank, and ranks that share one would measure the scheduler. All clocks are the monotonic clock of one machine.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from algorithms.coopsgd.cooperative import (
    CooperativeSGD,
    decentralized,
    elastic_averaging,
    fully_synchronous,
    hierarchical_averaging,
    periodic_averaging,
)
from algorithms.coopsgd.overlap import Overlap
from algorithms.network import Delivered, Traffic
from algorithms.topology import Matrix, ring, uniform
from algorithms.transport import Wait, poll, spin
from algorithms.world import Lengths, World
from reproductions.coopsgd.stragglers import ShiftedExponential
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement

if TYPE_CHECKING:
    from mpi4py import MPI

M, TAU, PERIODS = 4, 4, 3
FLOATS = 1_000_000
STRAGGLERS = ShiftedExponential(shift=0.002, scale=0.01)

# the systems of figures 1 and 6(b)
SYNCHRONOUS = fully_synchronous(M)
PERIODIC = periodic_averaging(M, TAU)
RING = decentralized(uniform(ring(M)))
ELASTIC, OVERLAPPED = (elastic_averaging(M, 2 / (M + 2), TAU, overlap=overlap) for overlap in (False, True))
BLOCKING_HIERARCHY, HIERARCHY = (
    hierarchical_averaging([2, 2], alpha=0.3, beta=0.2, tau=TAU, overlap=overlap) for overlap in (False, True)
)


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
    At step 0 also the traffic ledger, and ``digest`` of all models after the last iteration: equal digests are bitwise
    equal models. Models start apart and every worker has a constant gradient of its own. Two averagings go ahead
    unrecorded: they allocate buffers and make connections.

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

    placement: ClassVar[Placement] = Placement.RANK_EACH

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
        x = torch.tensor([[1.0 + i] for i in world.local]) * torch.linspace(0, 1, self.floats)
        g = torch.tensor([[1.0 - i] for i in world.local]).expand_as(x).contiguous()
        self._run(world, x, g, record, 2 * self.algorithm.tau, ShiftedExponential(0.0, 0.0))
        record.reset()
        world.traffic = Traffic(self.workers)
        _start_together(context.comm)
        self._run(world, x, g, record, self.iterations, self.compute)
        context.log(0, world.traffic.totals() | {"digest": _digest(context.comm, x)})
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


def timeline(algorithm: CooperativeSGD, seed: int) -> Timeline:
    """Return the run of a system; seeds of different systems have the same compute times."""
    return Timeline(algorithm, STRAGGLERS, PERIODS * TAU, FLOATS, seed)


def _digest(comm: MPI.Comm | None, x: Tensor) -> int:
    """Return the first 52 bits of the SHA-256 of the digests of all ranks' models."""
    mine = hashlib.sha256(x.numpy().tobytes()).digest()
    return int(hashlib.sha256(b"".join(comm.allgather(mine) if comm else [mine])).hexdigest()[:13], 16)


def _start_together(comm: MPI.Comm | None) -> None:
    """Leave on all ranks at the same time of the clock: they leave a barrier at different times if they share cores."""
    if comm:
        time.sleep(max(0.0, max(comm.allgather(time.monotonic())) + 0.01 - time.monotonic()))
