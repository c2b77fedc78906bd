"""An engine for replicas of which every call names others, as the nodes of PopSGD that interact at the same time.

A CUDA graph works on fixed memory, and to record one for every choice of replicas would be too much: 8 replicas have
255. Here a few stand-ins, replicas themselves, are recorded instead, once for each number of them that is needed at a
time. The replicas of a call are copied to stand-ins, and gradients and running statistics are copied back: a handful of
copies of whole rows a replica, beside the hundreds of kernels of its gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from algorithms.blocks import adjacent
from algorithms.replicas import Batch, Engine, Loss, Replicas


class StandIns:
    """An engine that lets stand-ins compute the gradients of any choice of equal replicas, `count` at a time.

    Parameters
    ----------
    engine
        Computes the gradients of the stand-ins, such as `algorithms.graphs.Graph`.
    count
        Number of stand-ins, at least 1 (else a ValueError). A call with more replicas is made in several parts.
    """

    def __init__(self, engine: Engine, count: int) -> None:
        if count < 1:
            raise ValueError(f"count is {count}, but at least one replica has to be computed at a time")
        self.engine, self.count = engine, count
        self._rows: dict[nn.Module, _Rows] = {}
        self._replicas: Replicas | None = None

    def __call__(self, models: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss) -> Tensor:
        """Write the gradients of the replicas into their ``.grad``; return their losses, (len(models),)."""
        parts = [slice(start, start + self.count) for start in range(0, len(models), self.count)]
        return torch.cat([self._together(models[part], batches[part], loss) for part in parts])

    def _together(self, models: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss) -> Tensor:
        """Do it for at most `count` replicas."""
        replicas = self._made(models[0])
        chosen = [(self._of(model), self._of(copy)) for model, copy in zip(models, replicas.models, strict=False)]
        for own, copy in chosen:
            copy.parameters.copy_(own.parameters)
            copy.take_statistics(own)
        losses = replicas.backward(batches, loss)
        for own, copy in chosen:
            own.gradients.copy_(copy.gradients)
            own.take_statistics(copy)
        return losses

    def _made(self, model: nn.Module) -> Replicas:
        """Return the stand-ins, which are made as copies of the first replica that is seen."""
        if self._replicas is None:
            device = next(model.parameters()).device
            self._replicas = Replicas(lambda: deepcopy(model), self.count, 0, device, self.engine)
        return self._replicas

    def _of(self, model: nn.Module) -> _Rows:
        if model not in self._rows:
            self._rows[model] = _Rows.of(model)
        return self._rows[model]


@dataclass(frozen=True)
class _Rows:
    """The rows of a replica in the flat storage of its `Replicas`; None where it has no such buffers."""

    parameters: Tensor
    gradients: Tensor
    buffers: Tensor | None
    counters: Tensor | None

    @classmethod
    def of(cls, model: nn.Module) -> _Rows:
        """Find the rows of a replica."""
        parameters, buffers = list(model.parameters()), list(model.buffers())
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if len(gradients) < len(parameters):
            raise ValueError("a parameter has no .grad: engines work on the flat storage of Replicas")
        return cls(
            adjacent([parameter.detach() for parameter in parameters]),
            adjacent(gradients),
            _row(buffer for buffer in buffers if buffer.is_floating_point()),
            _row(buffer for buffer in buffers if not buffer.is_floating_point()),
        )

    def take_statistics(self, other: _Rows) -> None:
        """Copy the buffers of another replica."""
        for own, given in ((self.buffers, other.buffers), (self.counters, other.counters)):
            if own is not None and given is not None:
                own.copy_(given)


def _row(buffers: Iterable[Tensor]) -> Tensor | None:
    """Return the memory that buffers of one kind fill together, if there are any."""
    found = list(buffers)
    return adjacent(found) if found else None
