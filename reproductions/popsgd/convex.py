"""The convex experiments: PopSGD on a linear problem, seen through the model of one fixed node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms import popsgd
from algorithms.popsgd import Averaging, ClockRate, Complete, Population
from algorithms.popsgd_engine import Samples, Simulation
from reproductions.harness.context import Context
from reproductions.harness.decisions import Interval
from reproductions.harness.experiment import Experiment
from reproductions.harness.statistics import slope_interval
from reproductions.harness.store import Run
from reproductions.workloads.linear import LinearTask, LinearWorkload

Array = NDArray[np.float64]
Statistic = Callable[[Array], Any]

FIXED = 0  # the node whose model is measured: "an arbitrary fixed model"


class Interacting(Protocol):
    """A population and a way to let it interact; see `popsgd_engine.Simulation`."""

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
    role
        What the run is for.
    workload, batch
        On what; samples of one gradient.
    nodes, averaging, rate
        n, the rule and learning rates; see `algorithms.popsgd`.
    steps, looks
        SGD steps of the fixed node, and how often it is looked at.
    seed
        Key of interactions and samples.
    single
        Use float32.
    all_nodes
        Look at all nodes, for least squares.
    """

    solo: ClassVar[bool] = True
    role: str
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
        """Seconds on one core."""
        return 0.05 + self.nodes * self.steps / 2 * (3e-7 + 1e-7 * self.batch)

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
        nodes = popsgd.population(np.zeros((self.nodes, a.shape[1]), kind))
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


def over_seeds(drafts: Iterable[Convex], seeds: int) -> list[Convex]:
    """Return every experiment once for each seed."""
    return [replace(draft, seed=seed) for draft in drafts for seed in range(seeds)]


def groups(runs: Iterable[Run], *roles: str) -> dict[Convex, list[Run]]:
    """Group the runs of some roles by everything but the seed; the keys have seed 0."""
    found: dict[Convex, list[Run]] = {}
    for run in runs:
        experiment = run.experiment
        if isinstance(experiment, Convex) and experiment.role in roles:
            found.setdefault(replace(experiment, seed=0), []).append(run)
    return found


def settled(runs: Sequence[Run], since: float, statistic: Statistic = np.mean, metric: str = "excess") -> Array:
    """Return a statistic of a metric after this fraction of the steps, for every run."""
    series = [run.series(metric) for run in runs]
    return np.array([statistic(each[each.index > since * each.index.max()].to_numpy()) for each in series])


def slope_in(name: str, found: Mapping[Convex, Array]) -> Interval:
    """Fit values, one for each seed, against a field of the experiments on log-log axes."""
    points = [(getattr(run, name), value) for run, values in found.items() for value in values]
    x, y = np.log(np.array(points)).T
    return slope_interval(x, y).interval
