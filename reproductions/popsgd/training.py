"""Exact simulation of PopSGD on networks, and its baselines, at equal numbers of SGD steps per model.

The sequence of interactions is the specification: `algorithms.popsgd.simulate` runs it on the replicas themselves. The
parameters are averaged and nothing else: running statistics of batch norm and velocities stay with their node, as in
the authors' code. Algorithm 1 has no momentum; the code has 0.9 for image models, so it is an option here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.popsgd import Averaging, Complete, Graph, Rows, constant, edges_of, interactions, population, simulate
from algorithms.replicas import Replicas
from algorithms.schedule import Schedule
from algorithms.world import World
from reproductions.harness.compute import prepared
from reproductions.harness.context import Context
from reproductions.harness.experiment import Experiment
from reproductions.harness.training import load
from reproductions.popsgd.partitions import Partitions
from reproductions.workloads.base import Task, Workload

Step = Callable[[int], Tensor]  # node -> descent u of its next SGD step, (d,)


class Method(Protocol):
    """A way to combine the SGD steps of n nodes."""

    @property
    def copies(self) -> int:
        """How many nodes share a partition of the samples."""

    def moments(self, x: Tensor, descent: Step, steps: int, every: int, seed: int) -> Iterator[None]:
        """Change the models x, (n, d), in place; stop after every `every` SGD steps per model, on average."""


@dataclass(frozen=True)
class PopSGD:
    """Random pairs, one after the other: an interaction is two SGD steps by algorithm 1, one by the one-sided rule.

    By the symmetric rule pairs are drawn with replacement, as algorithm 1 says; by the one-sided rule among the other
    nodes, as in the authors' code.
    """

    averaging: Averaging = "symmetric"
    copies: ClassVar[int] = 2

    def moments(self, x: Tensor, descent: Step, steps: int, every: int, seed: int) -> Iterator[None]:
        """See `Method.moments`; the mean over the nodes of the steps that they made is what counts."""
        nodes = population(_as_rows(x))
        pairs_per_step = len(x) / 2 if self.averaging == "symmetric" else float(len(x))
        ends = [round(done * pairs_per_step) for done in range(0, steps + 1, every)]
        for first, last in pairwise(ends):
            pairs = interactions(self.graph(len(x)), seed, first, last)
            simulate(nodes, pairs, lambda model, node, made: _as_rows(descent(node)), constant(1.0), self.averaging)
            yield

    def graph(self, nodes: int) -> Graph:
        """Return who meets whom."""
        import networkx as nx

        alone = self.averaging == "symmetric" or nodes == 1
        return Complete(nodes) if alone else edges_of(nx.complete_graph(nodes))


def _as_rows(x: Tensor) -> Rows:
    """Let `algorithms.popsgd` work on tensors, which may live on a GPU, as on arrays: the arithmetic is the same."""
    rows: Any = x
    return rows  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Rounds:
    """All nodes make a step, then `algorithm` combines them: data-parallel SGD, local SGD."""

    algorithm: Algorithm
    copies: ClassVar[int] = 1

    def moments(self, x: Tensor, descent: Step, steps: int, every: int, seed: int) -> Iterator[None]:
        """See `Method.moments`."""
        world = World(None, len(x), seed=seed)
        state, u = self.algorithm.state(world, x), torch.empty_like(x)
        for t in range(steps):
            for node in range(len(x)):
                u[node] = descent(node)
            self.algorithm.step(world, x, u, state, t, lr=1.0)
            if (t + 1) % every == 0:
                yield


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

    solo: ClassVar[bool] = True

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
        """Seconds on one core; an epoch has a thousand samples or more."""
        return self.workload.epoch_seconds * self.nodes * self.steps * self.batch / 1500

    def checksum(self, data: Any) -> str:
        """Return the checksum of the workload's data."""
        return self.workload.checksum(data)

    def execute(self, context: Context) -> None:
        """Train in this process."""
        task = load(self.workload, context.data, context.device)
        with prepared(task, context):
            nodes = Nodes(self, task, context.device, range(self.nodes))
            moments = self.method.moments(nodes.replicas.parameters, nodes.descent, self.steps, self.every, self.seed)
            for done, _ in enumerate(moments, start=1):
                context.log(done * self.every, nodes.measure())
                context.on_progress(done * self.every / self.steps)


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
    """

    def __init__(self, setting: NodeTraining, task: Task, device: str, local: range) -> None:
        self.setting, self.task, self.local = setting, task, local
        self.replicas = Replicas(task.model, len(local), setting.seed, device)
        self.velocity = torch.zeros_like(self.replicas.gradients)
        self.made = dict.fromkeys(local, 0)
        self.samples = Partitions(
            task.train_size, setting.batch, setting.nodes, setting.seed, setting.method.copies, setting.mult
        )

    def descent(self, node: int) -> Tensor:
        """Return u = eta v of the next step of a node, v being its velocity, or the gradient without momentum."""
        run, step, k = self.setting, self.made[node], node - self.local.start
        batch = self.task.batch(self.samples.minibatch(node, step), run.seed, node, step)
        gradient = self.replicas.gradients[k].zero_()
        self.replicas.engine(self.replicas.models[k : k + 1], [batch], self.task.loss)
        self.made[node] += 1
        v = self.velocity[k].mul_(run.momentum).add_(gradient) if run.momentum else gradient
        return v * run.schedule.lr(step / run.steps)

    def measure(self) -> dict[str, float]:
        """Return the metrics of the first of these nodes."""
        model, x = self.replicas.models[0], self.replicas.parameters
        loss, accuracy = self.task.training_scores(model)
        spread = (x - x.mean(dim=0)).square().sum().item()
        test = self.task.evaluate(model)
        errors = {"train_error": 1 - accuracy, "test_error": 1 - test["test_accuracy"]}
        state = {"own_steps": self.made[self.local.start], "potential": spread}
        return {"train_loss": loss, "train_accuracy": accuracy} | test | errors | state
