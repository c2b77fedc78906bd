"""The gradients of all local replicas as one CUDA graph: the engine of `Replicas` on a GPU.

A round of sixteen small networks is thousands of kernels of a few microseconds each; to launch them one by one from
Python takes longer than to compute them. The work of a round is the same in every round, so it is recorded once, with
the replicas side by side on several streams, and then replayed by a single launch on the flat storage of the replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import chain, cycle

import torch
from torch import Tensor, nn

from algorithms.blocks import adjacent
from algorithms.replicas import Batch, Loss

RECORDS = 8
"""Shapes of batches that one engine records: each keeps the memory of its activations."""

_WARM_UP = 3  # rounds before the recording, in which libraries choose their kernels and allocate their workspaces


class Graph:
    """An engine that records the gradients of a round, and replays them for further batches of the same shapes.

    On the CPU there is nothing to record: a replay computes again, from the same static memory as on a GPU.

    Parameters
    ----------
    streams
        Replicas whose gradients are computed side by side on a GPU; each needs memory for its activations.

    Raises
    ------
    ValueError
        If `streams` is below 1 or, at a call, the batches have had more than `RECORDS` different shapes.
    """

    def __init__(self, streams: int = 4) -> None:
        if streams < 1:
            raise ValueError(f"streams is {streams}, but at least one replica has to be computed at a time")
        self.streams = streams
        self._records: dict[Hashable, _Record] = {}

    def __call__(self, models: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss) -> Tensor:
        """Write the gradients of all replicas into their ``.grad``; return their losses, (local,)."""
        shapes = tuple((tensor.shape, tensor.dtype) for batch in batches for tensor in batch)
        key = (tuple(models), loss, shapes)
        if key not in self._records:
            if len(self._records) == RECORDS:
                raise ValueError(f"batches had more than {RECORDS} different shapes: use the engine loop for such data")
            self._records[key] = _Record(models, batches, loss, self.streams)
        return self._records[key](batches)


class _Record:
    """Gradients of some replicas for batches of some shapes."""

    def __init__(self, models: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss, streams: int) -> None:
        self.models, self.loss = models, loss
        self.batches = [(inputs.clone(), targets.clone()) for inputs, targets in batches]
        self.parameters = [list(model.parameters()) for model in models]
        self.gradients = [adjacent([_gradient(parameter) for parameter in row]) for row in self.parameters]
        self.losses = self.parameters[0][0].new_empty(len(batches))
        jobs = [partial(self._differentiate, i) for i in range(len(batches))]
        buffers = list(chain.from_iterable(model.buffers() for model in models))
        self.replay = _recorded(jobs, streams, buffers) if self.losses.is_cuda else partial(_one_by_one, jobs)

    def __call__(self, batches: Sequence[Batch]) -> Tensor:
        for static, batch in zip(chain(*self.batches), chain(*batches), strict=True):
            static.copy_(batch)
        self.replay()
        return self.losses.clone()

    def _differentiate(self, i: int) -> None:
        """Write loss and gradient of replica i, the gradient in one pass over its row."""
        inputs, targets = self.batches[i]
        value = self.loss(self.models[i](inputs), targets)
        gradients = torch.autograd.grad(value, self.parameters[i], materialize_grads=True)
        torch.cat([gradient.reshape(-1) for gradient in gradients], out=self.gradients[i])
        self.losses[i] = value.detach()


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        raise ValueError("a parameter has no .grad: engines work on the flat storage of Replicas")
    return parameter.grad


def _one_by_one(jobs: Sequence[Callable[[], None]]) -> None:
    for job in jobs:
        job()


def _recorded(jobs: Sequence[Callable[[], None]], streams: int, buffers: Sequence[Tensor]) -> Callable[[], None]:
    """Record jobs on the current CUDA device and return what replays them; `buffers` stay as they are.

    Rounds before the recording really run, and change running statistics; the recording itself computes nothing.
    """
    forks = [torch.cuda.Stream() for _ in range(min(streams, len(jobs)))]  # type: ignore[no-untyped-call]
    before = [buffer.clone() for buffer in buffers]
    for _ in range(_WARM_UP):
        _side_by_side(jobs, forks)
    for buffer, value in zip(buffers, before, strict=True):
        buffer.copy_(value)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        _side_by_side(jobs, forks)
    replay: Callable[[], None] = graph.replay
    return replay


def _side_by_side(jobs: Sequence[Callable[[], None]], streams: Sequence[torch.cuda.Stream]) -> None:
    """Fork from the current stream, deal out the jobs, and join."""
    current = torch.cuda.current_stream()
    for stream in streams:
        stream.wait_stream(current)
    for job, stream in zip(jobs, cycle(streams), strict=False):
        with torch.cuda.stream(stream):
            job()
    for stream in streams:
        current.wait_stream(stream)
