"""Speed: how many gradients of samples one core of this machine computes in a second."""

from __future__ import annotations

import functools
import time
from pathlib import Path

import numpy as np
import torch

from algorithms.replicas import Replicas
from reproductions.experiments.engine import engine, prepared
from reproductions.harness.runs.context import Context
from reproductions.workloads.base import Workload

PROBE = 2.0  # seconds


def speed(workload: Workload, batch: int, context: Context) -> float:
    """Return the gradients of samples that one core computes in a second; `DataError` without the data."""
    return _speed(workload, batch, context.data, context.precision)


@functools.lru_cache
def _speed(workload: Workload, batch: int, data: Path | None, precision: str) -> float:
    task, context = workload.load(data, "cpu"), Context(data=data, precision=precision)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with prepared(task, context):
            replicas = Replicas(task.model, 1, 0, engine=engine(task, context))
            batches = task.batches({0: np.arange(batch)}, 0, 0)
            replicas.backward(batches, task.loss)  # the first builds what later ones find
            steps, start = 0, time.process_time()
            while time.process_time() - start < PROBE:
                replicas.backward(batches, task.loss)
                steps += 1
            return steps * batch / (time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
