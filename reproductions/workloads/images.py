"""Image classification: what digits, CIFAR-10 and ImageNet share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from algorithms.streams import stream
from reproductions.workloads.base import Indices, evaluating

Pixels = NDArray[np.uint8]
Batches = Iterator[tuple[Tensor, Tensor]]
"""Images (B, C, H, W) and class indices (B,)."""

_EVALUATION_BATCH = 500  # keeps the activations of a ResNet near the cache


class Images(NamedTuple):
    """Labelled images: pixels (N, H, W, C) uint8, labels (N,) int64."""

    pixels: Pixels
    labels: NDArray[np.int64]


class Classification(ABC):
    """What `base.Task` asks of any classification: loss and accuracy over the batches of `_train` and `_test`."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross entropy in nats."""
        return functional.cross_entropy(output, target)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return the mean ``test_loss`` in nats and the top-1 ``test_accuracy`` in [0, 1]."""
        loss, accuracy = _scores(model, self._test())
        return {"test_loss": loss, "test_accuracy": accuracy}

    def training_scores(self, model: nn.Module) -> tuple[float, float]:
        """Return the mean cross entropy in nats and the accuracy on the training images, not augmented."""
        return _scores(model, self._train())

    def training_loss(self, model: nn.Module) -> float:
        """Return the mean cross entropy on the training images, not augmented, in nats."""
        return self.training_scores(model)[0]

    @abstractmethod
    def _train(self) -> Batches:
        """Return the training images in order, not augmented."""

    @abstractmethod
    def _test(self) -> Batches:
        """Return the test images in order."""


def _scores(model: nn.Module, batches: Batches) -> tuple[float, float]:
    loss = right = 0.0
    count = 0
    with evaluating(model) as device:
        for images, labels in batches:
            output, target = model(images.to(device)), labels.to(device)
            loss += float(functional.cross_entropy(output, target, reduction="sum"))
            right += float((output.argmax(dim=1) == target).sum())
            count += len(labels)
    return loss / count, right / count


@dataclass(frozen=True, eq=False)
class ImageTask(Classification):
    """Classification of images; see `base.Task`.

    Inputs are float32 (B, C, H, W) in channels_last format: pixels, less the mean training image, over `scale`.

    Parameters
    ----------
    label
        What was loaded.
    train, test
        The images.
    net
        Builds a model.
    scale
        Divides the pixels.
    augment
        Changes a training batch (B, H, W, C) before the mean is subtracted, or None.
    device
        Where models live.
    onednn
        See `base.Task.onednn`.
    """

    label: str
    train: Images
    test: Images
    net: Callable[[], nn.Module]
    scale: float
    augment: Callable[[Pixels, np.random.Generator], Pixels] | None = None
    device: str = "cpu"
    onednn: bool = True
    evaluation_batch: ClassVar[int] = _EVALUATION_BATCH

    @property
    def train_size(self) -> int:
        """Number of training images."""
        return len(self.train.labels)

    @cached_property
    def mean(self) -> NDArray[np.float32]:
        """Mean training image, (H, W, C)."""
        return np.asarray(self.train.pixels.mean(axis=0, dtype=np.float64), np.float32)

    def model(self) -> nn.Module:
        """Return a fresh model; built on the CPU, so that its start does not depend on the device."""
        return self.net().to(self.device)

    def batch(self, indices: Indices, seed: int, worker: int, step: int) -> tuple[Tensor, Tensor]:
        """Return images (B, C, H, W) and class indices (B,)."""
        pixels = self.train.pixels[indices]
        if self.augment:
            pixels = self.augment(pixels, stream(seed, "augment", worker, step))
        return self._input(pixels), torch.from_numpy(self.train.labels[indices])

    def specimen(self, size: int) -> tuple[Tensor, Tensor]:
        """See `base.Task.specimen`."""
        images = torch.empty((size, *self.train.pixels.shape[1:]), device="meta")
        return images.permute(0, 3, 1, 2), torch.empty(size, dtype=torch.int64, device="meta")

    def _train(self) -> Batches:
        return self._in_order(self.train)

    def _test(self) -> Batches:
        return self._in_order(self.test)

    def _in_order(self, images: Images) -> Batches:
        for start in range(0, len(images.labels), _EVALUATION_BATCH):
            part = slice(start, start + _EVALUATION_BATCH)
            yield self._input(images.pixels[part]), torch.from_numpy(images.labels[part])

    def _input(self, pixels: Pixels) -> Tensor:
        values = pixels - self.mean
        values *= np.float32(1 / self.scale)
        # the axes move, the memory stays: this is what torch calls channels_last
        return torch.from_numpy(values).permute(0, 3, 1, 2)
