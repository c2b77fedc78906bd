"""The convex experiments: PopSGD on a linear problem, seen through the model of one fixed node."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.popsgd import population
from algorithms.popsgd.population import Averaging, ClockRate, Complete, Population
from algorithms.popsgd.simulation import Samples, Simulation
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.workloads.linear import LinearTask, LinearWorkload

Array = NDArray[np.float64]

FIXED = 0  # the node whose model is measured: "an arbitrary fixed model"


class Interacting(Protocol):
    """A population and a way to let it interact; see `algorithms.popsgd.simulation.Simulation`."""

    nodes: Population

    def to_step(self, node: int, steps: int) -> None:
        """Let nodes interact until `node` has made at least `steps` steps."""


@dataclass(frozen=True)
class Convex(Experiment):
    """n nodes of the complete graph on one data set, all from X = 0; n = 1 is sequential SGD.

    Looked at `looks` times, evenly over the SGD steps that the fixed node makes, and logged at these steps (after a
    self-interaction it may have made one more):

    - ``train_loss``, ``test_loss``: mean losses of its model;
    - for least squares f - f* of its model, ``excess``; if asked of the mean model, ``mean_excess``, and on average
      over the models of all nodes, ``nodes_excess``;
    - at the end ``potential`` Gamma, ``clock`` of the fixed node and ``time``, the number of interactions.

    Parameters
    ----------
    workload, batch
        On what; samples of one gradient.
    nodes, averaging, rate
        n, the rule and learning rates; see `algorithms.popsgd.population`.
    steps, looks
        SGD steps of the fixed node, and how often it is looked at.
    seed
        Key of interactions and samples.
    single
        Use float32.
    all_nodes
        Look at all nodes, for least squares.
    """

    placement: ClassVar[Placement] = Placement.ALONE
    workload: LinearWorkload
    nodes: int
    rate: ClockRate
    steps: int
    seed: int
    batch: int = 1
    averaging: Averaging = "symmetric"
    looks: int = 20
    single: bool = False
    all_nodes: bool = False

    @property
    def workers(self) -> int:
        """n; the sequence of interactions is serial, so each run has one rank."""
        return self.nodes

    @property
    def cost(self) -> float:
        """Seconds on one core: half a nanosecond for each feature of a sample, and what else an interaction takes."""
        features: int = getattr(self.workload, "d", 0)
        return 0.05 + self.nodes * self.steps / 2 * (1.5e-7 + 2 * 5e-10 * self.batch * features)

    def checksum(self, data: Path | None) -> str:
        """See `Experiment.checksum`."""
        return self.workload.checksum(data)

    def execute(self, context: Context) -> None:
        """Let the nodes interact and log the fixed node's losses."""
        task = _loaded(self.workload, context.data)
        context.notes["workload"] = task.label
        running, models, averages = self.start(task), [], []
        steps = [look * self.steps // self.looks for look in range(1, self.looks + 1)]
        for step in steps:
            running.to_step(FIXED, step)
            models.append(running.nodes.x[FIXED].copy())
            if self.all_nodes:
                averages.append([task.excess(running.nodes.mean[None])[0], task.excess(running.nodes.x).mean()])
            context.on_progress(step / self.steps)
        metrics = self._losses(task, np.array(models), np.array(averages))
        for row, step in enumerate(steps):
            context.log(step, {name: values[row] for name, values in metrics.items()})
        nodes = running.nodes
        last = {"potential": nodes.potential, "clock": nodes.clock[FIXED], "time": nodes.clock.sum()}
        context.log(self.steps, {name: float(value) for name, value in last.items()})

    def start(self, task: LinearTask) -> Interacting:
        """Return the population before its first interaction."""
        kind = np.float32 if self.single else np.float64
        a, y = (np.ascontiguousarray(side, kind) for side in task.train)
        nodes = population.population(np.zeros((self.nodes, a.shape[1]), kind))
        samples = Samples(a, y, self.batch, task.loss, self.seed)
        return Simulation(nodes, Complete(self.nodes), samples, self.rate, self.averaging, self.seed)

    def _losses(self, task: LinearTask, models: NDArray[Any], averages: Array) -> dict[str, Array]:
        losses = {"train_loss": task.losses(models, task.train), "test_loss": task.losses(models, task.test)}
        if task.loss == "squares":
            losses["excess"] = task.excess(models)
        if self.all_nodes:
            losses |= dict(zip(("mean_excess", "nodes_excess"), averages.T, strict=True))
        return losses


@lru_cache(maxsize=2)  # a grid has hundreds of runs on one data set
def _loaded(workload: LinearWorkload, data: Path | None) -> LinearTask:
    return workload.load(data)
