"""Seconds of rounds of an algorithm over links that really limit, beside what the link model says of its ledger."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from algorithms.algorithm import Algorithm
from algorithms.network import Link, Traffic
from algorithms.world import World
from reproductions.harness import links
from reproductions.harness.context import Context
from reproductions.harness.figures import COLOURS
from reproductions.harness.store import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

RATES = (5.0, 20.0, 100.0)  # Mbit/s, of table II of QPRSGD

# Measured over modelled seconds. Above one: arithmetic, latency, other processes; below: bursts after a pause.
# 1.3 was chosen after runs, under load, whose ratios at 5 and 20 Mbit/s went up to 1.09.
CLOSE = 0.95, 1.3


@dataclass(frozen=True)
class Rounds(links.OnHosts):
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
        if world.rank == 0:
            links.limit(self.models, self.mbit)
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


def measured(run: Run) -> float:
    """Return the shortest seconds of a round: other processes of the machine only ever add to it."""
    return float(run.series("seconds").min())


def modelled(run: Run) -> float:
    """Return the seconds of a round by the link model, for the share of the rate that frames leave to their content."""
    assert isinstance(run.experiment, Rounds)
    link = Link(run.experiment.mbit * 1e6 * links.CONTENT)
    return link.seconds(run.final("busiest_messages"), run.final("busiest_bytes"))


def table(runs: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """Return seconds of a round, measured and modelled, and their ratio, by label and rate of the links."""
    import pandas as pd

    rows = [
        (label, run.experiment.mbit, run.experiment.floats, measured(run), modelled(run), measured(run) / modelled(run))
        for label, group in runs.items()
        for run in group
        if isinstance(run.experiment, Rounds)
    ]
    return pd.DataFrame(rows, columns=["label", "mbps", "floats", "measured", "modelled", "ratio"])


def draw(axis: Axes, frame: pd.DataFrame) -> None:
    """Draw a `table`: what was measured as points, the link model as lines, both in seconds."""
    for (label, group), colour, marker in zip(frame.groupby("label", sort=False), COLOURS, "o+sx", strict=False):
        axis.plot(group["mbps"], group["modelled"], "-", color=colour, lw=1)
        axis.plot(group["mbps"], group["measured"], marker, color=colour, ms=8, mfc="none", label=label)
    axis.plot([], [], "k-", lw=1, label="link model")
    axis.set(xscale="log", yscale="log", xlabel="rate of every link [Mbit/s]", ylabel="seconds a round")
    axis.set_xticks(list(RATES), [f"{rate:g}" for rate in RATES])
    axis.set_xticks([], minor=True)
    axis.legend(fontsize=7)


def _together(world: World) -> None:
    if world.comm:
        world.comm.Barrier()
