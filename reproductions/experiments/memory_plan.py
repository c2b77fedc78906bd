"""Memory plan: what a run will hold on its device, compared with what is free before anything big is allocated.

What is counted: tensors. What is not, and comes on top: the CUDA context, workspaces of cuDNN and cuBLAS, copies in the
layout of oneDNN, and what allocators lose between blocks. tests/experiments/test_memory_plan.py says
within which factor of measured memory plans are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from reproductions.experiments.gradient_cost import Cost, evaluation_peak, gradient_cost, nbytes
from reproductions.harness.runs.context import Context, DoesNotFit, FreeMemory
from reproductions.workloads.base import Task

State = Callable[[Tensor], Iterable[Tensor]]
"""What is kept between steps beside the replicas: tensors on ``meta`` for the (local, d) parameters on ``meta``."""

WORTH_SAYING = 256 << 20
"""Smallest plan, in bytes, that is printed. Smaller ones fit anywhere, and hundreds would flood the terminal."""

_GIB = 1 << 30


@dataclass(frozen=True)
class MemoryPlan:
    """What one rank holds on its device, in bytes.

    Attributes
    ----------
    replicas
        Parameters, gradients and buffers of the local workers.
    state
        What the algorithm remembers, exactly, and an upper bound of its scratch, see `scratch_rows`.
    activations
        Most that forward and backward of the replicas that are computed side by side hold, and the local batches.
    evaluation
        What an evaluation needs beyond that.
    data
        The data set.
    side_by_side
        Replicas whose gradients are computed at the same time.
    """

    replicas: int
    state: int
    activations: int
    evaluation: int
    data: int
    side_by_side: int = 1

    @property
    def parts(self) -> dict[str, int]:
        """Bytes by part."""
        return {name: size for name, size in asdict(self).items() if name != "side_by_side"}

    @property
    def total(self) -> int:
        """Sum of the parts."""
        return sum(self.parts.values())

    def text(self, free: FreeMemory) -> str:
        """Return the plan as one line."""
        shared = f" for each of {free.ranks} ranks" if free.ranks > 1 else ""
        parts = ", ".join(f"{name} {size / _GIB:.2g}" for name, size in self.parts.items())
        return f"memory of rank 0 on {free.device}: {_gib(self.total)} of {_gib(free.share)} free{shared} ({parts})"

    def check(self, free: FreeMemory, what: str) -> None:
        """Raise `DoesNotFit` if the plan is larger than the share of a rank."""
        if self.total <= free.share:
            return
        shared = f" to each of the {free.ranks} ranks that share it" if free.ranks > 1 else ""
        name, size = max(self.parts.items(), key=lambda part: part[1])
        raise DoesNotFit(
            f"{what} needs {_gib(self.total)} on {free.device}, where {_gib(free.share)} are free{shared}, "
            f"most of it for {name} ({_gib(size)}): use {self._remedy(free)}"
        )

    def _remedy(self, free: FreeMemory) -> str:
        """Name the option that makes the plan fit, or else what does."""
        each = self.activations / self.side_by_side
        streams = math.floor((free.share - self.total + self.activations) / each) if each else 0
        if 1 <= streams < self.side_by_side:
            return f"--streams {streams}"
        alone = self.total + (free.ranks - 1) * (self.replicas + self.state)
        if free.ranks > 1 and alone <= free.free:
            return f"fewer --ranks than the {free.ranks} that share it"
        if free.device.startswith("cuda"):
            return "more GPUs, with --ranks one for each, or --device cpu, or a smaller --scale"
        return "a machine with more memory, or several with --launcher, or a smaller --scale"


# -------------------------------------------------------------------------------------------------------- the plan


@contextmanager
def planned(
    context: Context,
    key: object,
    task: Task,
    batch: int,
    workers: int,
    state: State = lambda x: (),
    together: int | None = None,
) -> Iterator[None]:
    """Check the plan of a run before its body, announce it, and note it with what was measured after the body.

    Measured is the growth to the peak, which is without the data. In a context without free memory nothing is done: at
    smoke scale a plan would take longer than many a run.

    Parameters
    ----------
    context
        Of the run.
    key
        Names the shapes of the task, hashable: plans of equal keys and batches share one analysis of the network.
    task
        What is trained.
    batch
        Samples per worker and step.
    workers
        Models of the run, auxiliary variables among them.
    state
        What is kept beside the replicas.
    together
        Local replicas whose gradients are asked for at once; None for all.

    Raises
    ------
    DoesNotFit
        If the run needs more than is free.
    """
    free = context.free_memory
    if free is None:
        yield
        return
    costs = _costs((key, context.data, batch), task, batch)
    recorded = free.device.startswith("cuda") and task.even
    side_by_side = min(context.streams, together or workers) if recorded else 1
    plan = memory_plan(*costs, held(task), workers, context.ranks, side_by_side, recorded, state)
    plan.check(free, f"{task.label} with {workers} worker{'s' * (workers > 1)} and batches of {batch}")
    if plan.total >= WORTH_SAYING:
        context.announce(plan.text(free))
    before = free.start_peak()
    yield
    measured = {"measured": free.peak_since(before)}
    context.notes["memory"] = asdict(plan) | {"free": free.share, "ranks": free.ranks} | measured


def memory_plan(
    cost: Cost, evaluation: int, data: int, workers: int, ranks: int, side_by_side: int, recorded: bool, state: State
) -> MemoryPlan:
    """Return the plan of the rank that has most workers.

    Parameters
    ----------
    cost
        Of the gradient of one replica.
    evaluation, data
        Bytes of an evaluation and of the data set.
    workers, ranks
        Models of the run, and ranks that share them.
    side_by_side
        Replicas whose gradients are computed at the same time, if so many are local.
    recorded
        Whether `algorithms.graphs` does it: it makes each gradient in pieces before it is written to its row, keeps
        batches twice, and all of this between steps.
    state
        See `planned`.
    """
    local = math.ceil(workers / ranks)
    side_by_side = min(side_by_side, local)
    rows = torch.empty(local, cost.parameters // 4, device="meta")  # float32
    activations = side_by_side * (cost.peak + recorded * cost.parameters) + local * cost.batch * (1 + recorded)
    return MemoryPlan(
        replicas=local * (2 * cost.parameters + cost.buffers),
        state=nbytes(state(rows)) + scratch_rows(workers, local) * cost.parameters,
        activations=activations,
        evaluation=evaluation if recorded else max(0, evaluation - activations),
        data=data,
        side_by_side=side_by_side,
    )


def scratch_rows(workers: int, local: int) -> int:
    """Return how many rows of parameters an algorithm, its World and the measurements hold at most beside the state.

    Of n workers with l on this rank: n when all are collected (`World.collect`), 2 l copies for the sums of mixing and
    for the background (`World.mix`, `algorithms.coopsgd.overlap`), n - l rows that arrive and as many that leave
    (`World.fetch`): 3 n. If there are other ranks, 2 l on their way to the mean and to the collection. Then the mean
    model and its copy, a model for evaluation and its parameters, and three rows in float64 for the distances to the
    mean: 10.
    """
    return 3 * workers + (2 * local if local < workers else 0) + 10


def held(value: Any) -> int:
    """Return the bytes of the arrays and tensors in the fields of a task."""
    if isinstance(size := getattr(value, "nbytes", None), int):
        return size
    if isinstance(value, tuple | list):
        return sum(held(item) for item in value)
    if is_dataclass(value):
        return sum(held(getattr(value, field.name)) for field in fields(value))
    return 0


_KNOWN: dict[object, tuple[Cost, int]] = {}


def _costs(key: object, task: Task, batch: int) -> tuple[Cost, int]:
    """Return the cost of a gradient and the bytes of an evaluation; found once per key."""
    if key not in _KNOWN:
        with torch.random.fork_rng(devices=[]):
            model = task.model().to("meta")
        peak = evaluation_peak(model, task.specimen(task.evaluation_batch)[0])
        _KNOWN[key] = gradient_cost(model, *task.specimen(batch), task.loss), peak
    return _KNOWN[key]


def _gib(size: int) -> str:
    return f"{size / _GIB:.3g} GiB"
