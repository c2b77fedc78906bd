"""Blocks of flat vectors: how they are cut, and their mean in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK, BIG_CHUNK = 1 << 15, 1 << 21


def chunks(row: Tensor, size: int = CHUNK) -> list[slice]:
    """Cut a 1-d row into pieces that stay in the cache of a CPU between additions; a GPU takes it whole."""
    size = size if row.device.type == "cpu" else max(1, row.numel())
    return [slice(start, min(start + size, row.numel())) for start in range(0, row.numel(), size)]


def partition(length: int, parts: int) -> list[slice]:
    """Cut ``range(length)`` into contiguous slices whose lengths differ by at most one, longer ones first."""
    small, longer = divmod(length, parts)
    ends = np.cumsum([small + (i < longer) for i in range(parts)])
    return [slice(int(end) - small - (i < longer), int(end)) for i, end in enumerate(ends)]


def adjacent(blocks: Sequence[Tensor]) -> Tensor:
    """Return the stretch of memory that contiguous tensors, one next to the other, fill together."""
    return blocks[0].as_strided((sum(block.numel() for block in blocks),), (1,))


class Buffers:
    """Scratch memory by name."""

    def __init__(self) -> None:
        self._memory: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def __call__(self, name: str, elements: int, like: Tensor) -> Tensor:
        """Return uninitialised (elements,) memory, the same memory whenever the name is the same."""
        key = (name, like.dtype, like.device)
        if key not in self._memory or self._memory[key].numel() < elements:
            self._memory[key] = torch.empty(elements, dtype=like.dtype, device=like.device)
        return self._memory[key][:elements]


def ordered_mean(blocks: Sequence[Tensor], out: Tensor) -> Tensor:
    """Write the mean of equally shaped 1-d blocks into `out`, adding in the order given."""
    parts = chunks(out)
    for part in parts:
        total = out[part]
        first, *others = blocks if len(parts) == 1 else [block[part] for block in blocks]
        total.copy_(first)
        for block in others:
            total.add_(block)
        if others:
            total.div_(len(blocks))
    return out


def weighted_sums(
    rows: Mapping[int, Tensor],
    weights: NDArray[np.float64],
    targets: Sequence[int],
    outputs: Sequence[Tensor],
    buffer: Callable[[int], Tensor],
) -> None:
    """Write sum_j W[j, i] rows[j] into one output for every target i, adding in ascending order of j.

    Outputs may be among the rows. Scratch memory of so many elements is taken from `buffer`.
    """
    if len(targets) == 1:
        mix_row(rows, weights[:, targets[0]], targets[0], outputs[0], buffer)
    elif targets:
        mix_rows(rows, weights, targets, outputs, buffer)


def mix_row(
    rows: Mapping[int, Tensor], column: NDArray[np.float64], i: int, out: Tensor, buffer: Callable[[int], Tensor]
) -> None:
    """Write sum_j column[j] rows[j] into `out`, which may be row i, in few long passes: the fastest way for one sum.

    If the first term is row i, the sum is accumulated in `out`; otherwise in scratch memory, and written with its last
    term.
    """
    terms = _terms(column, i)
    for part in chunks(out, BIG_CHUNK):
        total = out[part] if terms[0][0] == i else buffer(part.stop - part.start)
        _add(terms, {j: rows[j][part] for j, _ in terms}, total, out[part])


def mix_rows(
    rows: Mapping[int, Tensor],
    weights: NDArray[np.float64],
    targets: Sequence[int],
    outputs: Sequence[Tensor],
    buffer: Callable[[int], Tensor],
) -> None:
    """Do what `weighted_sums` says for several targets, chunk by chunk.

    The sums of a chunk stay in scratch memory until no row is needed any more, then go to the outputs.
    """
    terms = [_terms(weights[:, i], i) for i in targets]
    for part in chunks(outputs[0]):
        width = part.stop - part.start
        totals = buffer(len(targets) * width).view(-1, width)
        for term, total in zip(terms, totals, strict=True):
            _add(term, {j: rows[j][part] for j, _ in term}, total, total)
        for output, total in zip(outputs, totals, strict=True):
            output[part].copy_(total)


def _terms(column: NDArray[np.float64], own: int) -> list[tuple[int, float]]:
    """Return the rows of a sum with their weights; one of weight zero if there is no other."""
    return [(j, float(column[j])) for j in np.flatnonzero(column).tolist() or [own]]


def _add(terms: Sequence[tuple[int, float]], rows: Mapping[int, Tensor], total: Tensor, out: Tensor) -> None:
    """Write a weighted sum of rows into `out`, with intermediate sums in `total`."""
    for position, (j, weight) in enumerate(terms, start=1):
        target = out if position == len(terms) else total
        if position == 1:
            torch.mul(rows[j], weight, out=target)
        else:
            torch.add(total, rows[j], alpha=weight, out=target)
