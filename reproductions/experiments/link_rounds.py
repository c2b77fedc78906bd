"""Seconds of rounds of an algorithm over links that really limit; `link_figures` compares them with the link model."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import torch

from algorithms.algorithm import Algorithm
from algorithms.network import Traffic
from algorithms.world import World
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement

RATES = (5.0, 20.0, 100.0)  # Mbit/s, of table II of QPRSGD


@dataclass(frozen=True)
class Rounds(Experiment):
    """Rounds of an algorithm without gradients: nothing but what it sends, and the arithmetic of averaging.

    Logged for every round r (step r): ``seconds``, from a start that all workers share to the end of the last of them.
    At step 0 also the ledger of a round. A round goes ahead unrecorded: it makes connections and allocates buffers.

    Parameters
    ----------
    algorithm
        What is run.
    iterations
        Iterations in a round, at whose end it averages.
    models
        Number of workers and auxiliary variables, one a host.
    floats
        Parameters of a model.
    mbit
        Rate of every link in each direction, in Mbit/s.
    rounds
        Number of rounds that are recorded.
    """

    placement: ClassVar[Placement] = Placement.HOST_EACH
    algorithm: Algorithm
    iterations: int
    models: int
    floats: int
    mbit: float
    rounds: int = 3

    @property
    def workers(self) -> int:
        """Number of models."""
        return self.models

    @property
    def cost(self) -> float:
        """Seconds, if a round sends two models, on ranks that mostly wait."""
        return (self.rounds + 1) * 64 * self.floats / self.mbit / 1e6

    def execute(self, context: Context) -> None:
        """Run on one host a worker."""
        world = World(context.comm, self.models)
        context.limit_links(self.mbit)
        x = torch.zeros(len(world.local), self.floats)
        state = self.algorithm.state(world, x)
        self._round(world, x, state, 0)
        world.traffic = Traffic(self.models)
        seconds = [self._round(world, x, state, number) for number in range(1, self.rounds + 1)]
        context.log(0, {name: total / self.rounds for name, total in world.traffic.totals().items()})
        for number, spent in enumerate(seconds):
            context.log(number, {"seconds": spent})

    def _round(self, world: World, x: torch.Tensor, state: dict[str, torch.Tensor], number: int) -> float:
        g = torch.ones_like(x)
        _together(world)
        start = time.monotonic()
        for t in range(number * self.iterations, (number + 1) * self.iterations):
            self.algorithm.step(world, x, g, state, t, lr=0.1)
        _together(world)
        return time.monotonic() - start


def _together(world: World) -> None:
    if world.comm:
        world.comm.Barrier()
