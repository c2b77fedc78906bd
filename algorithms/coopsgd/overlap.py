"""Overlap: auxiliary variables are updated and broadcast while workers compute (section 3.3, non-blocking execution).

At an averaging step workers need auxiliary variables that depend only on models of the averaging step before. So a
thread of each rank receives those models, updates the auxiliary variables that live here and brings the new ones to the
ranks whose workers need them, all by non-blocking messages, while the main thread goes on with local updates. The next
averaging step waits for what is not there yet. Sums run in the order of `World.mix`: same numbers, bit by bit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from torch import Tensor

from algorithms.network import Delivered
from algorithms.topology import Matrix
from algorithms.transport import poll
from algorithms.world import World

if TYPE_CHECKING:
    from mpi4py import MPI


T = TypeVar("T")


class Routes(NamedTuple):
    """Which models travel, by source and destination: among workers, to auxiliary variables, from these to workers."""

    between_workers: Delivered
    to_anchors: Delivered
    to_workers: Delivered


def split(weights: Matrix, v: int) -> Routes:
    """Split the routes of W, whose last v rows are auxiliary variables, by what can be hidden and when."""
    anchor = np.arange(len(weights)) >= len(weights) - v
    routes = weights != 0
    return Routes(routes & ~anchor[:, None] & ~anchor, routes & anchor, routes & anchor[:, None] & ~anchor)


class Overlap:
    """X <- X W with the auxiliary columns computed in the background.

    Parameters
    ----------
    world
        m workers and v auxiliary variables.
    weights
        W, (m + v, m + v).
    v
        Number of auxiliary variables, the last rows.

    Raises
    ------
    RuntimeError
        If the MPI library was not started for several threads.
    """

    def __init__(self, world: World, weights: Matrix, v: int) -> None:
        self.world, self.weights, self.routes = world, weights, split(weights, v)
        self.workers = [i for i in world.local if i < world.workers - v]
        self.anchors = [i for i in world.local if i >= world.workers - v]
        self.side = World(_own_channel(world), world.workers, wait=poll)
        self.pending: Future[dict[int, Tensor]] | None = None

    def mix(self, x: Tensor) -> None:
        """Give the workers their columns of X W now, start the update of the auxiliary variables from the same X."""
        anchors = self.pending.result() if self.pending else self._broadcast(x)
        models = self.world.buffer("overlap/models", x.numel(), x).view_as(x).copy_(x)
        self.world.count(x, self.weights != 0)
        neighbours = self.world.fetch(x, self.routes.between_workers)
        self.world.combine(x, anchors | neighbours, self.weights, self.workers)
        self.pending = _in_background(self._update, x, models)

    def settle(self) -> None:
        """Wait for the background: afterwards x is X W everywhere."""
        if self.pending:
            self.pending.result()

    def _update(self, x: Tensor, models: Tensor) -> dict[int, Tensor]:
        rows = self.side.fetch(models, self.routes.to_anchors, "models")
        self.side.combine(x, rows, self.weights, self.anchors)
        return self._broadcast(x)

    def _broadcast(self, x: Tensor) -> dict[int, Tensor]:
        rows = self.side.fetch(x, self.routes.to_workers, "anchors")
        return {worker: row for worker, row in rows.items() if worker not in self.workers}


def _in_background(
    work: Callable[[Tensor, Tensor], dict[int, Tensor]], *arguments: Tensor
) -> Future[dict[int, Tensor]]:
    """Start work in a thread that does not keep a process alive: a rank that raises has to end, and end the others."""
    future: Future[dict[int, Tensor]] = Future()

    def run() -> None:
        try:
            future.set_result(work(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _own_channel(world: World) -> MPI.Comm | None:
    """Return a communicator for the thread alone."""
    if world.comm is None or world.ranks == 1:
        return None
    from mpi4py import MPI

    if MPI.Query_thread() < MPI.THREAD_MULTIPLE:
        raise RuntimeError("non-blocking averaging needs an MPI library that allows MPI_THREAD_MULTIPLE")
    return world.comm.Dup()
