"""Cost of a gradient: memory and arithmetic of forward and backward of one batch, found without computing them.

The network runs on tensors of torch's device ``meta``, which have shapes and neither memory nor values. A dispatch mode
sees every operation of forward and backward: it follows which storages are alive, each counted once, and adds up the
floating point operations by torch's own formulas.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Cost:
    """Forward and backward of one batch on one replica; sizes in bytes.

    Attributes
    ----------
    samples
        Samples of the batch.
    parameters, buffers
        Of one replica; a gradient is as large as the parameters.
    batch
        Inputs and targets.
    saved
        What autograd keeps from forward to backward, each storage once, without the parameters and the batch. Exact
        for the operations that torch records; a library may keep more for itself.
    peak
        Most that is alive at once in forward and backward, without the parameters, their ``.grad`` and the batch: what
        is saved, and the outputs and gradients that come and go. What a kernel needs inside is not seen.
    flops
        Floating point operations of matrix products and convolutions as direct sums, two for a multiplication and an
        addition; elementwise operations and normalization count nothing.
    """

    samples: int
    parameters: int
    buffers: int
    batch: int
    saved: int
    peak: int
    flops: int


def gradient_cost(model: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss) -> Cost:
    """Return the cost of a gradient; all tensors, those of the model too, are on the device ``meta``."""
    parameters, buffers = list(model.parameters()), list(model.buffers())
    for parameter in parameters:
        parameter.grad = torch.empty_like(parameter)  # as in `Replicas`: gradients are added to memory that is there
    there = [*parameters, *(p.grad for p in parameters if p.grad is not None), *buffers, inputs, targets]
    saved, ledger = _Storages(there), _Ledger(there)
    with ledger:
        with torch.autograd.graph.saved_tensors_hooks(saved.add, lambda tensor: tensor):
            value = loss(model(inputs), targets)
        torch.autograd.backward(value)
    return Cost(
        samples=len(inputs),
        parameters=nbytes(parameters),
        buffers=nbytes(buffers),
        batch=nbytes([inputs, targets]),
        saved=saved.total,
        peak=ledger.peak,
        flops=ledger.flops,
    )


def evaluation_peak(model: nn.Module, inputs: Tensor) -> int:
    """Return the bytes that a forward pass in eval mode needs at most, its batch included, all on ``meta``."""
    ledger, training = _Ledger([*model.parameters(), *model.buffers(), inputs]), model.training
    with torch.no_grad(), ledger:
        model.eval()(inputs)
    model.train(training)
    return ledger.peak + inputs.nbytes


def nbytes(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of tensors."""
    return sum(tensor.nbytes for tensor in tensors)


class _Storages:
    """Adds up storages, each once, except those that were there before."""

    def __init__(self, there: Iterable[Tensor]) -> None:
        self.seen = weakref.WeakSet(tensor.untyped_storage() for tensor in there)
        self.total = 0

    def add(self, tensor: Tensor) -> Tensor:
        """Count the storage of a tensor if it is new; return the tensor."""
        storage = tensor.untyped_storage()
        if storage not in self.seen:
            self.seen.add(storage)
            self.total += storage.nbytes()
        return tensor


class _Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operations make, from their birth to their death, and counts operations.

    torch finds the shapes of a batch norm on ``meta`` by a decomposition in Python, a few milliseconds each time, so
    shapes are found once for layers that are alike.
    """

    def __init__(self, there: Iterable[Tensor]) -> None:
        from torch.utils.flop_counter import flop_registry  # a tenth of a second, for plans only

        super().__init__()  # type: ignore[no-untyped-call]
        self.formulas = flop_registry
        self.alive = weakref.WeakSet(tensor.untyped_storage() for tensor in there)
        self.known: dict[Any, Any] = {}
        self.now = self.peak = self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs) if _aliases(func) else self._like_before(func, args, kwargs)
        if func._overloadpacket in self.formulas:
            self.flops += self.formulas[func._overloadpacket](*args, **kwargs, out_val=out)
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._born(leaf.untyped_storage())
        return out

    def _like_before(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return fresh tensors of the shapes that the operation gave for arguments of these shapes."""
        leaves, structure = tree_flatten((args, kwargs))
        key = (func, structure, tuple(_Form.of(leaf) for leaf in leaves))
        if key not in self.known:
            out = func(*args, **kwargs)
            if not all(_owns(leaf) for leaf in tree_leaves(out)):
                return out
            self.known[key] = tree_map_only(Tensor, _Form.of, out)
        return tree_map_only(_Form, _Form.make, self.known[key])

    def _born(self, storage: torch.UntypedStorage) -> None:
        if storage in self.alive:
            return
        self.alive.add(storage)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._died, storage.nbytes())

    def _died(self, size: int) -> None:
        self.now -= size


@dataclass(frozen=True)
class _Form:
    """What a tensor on ``meta`` is."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, value: Any) -> Any:
        """Return the form of a tensor, and any other value as it is."""
        return cls(tuple(value.shape), value.stride(), value.dtype) if isinstance(value, Tensor) else value

    def make(self) -> Tensor:
        """Return a new tensor of this form."""
        return torch.empty_strided(self.shape, self.strides, dtype=self.dtype, device="meta")


@cache
def _aliases(func: Any) -> bool:
    """Whether an operation returns its arguments or views of them."""
    return func._schema.is_mutable or any(returned.alias_info for returned in func._schema.returns)


def _owns(value: Any) -> bool:
    """Whether a tensor fills a storage; the parts of an ``unsafe_split`` share one, and the schema does not say so."""
    return not isinstance(value, Tensor) or value.untyped_storage().nbytes() == value.nbytes
