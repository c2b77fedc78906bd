"""Roofline: how fast a device can compute gradients at best, from its peak arithmetic and bandwidth.

``reproductions roofline`` prints the tables of docs/gpu.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from reproductions.experiments.gradient_cost import Cost, evaluation_peak, gradient_cost
from reproductions.experiments.memory_plan import memory_plan
from reproductions.workloads.images import ImageTask


@dataclass(frozen=True)
class Device:
    """What a data sheet says: floating point operations and bytes of memory traffic per second."""

    name: str
    flops: float
    bandwidth: float


H100 = Device("H100 SXM, float32", flops=66.9e12, bandwidth=3.35e12)
"""NVIDIA's data sheet: float32 without tensor cores, and HBM3."""

H100_TF32 = Device("H100 SXM, TF32", flops=494.7e12, bandwidth=3.35e12)
"""As `H100`, with tensor cores, for dense matrices (half of what the sheet prints for sparse ones)."""


@dataclass(frozen=True)
class Roofline:
    """Samples per second at which arithmetic or memory traffic alone would take all the time."""

    arithmetic: float
    bandwidth: float

    @property
    def rate(self) -> float:
        """Upper bound on samples per second: the tighter of the two limits."""
        return min(self.arithmetic, self.bandwidth)


def roofline(cost: Cost, device: Device) -> Roofline:
    """Return the limits of the rate of gradients.

    Arithmetic: products and convolutions as direct sums. A Winograd convolution multiplies less, 2.25 times for 3x3
    kernels and tiles of 2x2, and may exceed this limit. Bandwidth: parameters and the batch are read once, gradients
    are written once, what is saved for backward is written once and read once. Caches that keep it between forward and
    backward exceed this limit.
    """
    traffic = 2 * cost.parameters + cost.batch + 2 * cost.saved
    return Roofline(cost.samples * device.flops / cost.flops, cost.samples * device.bandwidth / traffic)


def image_cost(network: nn.Module, batch: int) -> Cost:
    """Return the cost of the gradient of a batch of 32x32 images."""
    labels = torch.empty(batch, dtype=torch.int64, device="meta")
    return gradient_cost(network.to("meta"), _images(batch), labels, functional.cross_entropy)


def _images(count: int) -> Tensor:
    return torch.empty(count, 32, 32, 3, device="meta").permute(0, 3, 1, 2)


# ------------------------------------------------------------------------------------------------------- the tables

BATCH, WORKERS, STREAMS = 32, 16, 4
CIFAR10 = 60_000 * (32 * 32 * 3 + 8)
"""Bytes of all pixels and labels."""
TARGETS = {"ResNet-20": 60_000, "ResNet-110": 11_000, "VGG-16": 40_000, "ResNet-34": 8_000}
"""Samples per second on one H100 that this project aims at, 16 workers."""


def roofline_table() -> str:
    """Return costs, limits and targets of the networks of the figures as a table in Markdown."""
    lines = [
        "| network | parameters | MFLOP a sample | saved MiB a replica | float32 | TF32 | bandwidth "
        "| target | of the float32 floor |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, network in _networks().items():
        cost = image_cost(network, BATCH)
        floor, faster, target = roofline(cost, H100), roofline(cost, H100_TF32), TARGETS[name]
        sizes = f"{cost.parameters // 4:,} | {cost.flops / BATCH / 1e6:,.0f} | {cost.saved / 2**20:.1f}"
        rates = " | ".join(_rounded(rate) for rate in (floor.arithmetic, faster.arithmetic, floor.bandwidth))
        lines.append(f"| {name} | {sizes} | {rates} | {target:,} | {target / floor.rate:.0%} |")
    return "\n".join(lines)


def plan_table() -> str:
    """Return memory plans of RPS on CIFAR-10 on one GPU, in GiB, as a table in Markdown."""
    lines = [
        f"| {WORKERS} workers on one GPU | replicas | state | activations | evaluation | data | GiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, network in _networks().items():
        evaluation = evaluation_peak(network.to("meta"), _images(ImageTask.evaluation_batch))
        cost = image_cost(network, BATCH)
        plan = memory_plan(cost, evaluation, CIFAR10, WORKERS, 1, STREAMS, True, lambda rows: ())
        sizes = " | ".join(f"{size / 2**30:.2f}" for size in (*plan.parts.values(), plan.total))
        lines.append(f"| {name} | {sizes} |")
    return "\n".join(lines)


def _rounded(rate: float) -> str:
    return f"{float(f'{rate:.3g}'):,.0f}"


def _networks() -> dict[str, nn.Module]:
    from reproductions.workloads.resnet import ResNet, ResNet34
    from reproductions.workloads.vgg import Vgg

    nets: tuple[ResNet | Vgg | ResNet34, ...] = (ResNet(20), ResNet(110), Vgg(16), ResNet34())
    return {name: net.build() for name, net in zip(TARGETS, nets, strict=True)}
