"""Precision of a session: bfloat16 where the paper's networks are trained on a CPU that is faster by it."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

WORTH = 1.2  # times as fast as float32


def default(scale: str, device: str) -> str:
    """Return the precision of a session that asks for none: at small scale on a CPU, the faster one by measurement."""
    return "bfloat16" if scale == "small" and device == "cpu" and gain() > WORTH else "float32"


@functools.cache
def gain(looks: int = 3) -> float:
    """Measure how many times as fast one core is in bfloat16: gradients of a convolution of ResNet-20, 32 images."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = {kind: min(_seconds(kind) for _ in range(looks)) for kind in (torch.float32, torch.bfloat16)}
    finally:
        torch.set_num_threads(threads)
    return seconds[torch.float32] / seconds[torch.bfloat16]


def _seconds(kind: torch.dtype, repeats: int = 10) -> float:
    import torch
    from torch.nn import functional

    generator = torch.Generator().manual_seed(0)
    images = torch.randn(32, 32, 16, 16, generator=generator).contiguous(memory_format=torch.channels_last).to(kind)
    weights = torch.randn(32, 32, 3, 3, generator=generator).to(kind)
    images.requires_grad_()
    weights.requires_grad_()
    start = time.process_time()  # of this process: what else the machine does says nothing about its arithmetic
    for _ in range(repeats):
        functional.conv2d(images, weights, padding=1).sum().backward()  # type: ignore[no-untyped-call]
    return time.process_time() - start
