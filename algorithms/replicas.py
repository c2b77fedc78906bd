"""Replicas: the local workers' copies of one torch module on flat storage.

Row i of `parameters`, `gradients` and `buffers` is the whole state of the i-th local worker's copy; the modules hold
views of these rows. An algorithm works on the rows in place and never rebinds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from algorithms.streams import torch_seed

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]
Engine = Callable[[Sequence[nn.Module], Sequence[Batch], Loss], Tensor]
"""Writes the gradients of all replicas into their ``.grad``, zero before that; returns their losses, (local,)."""


def loop(models: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss) -> Tensor:
    """Compute the gradients one replica after the other: the reference engine.

    Bitwise independent of how many replicas live on this rank, unlike engines that batch over replicas. On a GPU it
    waits for the launch of every kernel; `algorithms.graphs` does not.
    """
    losses = []
    for model, (inputs, targets) in zip(models, batches, strict=True):
        value = loss(model(inputs), targets)
        torch.autograd.backward(value)
        losses.append(value.detach())
    return torch.stack(losses)


class Replicas:
    """Copies of one module, all with the same initial parameters.

    Parameters
    ----------
    build
        Makes the module; its random initialisation is keyed by `seed` alone.
    count
        Number of copies, the local workers.
    seed
        Seed of the run.
    device
        Where the copies live.
    engine
        Computes the gradients of all copies; `loop` is the reference.

    Attributes
    ----------
    parameters, gradients : Tensor
        (count, d), d the number of parameters.
    buffers : Tensor
        (count, b) floating point buffers, such as the running statistics of batch norm.
    counters : Tensor
        (count, c) integer buffers.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        count: int,
        seed: int,
        device: torch.device | str = "cpu",
        engine: Engine = loop,
    ) -> None:
        self.models = [_initialised(build, seed) for _ in range(count)]
        self.engine = engine
        self.parameters = _flat([list(model.parameters()) for model in self.models]).to(device)
        self.gradients = torch.zeros_like(self.parameters)
        self.buffers = _flat([_buffers(model, floating=True) for model in self.models]).to(device)
        self.counters = _flat([_buffers(model, floating=False) for model in self.models]).to(device)
        for i, model in enumerate(self.models):
            bind(list(model.parameters()), self.parameters[i])
            bind(_buffers(model, floating=True), self.buffers[i])
            bind(_buffers(model, floating=False), self.counters[i])
            for parameter, gradient in zip(model.parameters(), _views(model, self.gradients[i]), strict=True):
                parameter.grad = gradient

    def backward(self, batches: Sequence[Batch], loss: Loss) -> Tensor:
        """Write the gradients of one batch per replica into `gradients`.

        Fewer batches than replicas leave the last ones without: their gradients are zero.

        Returns
        -------
        Tensor
            Losses of the batches, detached.
        """
        self.gradients.zero_()
        if not batches:
            return self.gradients.new_empty(0)
        return self.engine(self.models[: len(batches)], batches, loss)


def bind(tensors: Iterable[Tensor], row: Tensor) -> None:
    """Make the tensors of a module views of consecutive parts of a flat row, in order."""
    start = 0
    for tensor in tensors:
        tensor.data = row[start : start + tensor.numel()].view(tensor.shape)
        start += tensor.numel()


def _initialised(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "init"))
        return build()


def _buffers(model: nn.Module, floating: bool) -> list[Tensor]:
    return [buffer for buffer in model.buffers() if buffer.is_floating_point() == floating]


def _flat(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    if not rows[0]:
        return torch.empty(len(rows), 0)
    return torch.stack([torch.cat([tensor.detach().reshape(-1) for tensor in row]) for row in rows])


def _views(model: nn.Module, row: Tensor) -> list[Tensor]:
    pieces = torch.split(row, [parameter.numel() for parameter in model.parameters()])
    return [piece.view(parameter.shape) for piece, parameter in zip(pieces, model.parameters(), strict=True)]
