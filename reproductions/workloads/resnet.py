"""Residual networks for small images (He et al. 2016, section 4.2), as CNTK's CIFAR-10 example builds them.

Differences from the paper's option A: the shortcut of a stage change is a 1x1 convolution with batch norm. Convolutions
start He-normal, the last layer Glorot-uniform with zero bias.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CNTK_BN_MOMENTUM = 1 - math.exp(-32 / 4096)
"""CNTK's time constant of 4096 samples as torch's momentum (the new batch's weight) at 32 samples per worker."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut: (B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int, bn_momentum: float) -> None:
        super().__init__()
        self.first = _conv_bn(inputs, outputs, 3, stride, bn_momentum)
        self.second = _conv_bn(outputs, outputs, 3, 1, bn_momentum)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _conv_bn(inputs, outputs, 1, stride, bn_momentum)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x))."""
        residual = self.second(torch.relu_(self.first(x)))
        return torch.relu_(residual.add_(self.shortcut(x)))


def residual_net(
    channels: int, stem: tuple[int, int], blocks: Sequence[tuple[int, int]], classes: int, bn_momentum: float
) -> nn.Sequential:
    """Return a stem convolution, basic blocks, global average pooling and a linear layer.

    Parameters
    ----------
    channels
        Channels of the input images.
    stem, blocks
        (output channels, stride) of the first convolution and of each block.
    classes
        Number of outputs.
    bn_momentum
        Weight of the new batch in the running statistics, as torch counts it.
    """
    layers: list[nn.Module] = [_conv_bn(channels, stem[0], 3, stem[1], bn_momentum), nn.ReLU(inplace=True)]
    width = stem[0]
    for outputs, stride in blocks:
        layers.append(BasicBlock(width, outputs, stride, bn_momentum))
        width = outputs
    last = nn.Linear(width, classes)
    nn.init.xavier_uniform_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)


@dataclass(frozen=True)
class ResNet:
    """The ResNet of `depth` = 6n+2 layers for (B, 3, 32, 32) images.

    Parameters
    ----------
    depth
        Layers.
    width
        Channels of the first stage.
    bn_momentum
        Weight of the new batch in the running statistics; raise it for runs of a few hundred steps.

    Raises
    ------
    ValueError
        If `depth` is not 6n+2 with n >= 1.
    """

    depth: int = 20
    width: int = 16
    bn_momentum: float = CNTK_BN_MOMENTUM

    def __post_init__(self) -> None:
        if self.depth < 8 or self.depth % 6 != 2:
            raise ValueError(
                f"depth is {self.depth}, but a CIFAR ResNet has 6n+2 layers: 8, 14, 20, 32, 44, 56, 110, ..."
            )

    @property
    def sample_seconds(self) -> float:
        """Rough time of one CPU core for the gradient of one sample."""
        return 2.7e-3 * (self.depth / 20) * (self.width / 16)

    def build(self, classes: int = 10) -> nn.Sequential:
        """Return a fresh network."""
        per_stage = (self.depth - 2) // 6
        blocks = [(self.width * 2**stage, 1 + (stage > 0 and k == 0)) for stage in range(3) for k in range(per_stage)]
        return residual_net(3, (self.width, 1), blocks, classes, self.bn_momentum)


@dataclass(frozen=True)
class ResNet34:
    """ResNet-34 for (B, 3, 32, 32) images: a 3x3 stem without pooling, stages of 3, 4, 6 and 3 basic blocks.

    Parameters
    ----------
    width
        Channels of the first stage, 64 in the published network; they double from stage to stage.
    bn_momentum
        Weight of the new batch in the running statistics.
    """

    width: int = 64
    bn_momentum: float = 0.1

    @property
    def sample_seconds(self) -> float:
        """Rough time of one CPU core for the gradient of one sample."""
        return float(7e-2 * (self.width / 64) ** 1.5)

    def build(self, classes: int = 10) -> nn.Sequential:
        """Return a fresh network."""
        blocks = [
            (self.width * 2**stage, 1 + (stage > 0 and k == 0))
            for stage, count in enumerate((3, 4, 6, 3))
            for k in range(count)
        ]
        return residual_net(3, (self.width, 1), blocks, classes, self.bn_momentum)


def _conv_bn(inputs: int, outputs: int, size: int, stride: int, bn_momentum: float) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs, momentum=bn_momentum))
