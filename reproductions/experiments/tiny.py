"""Training of networks so small that ranks would mostly wait for each other: one rank holds all workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar

from algorithms.replicas import Engine
from algorithms.wide import Wide
from reproductions.experiments.training import Training
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Placement
from reproductions.workloads.base import Task, Workload


@dataclass(frozen=True)
class TinyTraining(Training):
    """Training on one rank, beside others; if batches are even, the gradients of all workers are computed together.

    It is the same algorithm, and all workers are on one rank whatever the number of ranks of the session. Gradients
    differ from those of `Training` in rounding; this is why it is another experiment, with another key.
    """

    placement: ClassVar[Placement] = Placement.ALONE

    def engine(self, task: Task, context: Context) -> Engine:
        """Return the engine of the wide network on a CPU; elsewhere that of `Training`."""
        if not task.even or context.device != "cpu":
            return super().engine(task, context)
        context.notes["engine"] = "wide network"
        return Wide()


def training_of(workload: Workload) -> Callable[..., Training]:
    """Return the kind of training that suits the networks of a workload."""
    return TinyTraining if workload.tiny else Training


def one_by_one(training: Training) -> Training:
    """Return the same training with the gradient of every worker computed by itself, on ranks that share it."""
    return Training(**{field.name: getattr(training, field.name) for field in fields(training)})
