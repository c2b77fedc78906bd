"""Blocks of flat vectors: how they are cut, and their mean in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def chunks(row: Tensor) -> list[slice]:
    """Cut a 1-d row into pieces that stay in the cache of a CPU between additions; a GPU takes it whole."""
    size = 1 << 15 if row.device.type == "cpu" else max(1, row.numel())
    return [slice(start, min(start + size, row.numel())) for start in range(0, row.numel(), size)]


def partition(length: int, parts: int) -> list[slice]:
    """Cut ``range(length)`` into contiguous slices whose lengths differ by at most one, longer ones first."""
    small, longer = divmod(length, parts)
    ends = np.cumsum([small + (i < longer) for i in range(parts)])
    return [slice(int(end) - small - (i < longer), int(end)) for i, end in enumerate(ends)]


def ordered_mean(blocks: Sequence[Tensor], out: Tensor) -> Tensor:
    """Write the mean of equally shaped 1-d blocks into `out`, adding in the order given."""
    for part in chunks(out):
        total = out[part]
        total.copy_(blocks[0][part])
        for block in blocks[1:]:
            total.add_(block[part])
        if len(blocks) > 1:
            total.div_(len(blocks))
    return out


def weighted_sums(
    rows: Mapping[int, Tensor], columns: Sequence[NDArray[np.float64]], outputs: Sequence[Tensor], scratch: Tensor
) -> None:
    """Write sum_j column[j] rows[j] into one output for every column, adding in ascending order of j.

    Outputs may be among the rows: `scratch`, a chunk for every output, holds the sums until no row is needed any more.
    """
    if not outputs:
        return
    terms = [[(j, float(column[j])) for j in np.flatnonzero(column).tolist()] for column in columns]
    for part in chunks(outputs[0]):
        totals = scratch.view(len(outputs), -1)[:, : part.stop - part.start]
        for total, weighted in zip(totals, terms, strict=True):
            (first, weight), *others = weighted
            torch.mul(rows[first][part], weight, out=total)
            for j, weight in others:
                total.add_(rows[j][part], alpha=weight)
        for output, total in zip(outputs, totals, strict=True):
            output[part] = total
