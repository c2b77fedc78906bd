"""Which training samples a worker sees, and in which order.

Each worker keeps a fixed 1/n-th of the data for the whole run, reshuffled inside the shard every epoch. Everything is
keyed by the run's seed, so every rank can compute the shard of every worker.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from algorithms.streams import stream
from reproductions.workloads.base import Indices


def shard(train_size: int, workers: int, worker: int, seed: int) -> Indices:
    """Return the sample indices of one worker, shape (train_size // workers or one more,).

    The shards of all workers are disjoint and cover the training set.

    Raises
    ------
    ValueError
        If there is no such worker or fewer samples than workers.
    """
    return piece(stream(seed, "shard").permutation(train_size), workers, worker)


def piece(samples: Indices, workers: int, worker: int) -> Indices:
    """Return one of as many consecutive pieces of samples as there are workers; see `shard` for errors."""
    if not 0 <= worker < workers:
        raise ValueError(f"worker is {worker}, but {workers} workers need 0 <= worker < {workers}")
    if len(samples) < workers:
        raise ValueError(f"{len(samples)} training samples cannot be cut into shards for {workers} workers")
    return np.array_split(samples, workers)[worker]


def minibatch(shard: Indices, batch: int, seed: int, worker: int, step: int) -> Indices:
    """Return the samples of one step, shape (batch,), without repeats inside an epoch.

    An epoch has ``len(shard) // batch`` steps; the remainder of the shard sits out, another one in each epoch.

    Raises
    ------
    ValueError
        If the shard is smaller than one batch.
    """
    epoch, position = divmod(step, _steps(len(shard), batch))
    order = _order(len(shard), seed, worker, epoch)
    return shard[order[position * batch : (position + 1) * batch]]


def steps_per_epoch(train_size: int, workers: int, batch: int) -> int:
    """Return the steps of one epoch for every worker, which is what the smallest shard can fill.

    Raises
    ------
    ValueError
        If the smallest shard is smaller than one batch.
    """
    return _steps(train_size // workers, batch)


def _steps(size: int, batch: int) -> int:
    if not 1 <= batch <= size:
        raise ValueError(f"batch is {batch}, but a shard of {size} samples needs 1 <= batch <= {size}")
    return size // batch


@lru_cache(maxsize=1024)
def _order(size: int, seed: int, worker: int, epoch: int) -> Indices:
    # cached, as every step of an epoch needs it; read-only, as it is shared
    order = stream(seed, "order", worker, epoch).permutation(size)
    order.flags.writeable = False
    return order
