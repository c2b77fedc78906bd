"""The gradients of all local replicas as one CUDA graph: the engine of `Replicas` on a GPU.

A round of sixteen small networks is thousands of kernels of a few microseconds each; to launch them one by one from
Python takes longer than to compute them. The work of a round is the same in every round, so it is recorded once, with
the replicas side by side on several streams, and then replayed by a single launch on the flat storage of the replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import chain, cycle
from typing import Any

import torch
from torch import Tensor, nn

from algorithms.blocks import adjacent
from algorithms.replicas import Batch, Loss

SHAPES = 8
"""Most shapes of batches that are recorded: a recording takes as long as some rounds, and data of more are uneven."""

_WARM_UP = 3  # rounds before the recording, in which libraries choose their kernels and allocate their workspaces


class Graph:
    """An engine that records the gradients of a round, and replays them for further batches of the same shapes.

    On the CPU there is nothing to record: a replay computes again, from the same static memory as on a GPU. Recordings
    share their memory, as only one of them runs at a time and nothing but gradients and losses outlives it.

    Parameters
    ----------
    streams
        Replicas whose gradients are computed side by side on a GPU; each needs memory for its activations.

    Raises
    ------
    ValueError
        If `streams` is below 1 or, at a call, the batches have had more than `SHAPES` different shapes.
    """

    def __init__(self, streams: int = 4) -> None:
        if streams < 1:
            raise ValueError(f"streams is {streams}, but at least one replica has to be computed at a time")
        self.streams = streams
        self._records: dict[Hashable, _Record] = {}
        self._shapes: set[Hashable] = set()
        self._forks: list[torch.cuda.Stream] = []
        self._pool: Any = None

    def __call__(self, models: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss) -> Tensor:
        """Write the gradients of all replicas into their ``.grad``; return their losses, (local,)."""
        shapes = tuple((tensor.shape, tensor.dtype) for batch in batches for tensor in batch)
        key = (tuple(models), loss, shapes)
        if key not in self._records:
            self._shapes.add(shapes)
            if len(self._shapes) > SHAPES:
                raise ValueError(f"batches had more than {SHAPES} different shapes: use the engine loop for such data")
            record = self._records[key] = _Record(models, batches, loss)
            record.replay = self._recorded(record) if record.losses.is_cuda else record.compute
        return self._records[key](batches)

    def _recorded(self, record: _Record) -> Callable[[], None]:
        """Record on the current CUDA device and return what replays it; running statistics stay as they are.

        Rounds before the recording really run and change them; the recording itself computes nothing.
        """
        if not self._forks:
            self._forks = [torch.cuda.Stream() for _ in range(self.streams)]  # type: ignore[no-untyped-call]
            self._pool = torch.cuda.graph_pool_handle()
        before = [buffer.clone() for buffer in record.buffers]
        for _ in range(_WARM_UP):
            _side_by_side(record.jobs, self._forks)
        for buffer, value in zip(record.buffers, before, strict=True):
            buffer.copy_(value)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            _side_by_side(record.jobs, self._forks)
        replay: Callable[[], None] = graph.replay
        return replay


class _Record:
    """Gradients of some replicas for batches of some shapes, in static memory."""

    replay: Callable[[], None]

    def __init__(self, models: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss) -> None:
        self.models, self.loss = models, loss
        self.batches = [(inputs.clone(), targets.clone()) for inputs, targets in batches]
        self.parameters = [list(model.parameters()) for model in models]
        self.buffers = list(chain.from_iterable(model.buffers() for model in models))
        self.gradients = [adjacent([_gradient(parameter) for parameter in row]) for row in self.parameters]
        self.losses = self.parameters[0][0].new_empty(len(batches))

    @property
    def jobs(self) -> list[Callable[[], None]]:
        """What computes one gradient each."""
        return [partial(self._differentiate, i) for i in range(len(self.batches))]

    def compute(self) -> None:
        """Do all jobs, one after the other."""
        for job in self.jobs:
            job()

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
