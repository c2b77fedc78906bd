"""Training: the experiment behind most figures, n workers that train one model on one data set."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from algorithms.algorithm import Algorithm
from algorithms.network import Lossless, Network
from algorithms.replicas import Engine, Replicas, bind
from algorithms.schedule import Schedule
from algorithms.world import World
from reproductions.experiments.engine import Moment, engine, moment, prepared, seconds
from reproductions.experiments.memory_plan import planned
from reproductions.experiments.speed import speed
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment
from reproductions.workloads.base import Indices, Task, Workload
from reproductions.workloads.sharding import minibatch, piece, shard, steps_per_epoch


@dataclass(frozen=True)
class Training(Experiment):
    """n workers that train one model, combined by an algorithm over a network.

    Logged after every epoch e (step e): ``train_loss`` (mean over all workers and steps of the epoch of the loss at
    the worker's own model before its step: the running epoch mean), ``consensus`` ((1/n) sum_i |x_i - mean|^2), ``lr``,
    the traffic ledger, ``compute_seconds`` and ``communication_seconds`` of rank 0. Every `evaluate_every` epochs and
    at the end, on the test set: ``test_*`` of the model of worker 0 with its own batch-norm statistics, and
    ``mean_test_*`` of the average of all models with the average of their statistics; with `evaluate_train`, also
    ``mean_train_loss``, its loss on the whole training set; with `evaluate_workers`, ``workers_train_loss``, the mean
    over workers of the loss of each one's own model, the i-th on every n-th training sample from the i-th on, so that
    together they see each sample once. At the end, ``digest`` of the parameters and buffers of all
    models (equal digests are bitwise equal models) and, with `evaluate_all`, ``workers_test_*``: the mean over all
    workers of what each one's own model scores.

    Auxiliary variables of the algorithm are models too: they count in the mean and in the sum of ``consensus``, and
    ``discrepancy`` is the mean of |x_i - z_j|^2 over workers i and auxiliary variables j.

    Parameters
    ----------
    algorithm, workload, network, schedule
        What is run, on what, over what, with which step sizes.
    nodes
        n.
    batch
        Samples per worker and step.
    epochs
        Passes over the shards.
    seed
        Keys initialisation, shards, batches, augmentation and the choices of the algorithm.
    sampling
        ``shards``: each worker has its n-th of the training set; ``sorted``: the same of the set sorted by class, so
        that workers have different distributions; ``shared``: each draws from all of it, in an order of its own. An
        epoch is as many steps in all.
    """

    algorithm: Algorithm
    workload: Workload
    schedule: Schedule
    nodes: int
    batch: int
    epochs: int
    seed: int
    network: Network = field(default_factory=Lossless)
    evaluate_every: int = 1
    evaluate_all: bool = False
    evaluate_train: bool = False
    evaluate_workers: bool = False
    sampling: Literal["shards", "shared", "sorted"] = "shards"

    @property
    def workers(self) -> int:
        """Number of models: workers and auxiliary variables."""
        return self.nodes + self.algorithm.auxiliaries

    @property
    def cost(self) -> float:
        """Seconds on one core: forward and backward of every sample."""
        return self.epochs * self.workload.epoch_seconds

    @property
    def samples(self) -> int:
        """Samples of all epochs."""
        return self.epochs * self.workload.epoch_samples

    def speed(self, context: Context) -> float:
        """See `Experiment.speed`."""
        return speed(self.workload, self.batch, context)

    def checksum(self, data: Path | None) -> str:
        """Return the checksum of the workload's data."""
        return self.workload.checksum(data)

    def execute(self, context: Context) -> None:
        """Train on the ranks of `context`."""
        task = load(self.workload, context.data, context.device)
        with prepared(task, context), planned(context, self.workload, task, self.batch, self.workers, self._state):
            worker = _Workers(self, task, context)
            for epoch in context.parts(self.epochs, worker):
                losses = [worker.step(t, on_step=context.on_progress) for t in worker.steps(epoch)]
                worker.log(epoch + 1, losses)

    def engine(self, task: Task, context: Context) -> Engine:
        """Return what computes the gradients of the workers on this rank."""
        return engine(task, context)

    def _state(self, rows: Tensor) -> Iterable[Tensor]:
        return self.algorithm.state(World(None, self.workers), rows).values()


@functools.lru_cache(maxsize=2)
def load(workload: Workload, data: Path | None, device: str) -> Task:
    """Load a workload once for the runs of a launch that follow each other."""
    return workload.load(data, device)


def rows_of(replicas: Replicas, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return all that training changes, with one row per local worker, under the names that checkpoints have."""
    stored = {name: getattr(replicas, name) for name in ("parameters", "buffers", "counters")}
    return stored | {f"state/{name}": tensor for name, tensor in state.items()}


@dataclass
class _Workers:
    """State of a training run on this rank."""

    setting: Training
    task: Task
    context: Context
    seconds: dict[str, float] = field(default_factory=lambda: {"compute_seconds": 0.0, "communication_seconds": 0.0})

    def __post_init__(self) -> None:
        run, context = self.setting, self.context
        self.world = World(context.comm, run.workers, run.network, run.seed)
        self.replicas = Replicas(
            self.task.model, len(self.world.local), run.seed, context.device, run.engine(self.task, context)
        )
        self.laps: list[tuple[Moment, Moment, Moment]] = []
        self.state = run.algorithm.state(self.world, self.replicas.parameters)
        self.shards = {i: self._samples(i) for i in self.world.local if i < run.nodes}
        self.epoch_steps = steps_per_epoch(self.task.train_size, run.nodes, run.batch)

    def _samples(self, worker: int) -> Indices:
        run, size = self.setting, self.task.train_size
        if run.sampling == "sorted":
            return piece(self.task.sorted_by_class(), run.nodes, worker)
        return np.arange(size) if run.sampling == "shared" else shard(size, run.nodes, worker, run.seed)

    def steps(self, epoch: int) -> range:
        """Return the iterations of an epoch."""
        return range(epoch * self.epoch_steps, (epoch + 1) * self.epoch_steps)

    def step(self, t: int, on_step: Callable[[float], None]) -> Tensor:
        """Make iteration t of all local workers; return the losses of their batches in worker order."""
        run, start = self.setting, moment(self.context)
        indices = {i: minibatch(samples, run.batch, run.seed, i, t) for i, samples in self.shards.items()}
        losses = self.replicas.backward(self.task.batches(indices, run.seed, t), self.task.loss)
        middle = moment(self.context)
        lr = run.schedule.lr(t / self.epoch_steps)
        run.algorithm.step(self.world, self.replicas.parameters, self.replicas.gradients, self.state, t, lr)
        self.laps.append((start, middle, moment(self.context)))
        on_step((t + 1) / (run.epochs * self.epoch_steps))
        return losses

    def log(self, epoch: int, losses: list[Tensor]) -> None:
        """Log the metrics of a finished epoch."""
        run, world, x = self.setting, self.world, self.replicas.parameters
        run.algorithm.settle(world, x)
        loss = self._per_worker(torch.stack(losses, dim=1)).mean().item()
        mean = world.mean(x).clone()  # the mean of the buffers will overwrite it
        center = mean.double()
        distances = world.collect(torch.stack([(row.double() - center).square().sum() for row in x]))
        metrics = {"train_loss": loss, "consensus": distances.sum().item() / run.nodes}
        metrics |= {"discrepancy": self._discrepancy(x)} if run.algorithm.auxiliaries else {}
        metrics |= {"lr": run.schedule.lr((self.steps(epoch - 1)[-1]) / self.epoch_steps)}
        self._add_up()
        metrics |= world.traffic.totals() | self.seconds
        if epoch % run.evaluate_every == 0 or epoch == run.epochs:
            metrics |= self._evaluate(mean) | self._own_losses()
        if epoch == run.epochs:
            metrics["digest"] = self._digest()
            metrics |= self._evaluate_all() if run.evaluate_all else {}
        self.context.log(epoch, metrics)

    def _add_up(self) -> None:
        """Add the times of the steps since the last time, which a GPU only now has finished."""
        for start, middle, end in self.laps:
            self.seconds["compute_seconds"] += seconds(start, middle)
            self.seconds["communication_seconds"] += seconds(middle, end)
        self.laps.clear()

    def _per_worker(self, values: Tensor) -> Tensor:
        """Return what the local workers know, one row each, for all n workers; auxiliary variables know nothing."""
        rows = values.new_zeros((len(self.world.local), *values.shape[1:]), dtype=torch.float64)
        rows[: len(values)] = values
        return self.world.collect(rows)[: self.setting.nodes]

    def _discrepancy(self, x: Tensor) -> float:
        """Return the mean of |x_i - z_j|^2 over workers i and auxiliary variables j."""
        nodes, workers = self.setting.nodes, self.setting.workers
        routes = np.zeros((workers, workers), dtype=np.bool_)
        routes[nodes:, :nodes] = True
        rows = self.world.fetch(x, routes)
        distances = x.new_empty((len(self.shards), workers - nodes), dtype=torch.float64)
        for k, i in enumerate(self.shards):
            for j in range(nodes, workers):
                distances[k, j - nodes] = (rows[i].double() - rows[j]).square().sum()
        return self._per_worker(distances).mean().item()

    def _digest(self) -> int:
        """Return the first 52 bits of the SHA-256 of all workers' parameters and buffers."""
        digest = hashlib.sha256()
        for rows in (self.replicas.parameters, self.replicas.buffers):
            digest.update(self.world.collect(rows).cpu().numpy().tobytes())
        return int(digest.hexdigest()[:13], 16)

    def _evaluate(self, mean: Tensor) -> dict[str, float]:
        """Evaluate the model of worker 0 and the mean model, on rank 0, which holds worker 0."""
        buffers = self._mean_buffers()
        if self.world.rank != 0:
            return {}
        average = self._model(mean, buffers)
        train = {"mean_train_loss": self.task.training_loss(average)} if self.setting.evaluate_train else {}
        averaged = self.task.evaluate(average)
        return (
            self.task.evaluate(self.replicas.models[0])
            | {f"mean_{metric}": value for metric, value in averaged.items()}
            | train
        )

    def _own_losses(self) -> dict[str, float]:
        n = self.setting.nodes
        if not self.setting.evaluate_workers:
            return {}
        own = zip(self.replicas.models, self.shards, strict=False)
        losses = [self.task.training_loss(model, slice(worker, None, n)) for model, worker in own]
        return {"workers_train_loss": self._per_worker(torch.tensor(losses, dtype=torch.float64)).mean().item()}

    def _mean_buffers(self) -> Tensor | None:
        """Return the mean of the buffers over the workers: auxiliary variables see no data."""
        if not self.replicas.buffers.shape[1]:
            return None
        if not self.setting.algorithm.auxiliaries:
            return self.world.mean(self.replicas.buffers)
        return self.world.collect(self.replicas.buffers)[: self.setting.nodes].mean(dim=0)

    def _evaluate_all(self) -> dict[str, float]:
        own = [self.task.evaluate(model) for model in self.replicas.models]
        rows = torch.tensor([[float(value) for value in metrics.values()] for metrics in own], dtype=torch.float64)
        means = self._per_worker(rows[: len(self.shards)]).mean(dim=0).tolist()
        return {f"workers_{metric}": value for metric, value in zip(own[0], means, strict=True)}

    def _model(self, parameters: Tensor, buffers: Tensor | None) -> nn.Module:
        model = self.task.model().to(self.context.device)
        bind(model.parameters(), parameters.clone())
        if buffers is not None:
            bind([buffer for buffer in model.buffers() if buffer.is_floating_point()], buffers.clone())
        return model

    @property
    def local(self) -> range:
        """See `State`."""
        return self.world.local

    def shared(self) -> Any:
        """See `State`."""
        return self.world.traffic, self.seconds

    def restore(self, shared: Any) -> None:
        """See `State`."""
        self.world.traffic, self.seconds = shared

    def rows(self) -> dict[str, Tensor]:
        """See `State`."""
        return rows_of(self.replicas, self.state)
