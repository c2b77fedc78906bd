"""scikit-learn's handwritten digits: 1797 real 8x8 images without a download, for the smoke scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import nn

from algorithms.streams import stream
from reproductions.workloads.images import Images, ImageTask
from reproductions.workloads.resnet import residual_net

Net = Literal["small", "deep", "plain", "linear", "mlp"]
_TRAIN = 1437
_BN_MOMENTUM = 0.1  # runs last some hundred steps: CNTK's time constant would not have settled by then


@dataclass(frozen=True)
class Digits:
    """Classify digits; the split into 1437 training and 360 test images is the same for every seed.

    Parameters
    ----------
    net
        ``small`` is a residual net of 3 convolutions with batch norm that stands in for ResNet-20, ``deep`` one of 5
        that stands in for ResNet-110, ``plain`` has 2 convolutions with batch norm and stands in for VGG-16, ``mlp``
        has one hidden layer of 32, ``linear`` has none.
    label_noise
        Fraction of the training labels that are drawn anew, the same for every seed. With it gradients stay noisy at
        the minimum, and a constant step size ends at a floor rather than at zero loss.
    """

    name: ClassVar[str] = "digits"
    tiny: ClassVar[bool] = True
    net: Net = "small"
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        if self.net not in get_args(Net):
            raise ValueError(f"net is {self.net!r}, but digits has {', '.join(get_args(Net))}")
        if not 0 <= self.label_noise <= 1:
            raise ValueError(f"label_noise is {self.label_noise}, but a fraction lies in [0, 1]")

    @property
    def epoch_samples(self) -> int:
        """See `Workload.epoch_samples`."""
        return _TRAIN

    @property
    def epoch_seconds(self) -> float:
        """See `Workload.epoch_seconds`."""
        return {"linear": 0.02, "mlp": 0.03, "small": 0.2, "plain": 0.12, "deep": 0.3}[self.net]

    def load(self, data: Path | None = None, device: str = "cpu") -> ImageTask:
        """Return the task; `data` is not used."""
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        pixels, labels = images.astype(np.uint8).reshape(-1, 8, 8, 1), labels.astype(np.int64)
        order = stream(0, "digits-split").permutation(len(labels))
        train, test = (Images(pixels[part], labels[part]) for part in (order[:_TRAIN], order[_TRAIN:]))
        train = train._replace(labels=_noisy(train.labels, self.label_noise))
        label = f"digits, {self.label_noise:.0%} label noise" if self.label_noise else "digits"
        return ImageTask(label, train, test, partial(_build, self.net), scale=16.0, device=device, onednn=False)

    def checksum(self, data: Path | None = None) -> str:
        """Return a name: the images come with scikit-learn, whose version is part of the key of every run."""
        return "digits"


def _noisy(labels: NDArray[np.int64], fraction: float) -> NDArray[np.int64]:
    rng = stream(0, "digits-noise")
    return np.where(rng.random(len(labels)) < fraction, rng.integers(10, size=len(labels)), labels)


def _build(net: Net) -> nn.Module:
    if net == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    if net == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    if net == "plain":
        return nn.Sequential(*_conv(1, 16, 2), *_conv(16, 16, 1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10))
    # the stride sits in the stem: identity shortcuts save a third of the time of a step
    blocks = [(16, 1)] * (2 if net == "deep" else 1)
    return residual_net(1, (16, 2), blocks, 10, _BN_MOMENTUM)


def _conv(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
    return [conv, nn.BatchNorm2d(outputs, momentum=_BN_MOMENTUM), nn.ReLU(inplace=True)]
