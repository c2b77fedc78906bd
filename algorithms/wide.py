"""The gradients of all local replicas of a small network as those of one wide network: an engine of `Replicas`.

A gradient of a small network is dozens of calls that each take longer to start than to compute. The wide network holds
replica i in the i-th group of its channels, and groups never meet, so that a call computes the same layer of all
replicas. Its sums run in another order than those of `loop`: results differ in rounding, also with the number of
replicas on a rank. Where all workers live on one rank, they are the same every time.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import vmap

from algorithms.blocks import adjacent
from algorithms.replicas import Batch, Loss

UNCHANGED = (nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Identity)
"""Layers that treat every channel by itself, and so every group."""


class Wide:
    """An engine that computes the gradients of all replicas together.

    Raises
    ------
    ValueError
        At the first call, if the network has a layer of which no wide form is known.
    """

    def __init__(self) -> None:
        self._nets: dict[tuple[nn.Module, ...], _Net] = {}

    def __call__(self, models: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss) -> Tensor:
        """Write the gradients of all replicas into their ``.grad``; return their losses, (local,)."""
        key = tuple(models)
        if key not in self._nets:
            self._nets[key] = _Net(models)
        return self._nets[key].differentiate(batches, loss)


class _Net:
    """One wide network and the flat storage of the replicas that it stands for."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        first, self.count = models[0], len(models)
        self.wide = widened(first, self.count).to(memory_format=torch.channels_last)
        self.parameters = list(self.wide.parameters())
        self.buffers = [buffer for buffer in self.wide.buffers() if buffer.is_floating_point()]
        shapes = [parameter.shape for parameter in first.parameters()]
        self.rows = _pieces([[p.detach() for p in model.parameters()] for model in models], shapes)
        self.gradients = _pieces([[_gradient(p) for p in model.parameters()] for model in models], shapes)
        floating = [[b for b in model.buffers() if b.is_floating_point()] for model in models]
        self.statistics = _pieces(floating, [buffer.shape for buffer in floating[0]])
        self.counters = [b for model in models for b in model.buffers() if not b.is_floating_point()]

    def differentiate(self, batches: Sequence[Batch], loss: Loss) -> Tensor:
        """Write the gradients of all replicas; return their losses."""
        inputs = torch.stack([inputs for inputs, _ in batches], dim=1).flatten(1, 2)
        targets = torch.stack([targets for _, targets in batches])
        for wide, rows in zip((*self.parameters, *self.buffers), (*self.rows, *self.statistics), strict=True):
            wide.detach().view(rows.shape).copy_(rows)
        with torch.backends.mkldnn.flags(enabled=True, allow_tf32=None):  # fast for many groups
            outputs = self.wide(inputs.contiguous(memory_format=torch.channels_last))
            losses = vmap(loss)(outputs.view(len(outputs), self.count, -1).transpose(0, 1), targets)
            found = torch.autograd.grad(losses.sum(), self.parameters)
        for rows, wide in zip((*self.gradients, *self.statistics), (*found, *self.buffers), strict=True):
            rows.copy_(wide.view(rows.shape))
        for counter in self.counters:
            counter.add_(1)
        return losses.detach()


def widened(module: nn.Module, count: int) -> nn.Module:
    """Return a network that has `count` replicas of a network side by side in its channels, with other weights.

    Raises
    ------
    ValueError
        If a layer has no wide form.
    """
    if isinstance(module, nn.Conv2d):
        return _conv(module, count)
    if isinstance(module, nn.BatchNorm2d) and module.affine:
        size, like = count * module.num_features, module.weight
        return nn.BatchNorm2d(size, module.eps, module.momentum, device=like.device, dtype=like.dtype)
    if isinstance(module, nn.Linear):
        return _Linear(module, count)
    children = dict(module.named_children())
    if not isinstance(module, UNCHANGED) and (not children or list(module.parameters(recurse=False))):
        raise ValueError(f"{type(module).__name__} has no wide form: use the engine loop for this network")
    wide = copy.copy(module)
    wide._modules = {name: widened(child, count) for name, child in children.items()}
    return wide


def _conv(module: nn.Conv2d, count: int) -> nn.Conv2d:
    return nn.Conv2d(
        count * module.in_channels,
        count * module.out_channels,
        module.kernel_size,  # type: ignore[arg-type]
        module.stride,  # type: ignore[arg-type]
        module.padding,  # type: ignore[arg-type]
        module.dilation,  # type: ignore[arg-type]
        count * module.groups,
        module.bias is not None,
        module.padding_mode,
        device=module.weight.device,
        dtype=module.weight.dtype,
    )


class _Linear(nn.Module):
    """Linear layers side by side: (batch, count * inputs) to (batch, count * outputs)."""

    def __init__(self, module: nn.Linear, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(module.weight.new_empty(count, *module.weight.shape))
        self.bias = nn.Parameter(module.bias.new_empty(count, *module.bias.shape))

    def forward(self, x: Tensor) -> Tensor:
        """Apply each layer to its group."""
        groups = x.view(len(x), len(self.weight), -1).transpose(0, 1)
        outputs = torch.baddbmm(self.bias[:, None], groups, self.weight.transpose(1, 2))
        return outputs.transpose(0, 1).flatten(1)


def _pieces(tensors: Sequence[Sequence[Tensor]], shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Return the flat rows of all replicas, tensor by tensor: (count, *shape) views."""
    if not shapes:
        return []
    rows = adjacent([tensor for row in tensors for tensor in row]).view(len(tensors), -1)
    pieces = torch.split(rows, [shape.numel() for shape in shapes], dim=1)
    return [piece.view(len(tensors), *shape) for piece, shape in zip(pieces, shapes, strict=True)]


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        raise ValueError("a parameter has no .grad: engines work on the flat storage of Replicas")
    return parameter.grad
