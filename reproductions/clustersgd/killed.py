"""Algorithm 2 trains a network on MPI ranks while a third of them are killed, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from algorithms.clustersgd.model import Clusters, Computed, Vector
from algorithms.clustersgd.ranks import Kill, Node
from algorithms.clustersgd.sgd import GeneralSGD
from algorithms.replicas import Replicas
from algorithms.schedule import Constant
from algorithms.streams import stream
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.workloads.base import Task, Workload, kernels


@dataclass(frozen=True)
class KilledTraining(Experiment):
    """The same training twice on the same ranks: first nobody fails, then the last third are killed with SIGKILL.

    The victims are whole clusters where n/m divides n/3; the k-th of K dies in the middle of its broadcast of iteration
    k T / (K + 1), which reaches every second of the others. Logged at iterations t (step t): ``whole_accuracy`` and
    ``killed_accuracy``, the mean over the processes that survive of the test accuracy of each one's x_{t+1}; at the end
    ``survivors``, how many those are.

    Parameters
    ----------
    workload
        What is learned.
    nodes, clusters
        n and m.
    iterations, batch, rate, contraction
        T, samples per stochastic gradient, eta and q.
    seed
        Keys initialisation and samples.
    evaluate_every
        Iterations between two evaluations.
    """

    workload: Workload
    nodes: int
    clusters: int
    iterations: int
    batch: int
    rate: float
    contraction: float
    seed: int
    evaluate_every: int = 5
    placement: ClassVar[Placement] = Placement.MORTAL

    @property
    def workers(self) -> int:
        """One rank for every process."""
        return self.nodes

    @property
    def cost(self) -> float:
        """Mostly the start of the ranks."""
        return 3.0 * self.nodes

    @property
    def algorithm(self) -> GeneralSGD:
        """Algorithm 2, which tolerates the kills."""
        clusters, f = Clusters.even(self.nodes, self.clusters), len(self.kills)
        return GeneralSGD(
            clusters,
            self.iterations,
            self.nodes - f,
            Constant(self.rate),
            f,
            contraction=self.contraction,
            output=self.iterations,
            failed_clusters=(clusters.m - 1) // 2,
        )

    @property
    def kills(self) -> dict[int, Kill]:
        """Who dies when."""
        victims = range(self.nodes - self.nodes // 3, self.nodes)
        times = [k * self.iterations // (len(victims) + 1) for k in range(1, len(victims) + 1)]
        return {i: Kill(recipients=self.nodes // 2, tag=(t,)) for i, t in zip(victims, times, strict=True)}

    def checksum(self, data: Path | None) -> str:
        """Return the checksum of the workload's data."""
        return self.workload.checksum(data)

    def execute(self, context: Context) -> None:
        """Train twice, and leave the survivors in ``context.comm``."""
        assert context.comm is not None
        task = self.workload.load(context.data)
        context.notes["workload"] = task.label
        with kernels(task):
            whole = self._train(context, task, {})
            killed = self._train(context, task, self.kills)
        living = context.comm = context.comm.Shrink()
        self._log(context, "whole", living.allgather(whole))
        self._log(context, "killed", living.allgather(killed))
        context.log(self.iterations, {"survivors": living.Get_size()})

    def _train(self, context: Context, task: Task, kills: Mapping[int, Kill]) -> dict[int, float]:
        """Return this rank's test accuracy by iteration."""
        assert context.comm is not None
        learner, algorithm = Learner(self, task), self.algorithm
        node = Node(context.comm, algorithm.clusters, algorithm.arrays, learner.initial)
        process = algorithm.process(node.me, learner.initial, learner.gradient)
        node.run(process, learner.observe, kills.get(node.me))
        node.part()
        return learner.accuracy

    def _log(self, context: Context, name: str, ranks: list[dict[int, float]]) -> None:
        for t in ranks[0]:
            context.log(t, {f"{name}_accuracy": float(np.mean([accuracy[t] for accuracy in ranks]))})


class Learner:
    """Gradients and accuracy of one network, for vectors of its parameters."""

    def __init__(self, run: KilledTraining, task: Task) -> None:
        self.run, self.task = run, task
        self.replicas = Replicas(task.model, 1, run.seed)
        self.initial: Vector = self.replicas.parameters[0].numpy().copy()
        self.accuracy: dict[int, float] = {}

    def gradient(self, i: int, t: int, x: Vector) -> Vector:
        """Return G(x, z) for samples z drawn from the whole training set."""
        samples = stream(self.run.seed, "clustersgd/batch", i, t).integers(self.task.train_size, size=self.run.batch)
        self._load(x)
        self.replicas.backward([self.task.batch(samples, self.run.seed, i, t)], self.task.loss)
        gradient: Vector = self.replicas.gradients[0].numpy().copy()
        return gradient

    def observe(self, computed: Computed) -> None:
        """Evaluate now and then what an iteration has computed."""
        (t, *inner) = computed.tag
        if not inner and t % self.run.evaluate_every == 0:
            self._load(computed.value)
            self.accuracy[t] = self.task.evaluate(self.replicas.models[0])["test_accuracy"]

    def _load(self, x: Vector) -> None:
        self.replicas.parameters[0].copy_(torch.from_numpy(x))
