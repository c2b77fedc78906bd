"""How a rank computes gradients: engine, precision, and the time that it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from algorithms.graphs import Graph
from algorithms.replicas import Engine, loop
from reproductions.harness.runs.context import Context
from reproductions.workloads.base import Task, kernels

Moment = float | torch.cuda.Event


@contextmanager
def prepared(task: Task, context: Context) -> Iterator[None]:
    """Compute a task with deterministic kernels in the precision of the session; note what is computed and how."""
    context.notes |= {"workload": task.label, "precision": context.precision}
    tf32, before = context.precision == "tf32", torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        with (
            kernels(task),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=tf32),
            torch.autocast(_kind(context), torch.bfloat16, context.precision == "bfloat16", cache_enabled=False),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def engine(task: Task, context: Context) -> Engine:
    """Return what computes the gradients of all replicas: a CUDA graph where batches allow it, else the loop."""
    graph = _kind(context) == "cuda" and task.even
    context.notes["engine"] = f"CUDA graph on {context.streams} streams" if graph else "loop"
    return Graph(context.streams) if graph else loop


def moment(context: Context) -> Moment:
    """Return a time stamp; on a GPU, an event recorded on the current stream."""
    if _kind(context) == "cpu":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def seconds(start: Moment, end: Moment) -> float:
    """Return the time between two moments."""
    if isinstance(start, float) or isinstance(end, float):
        return float(end) - float(start)  # type: ignore[arg-type]
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3


def _kind(context: Context) -> str:
    return torch.device(context.device).type
