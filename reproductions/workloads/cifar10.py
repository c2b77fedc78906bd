"""CIFAR-10, prepared as CNTK's example does.

Training images are padded to 40x40 with grey (128), cropped at random to 32x32 and flipped at random; then the mean
training image is subtracted (for a subset: its own mean) and all is divided by 256.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from reproductions.workloads import cifar_files
from reproductions.workloads.base import file_checksum
from reproductions.workloads.images import ImageTask, Pixels
from reproductions.workloads.jpeg import check_quality
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
    recompress
        Compress all images, which may be JPEG already, once more at this JPEG quality; None leaves them as they are.

    Raises
    ------
    ValueError
        If `recompress` is not in 1 to 100.
    """

    name: ClassVar[str] = "cifar10"
    net: ResNet | ResNet34 | Vgg = field(default_factory=ResNet)
    train_size: int | None = None
    test_size: int | None = None
    augment: bool = True
    recompress: int | None = None

    def __post_init__(self) -> None:
        if self.recompress is not None:
            check_quality(self.recompress)

    @property
    def epoch_seconds(self) -> float:
        """See `Workload.epoch_seconds`."""
        return self.net.sample_seconds * (self.train_size or 50_000)

    def load(self, data: Path | None, device: str = "cpu") -> ImageTask:
        """Read and decode the images; `DataError` if that fails or there are fewer than asked for."""
        files = cifar_files.locate(data)
        label, train, test = cifar_files.read(files, self.train_size, self.test_size, self.recompress)
        return ImageTask(label, train, test, self.net.build, 256.0, crop_and_flip if self.augment else None, device)

    def checksum(self, data: Path | None) -> str:
        """Return the SHA-256 of the files; `DataError` if they are not there."""
        return file_checksum(cifar_files.locate(data).files)


def crop_and_flip(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return `pixels` (B, H, W, C) shifted by up to 4 pixels each way over grey and mirrored with probability 1/2."""
    count = len(pixels)
    edges = ((0, 0), (_PAD, _PAD), (_PAD, _PAD), (0, 0))
    windows = sliding_window_view(np.pad(pixels, edges, constant_values=_GREY), pixels.shape[1:], axis=(1, 2, 3))
    top, left = rng.integers(2 * _PAD + 1, size=(2, count))
    cropped: Pixels = windows[np.arange(count), top, left, 0]
    mirrored = rng.random(count) < 0.5
    cropped[mirrored] = cropped[mirrored, :, ::-1]
    return cropped
