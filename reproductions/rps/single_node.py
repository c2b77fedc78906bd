"""One node on one n-th of the data: what a worker of RPS is when nothing arrives (appendix E)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from algorithms.streams import torch_seed
from reproductions.experiments.engine import prepared
from reproductions.experiments.memory_plan import planned
from reproductions.experiments.training import Training, load
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment
from reproductions.workloads.base import Task
from reproductions.workloads.sharding import minibatch, shard, steps_per_epoch


@dataclass(frozen=True)
class SingleNode(Experiment):
    """Plain torch SGD on the shard of worker 0 of a training run, with its batches; logs ``test_*`` at the end.

    Step sizes are those of section 6.1, written down here a second time: scaled linearly with the samples of a step
    over all workers, with a warm-up of 5 of 160 epochs, and a tenth after 80 and after 120.

    Parameters
    ----------
    like
        The run it is compared with.
    base_lr, base_batch
        Step size for so many samples.
    """

    like: Training
    base_lr: float
    base_batch: int = 128

    @property
    def workers(self) -> int:
        """One."""
        return 1

    @property
    def seed(self) -> int:
        """Seed of the run it is compared with."""
        return self.like.seed

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        return self.like.cost / self.like.nodes

    @property
    def samples(self) -> int:
        """Samples of its shard."""
        return self.like.samples // self.like.nodes

    def speed(self, context: Context) -> float:
        """See `Experiment.speed`."""
        return self.like.speed(context)

    def checksum(self, data: Path | None) -> str:
        """Return the checksum of the workload's data."""
        return self.like.checksum(data)

    def execute(self, context: Context) -> None:
        """Train one model, without any of the suite's replicas, worlds or networks."""
        task = load(self.like.workload, context.data, context.device)
        with prepared(task, context), planned(context, self.like.workload, task, self.like.batch, workers=1):
            self._train(task, context)

    def _train(self, task: Task, context: Context) -> None:
        run = self.like
        torch.manual_seed(torch_seed(run.seed, "init"))
        model = task.model()
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        mine = shard(task.train_size, run.nodes, 0, run.seed)
        steps = steps_per_epoch(task.train_size, run.nodes, run.batch)
        for epoch in context.parts(run.epochs, _Model(model)):
            for t in range(epoch * steps, (epoch + 1) * steps):
                optimizer.param_groups[0]["lr"] = self._step_size(t / steps)
                inputs, targets = task.batch(minibatch(mine, run.batch, run.seed, 0, t), run.seed, 0, t)
                optimizer.zero_grad()
                loss = task.loss(model(inputs), targets)
                torch.autograd.backward(loss)
                optimizer.step()
            context.on_progress((epoch + 1) / run.epochs)
        context.log(run.epochs, task.evaluate(model))

    def _step_size(self, epoch: float) -> float:
        run = self.like
        one, all_workers = (self.base_lr * nodes * run.batch / self.base_batch for nodes in (1, run.nodes))
        warmup, first, second = (fraction * run.epochs for fraction in (5 / 160, 80 / 160, 120 / 160))
        if epoch < warmup:
            return one + (all_workers - one) * epoch / warmup
        return all_workers * 0.1 ** ((epoch >= first) + (epoch >= second))


@dataclass(frozen=True)
class _Model:
    """What a run remembers between epochs: SGD without momentum has no state of its own."""

    model: nn.Module
    local: range = field(default=range(1), init=False)

    def rows(self) -> Mapping[str, Tensor]:
        """See `State`."""
        return {name: tensor[None] for name, tensor in self.model.state_dict().items()}

    def shared(self) -> None:
        """See `State`."""

    def restore(self, shared: object) -> None:
        """See `State`."""
