"""CIFAR-10, prepared as CNTK's example does.

Training images are padded to 40x40 with grey (128), cropped at random to 32x32 and flipped at random; then the mean
training image is subtracted (for a subset: its own mean) and all is divided by 256.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reproductions.workloads import cifar_files
from reproductions.workloads.base import file_checksum
from reproductions.workloads.images import Draws, ImageTask
from reproductions.workloads.resnet import ResNet, ResNet34
from reproductions.workloads.vgg import Vgg

_PAD = 4
_GREY = 128  # CNTK pads the stored images with it, before the mean is known


@dataclass(frozen=True)
class Cifar10:
    """Classify CIFAR-10.

    Parameters
    ----------
    net
        What classifies.
    train_size, test_size
        Take a subset of this many images, the same for every seed; None takes all.
    augment
        Crop and flip training images.
    """

    name: ClassVar[str] = "cifar10"
    tiny: ClassVar[bool] = False
    net: ResNet | ResNet34 | Vgg = field(default_factory=ResNet)
    train_size: int | None = None
    test_size: int | None = None
    augment: bool = True

    @property
    def epoch_samples(self) -> int:
        """See `Workload.epoch_samples`."""
        return self.train_size or 50_000

    @property
    def epoch_seconds(self) -> float:
        """See `Workload.epoch_seconds`."""
        return self.net.sample_seconds * self.epoch_samples

    def load(self, data: Path | None, device: str = "cpu") -> ImageTask:
        """Read and decode the images; `DataError` if that fails or there are fewer than asked for."""
        files = cifar_files.locate(data)
        label, train, test = cifar_files.read(files, self.train_size, self.test_size)
        return ImageTask(label, train, test, self.net.build, 256.0, CropAndFlip() if self.augment else None, device)

    def checksum(self, data: Path | None) -> str:
        """Return the SHA-256 of the files; `DataError` if they are not there."""
        return file_checksum(cifar_files.locate(data).files)


class CropAndFlip:
    """Shift images by up to 4 pixels each way over grey, and mirror them with probability 1/2; see `Augmentation`."""

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Return top, left and whether mirrored, (3, count)."""
        corners = rng.integers(2 * _PAD + 1, size=(2, count))
        return np.vstack([corners, rng.random(count) < 0.5])

    def apply(self, pixels: Tensor, draws: Tensor) -> Tensor:
        """Return the windows of the padded images."""
        count, height, width = pixels.shape[:3]
        padded = functional.pad(pixels, (0, 0, _PAD, _PAD, _PAD, _PAD), value=_GREY)
        top, left, mirrored = draws[:, :, None]
        rows, columns = (torch.arange(size, device=pixels.device) for size in (height, width))
        columns = left + torch.where(mirrored > 0, width - 1 - columns, columns)
        images = torch.arange(count, device=pixels.device)
        return padded[images[:, None, None], (top + rows)[:, :, None], columns[:, None, :]]
