"""Exact simulation of PopSGD on networks, and its baselines, at equal numbers of SGD steps per model.

The sequence of interactions is the specification. Between two measurements it is made level by level on the replicas
themselves, see `algorithms.popsgd.levels`: bit for bit what `population.simulate` makes of it, but the gradients of all
nodes that do not wait for each other are one call of the engine. Parameters are averaged and nothing else: running
statistics of batch norm and velocities stay with their node, as in the authors' code. Algorithm 1 has no momentum; the
code has 0.9 for image models, so it is an option here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.graphs import SHAPES
from algorithms.graphs import Graph as Recordings
from algorithms.popsgd.levels import simulate_by_level
from algorithms.popsgd.population import (
    Averaging,
    Complete,
    Graph,
    constant,
    edges_of,
    interactions,
    population,
)
from algorithms.replicas import Batch, Engine, Replicas, loop
from algorithms.schedule import Schedule
from algorithms.stand_ins import StandIns
from algorithms.world import World
from reproductions.experiments.engine import engine, prepared
from reproductions.experiments.memory_plan import planned
from reproductions.experiments.speed import speed
from reproductions.experiments.training import load, rows_of
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.popsgd.partitions import Partitions
from reproductions.workloads.base import Task, Workload

Steps = Callable[[Sequence[int]], Sequence[Tensor]]  # different nodes -> descents u of their next SGD steps, (d,) each


class Method(Protocol):
    """A way to combine the SGD steps of n nodes."""

    @property
    def copies(self) -> int:
        """How many nodes share a partition of the samples."""

    def state(self, x: Tensor, seed: int) -> dict[str, Tensor]:
        """Return what nodes remember beside their models x, (n, d): tensors with a row for each."""

    def advance(self, x: Tensor, descents: Steps, state: dict[str, Tensor], steps: range, seed: int) -> None:
        """Change the models x and `state` in place by these SGD steps per model, on average."""


@dataclass(frozen=True)
class PopSGD:
    """Random pairs: an interaction is two SGD steps by algorithm 1, one by the one-sided rule.

    By the symmetric rule pairs are drawn with replacement, as algorithm 1 says; by the one-sided rule among the other
    nodes, as in the authors' code.
    """

    averaging: Averaging = "symmetric"
    copies: ClassVar[int] = 2

    def state(self, x: Tensor, seed: int) -> dict[str, Tensor]:
        """See `Method.state`: nothing, as the learning rate does not follow the clock."""
        return {}

    def advance(self, x: Tensor, descents: Steps, state: dict[str, Tensor], steps: range, seed: int) -> None:
        """See `Method.advance`; the mean over the nodes of the steps that they made is what counts."""
        pairs_per_step = len(x) / 2 if self.averaging == "symmetric" else float(len(x))
        first, last = (round(done * pairs_per_step) for done in (steps.start, steps.stop))
        pairs = interactions(self.graph(len(x)), seed, first, last)
        nodes = population(_as_arrays(x))
        simulate_by_level(
            nodes, pairs, lambda models, chosen, made: _as_arrays(descents(chosen)), constant(1.0), self.averaging
        )

    def graph(self, nodes: int) -> Graph:
        """Return who meets whom."""
        import networkx as nx

        alone = self.averaging == "symmetric" or nodes == 1
        return Complete(nodes) if alone else edges_of(nx.complete_graph(nodes))


def _as_arrays(x: Any) -> Any:
    """Let `population` work on tensors, which may live on a GPU, as on arrays: the arithmetic is the same."""
    return x


@dataclass(frozen=True)
class Rounds:
    """All nodes make a step, then `algorithm` combines them: data-parallel SGD, local SGD."""

    algorithm: Algorithm
    copies: ClassVar[int] = 1

    def state(self, x: Tensor, seed: int) -> dict[str, Tensor]:
        """See `Method.state`."""
        return dict(self.algorithm.state(World(None, len(x), seed=seed), x))

    def advance(self, x: Tensor, descents: Steps, state: dict[str, Tensor], steps: range, seed: int) -> None:
        """See `Method.advance`."""
        world, u = World(None, len(x), seed=seed), torch.empty_like(x)
        for t in steps:
            for node, own in enumerate(descents(range(len(x)))):
                u[node] = own
            self.algorithm.step(world, x, u, state, t, lr=1.0)


@dataclass(frozen=True)
class NodeTraining(Experiment):
    """n nodes train one network, each `steps` SGD steps on average.

    Logged after every `every` SGD steps per model (step: how many), of the model of node 0 in eval mode with its own
    batch-norm statistics: ``train_loss``, ``train_accuracy`` and ``train_error`` (one minus it) on the whole
    training set, ``test_*`` alike; ``own_steps`` that node 0 made, and ``potential``, Gamma = sum_i |x_i - mean|^2.

    Parameters
    ----------
    method, workload
        Who talks to whom, and what is trained.
    schedule
        Step size by the fraction of its `steps` that a node has made.
    nodes, batch, mult
        n, samples of a step, passes through a partition in an epoch.
    steps, every
        SGD steps per model, and how many lie between measurements; `every` divides `steps`.
    momentum
        Of the heavy ball, each node for itself; 0 as in algorithm 1.
    seed
        Keys everything.
    """

    placement: ClassVar[Placement] = Placement.ALONE

    method: PopSGD | Rounds
    workload: Workload
    schedule: Schedule
    nodes: int
    batch: int
    steps: int
    every: int
    seed: int
    mult: int = 1
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if self.every < 1 or self.steps % self.every:
            raise ValueError(f"measurements every {self.every} steps do not end at {self.steps} steps")

    @property
    def workers(self) -> int:
        """n."""
        return self.nodes

    @property
    def cost(self) -> float:
        """Seconds on one core: the gradients of all samples, and 0.3 ms for whatever else there is in a step."""
        seconds = self.workload.epoch_seconds / self.workload.epoch_samples
        return self.nodes * self.steps * (3e-4 + self.batch * seconds)

    @property
    def samples(self) -> int:
        """Samples of all steps of all nodes."""
        return self.nodes * self.steps * self.batch

    def speed(self, context: Context) -> float:
        """See `Experiment.speed`."""
        return speed(self.workload, self.batch, context)

    def checksum(self, data: Any) -> str:
        """Return the checksum of the workload's data."""
        return self.workload.checksum(data)

    def execute(self, context: Context) -> None:
        """Train in this process."""
        task = load(self.workload, context.data, context.device)
        computes = of_any_nodes(engine(task, context), self.nodes)
        together = computes.count if isinstance(computes, StandIns) else None
        kept = partial(self._kept, stand_ins=together or 0, batch=task.specimen(self.batch))
        plan = planned(context, self.workload, task, self.batch, self.nodes, kept, together)
        with prepared(task, context), plan:
            nodes = Nodes(self, task, context.device, range(self.nodes), computes)
            for part in context.parts(self.steps // self.every, nodes):
                steps = range(part * self.every, (part + 1) * self.every)
                self.method.advance(nodes.replicas.parameters, nodes.descents, nodes.state, steps, self.seed)
                context.log(steps.stop, nodes.measure())
                context.on_progress(steps.stop / self.steps)

    def _kept(self, rows: Tensor, stand_ins: int, batch: Batch) -> Iterable[Tensor]:
        """Return what is kept beside the replicas: velocities, descents, and what `Rounds` remembers.

        And the parameters and gradients of stand-ins, and the batches of their recordings, of 1 to `stand_ins` each.
        """
        recorded = batch * (stand_ins * (stand_ins + 1) // 2)
        return rows, rows, *[rows[:stand_ins]] * 2, *recorded, *self.method.state(rows, self.seed).values()


def of_any_nodes(computes: Engine, nodes: int) -> Engine:
    """Return an engine for any choice of n nodes: one that records works on stand-ins, as many as run side by side.

    There are no more than `SHAPES` of them, as each number of batches is a recording.
    """
    return StandIns(computes, min(computes.streams, SHAPES, nodes)) if isinstance(computes, Recordings) else computes


class Nodes:
    """State of some nodes of a run: their replicas, velocities and numbers of steps.

    Parameters
    ----------
    setting, task
        The run and what is trained.
    device
        Where the replicas live.
    local
        Which nodes; the k-th has replica k.
    engine
        Computes their gradients.
    """

    def __init__(self, setting: NodeTraining, task: Task, device: str, local: range, engine: Engine = loop) -> None:
        self.setting, self.task, self.local = setting, task, local
        self.replicas = Replicas(task.model, len(local), setting.seed, device, engine)
        self.velocity = torch.zeros_like(self.replicas.gradients)
        self.state = setting.method.state(self.replicas.parameters, setting.seed)
        self.made = dict.fromkeys(local, 0)
        self.samples = Partitions(
            task.train_size, setting.batch, setting.nodes, setting.seed, setting.method.copies, setting.mult
        )

    def descents(self, chosen: Sequence[int]) -> list[Tensor]:
        """Return what `descent` returns for each of several different nodes; their gradients are computed together."""
        batches = [self._batch(node) for node in chosen]
        rows = [node - self.local.start for node in chosen]
        for k in rows:
            self.replicas.gradients[k].zero_()
        self.replicas.engine([self.replicas.models[k] for k in rows], batches, self.task.loss)
        return [self._step(node) for node in chosen]

    def descent(self, node: int) -> Tensor:
        """Return u = eta v of the next step of a node, v being its velocity, or the gradient without momentum."""
        return self.descents([node])[0]

    def _batch(self, node: int) -> Batch:
        """Return the batch of the next step of a node."""
        step = self.made[node]
        return self.task.batch(self.samples.minibatch(node, step), self.setting.seed, node, step)

    def _step(self, node: int) -> Tensor:
        """Count a step of a node, whose gradient is there, and return its descent."""
        run, step, k = self.setting, self.made[node], node - self.local.start
        self.made[node] += 1
        gradient = self.replicas.gradients[k]
        v = self.velocity[k].mul_(run.momentum).add_(gradient) if run.momentum else gradient
        return v * run.schedule.lr(step / run.steps)

    def rows(self) -> dict[str, Tensor]:
        """See `State`."""
        return rows_of(self.replicas, self.state) | ({"velocity": self.velocity} if self.setting.momentum else {})

    def shared(self) -> dict[int, int]:
        """See `State`."""
        return self.made

    def restore(self, shared: dict[int, int]) -> None:
        """See `State`."""
        self.made = shared

    def measure(self) -> dict[str, float]:
        """Return the metrics of the first of these nodes."""
        model, x = self.replicas.models[0], self.replicas.parameters
        loss, accuracy = self.task.training_scores(model)
        spread = (x - x.mean(dim=0)).square().sum().item()
        test = self.task.evaluate(model)
        errors = {"train_error": 1 - accuracy, "test_error": 1 - test["test_accuracy"]}
        state = {"own_steps": self.made[self.local.start], "potential": spread}
        return {"train_loss": loss, "train_accuracy": accuracy} | test | errors | state
