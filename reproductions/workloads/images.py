"""Image classification: what digits, CIFAR-10 and ImageNet share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from algorithms.streams import stream
from reproductions.workloads.base import Indices, evaluating

Pixels = NDArray[np.uint8]
Draws = NDArray[np.int64]
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

    def training_loss(self, model: nn.Module, part: slice = slice(None)) -> float:
        """Return the mean cross entropy on the training images, or a part of them, not augmented, in nats."""
        return _scores(model, self._train(part))[0]

    @abstractmethod
    def _train(self, part: slice = slice(None)) -> Batches:
        """Return the training images in order, or a part of them, not augmented."""

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


class Augmentation(Protocol):
    """A random change of training images: what is drawn, and how it is applied wherever the images are."""

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Return what is random about `count` images, (k, count)."""

    def apply(self, pixels: Tensor, draws: Tensor) -> Tensor:
        """Return the changed images, (B, H, W, C) uint8 as given; `draws` is (k, B), on their device."""


@dataclass(frozen=True, eq=False)
class ImageTask(Classification):
    """Classification of images that live on the device of the models, as bytes; see `base.Task`.

    Inputs are float32 (B, C, H, W), on the CPU in channels_last format: pixels, less the mean training image, over
    `scale`.

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
        Changes training batches before the mean is subtracted, or None.
    device
        Where models and images live.
    onednn
        See `base.Task.onednn`.
    """

    label: str
    train: Images
    test: Images
    net: Callable[[], nn.Module]
    scale: float
    augment: Augmentation | None = None
    device: str = "cpu"
    onednn: bool = True
    even: ClassVar[bool] = True
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
        return self.batches({worker: indices}, seed, step)[0]

    def batches(self, indices: Mapping[int, Indices], seed: int, step: int) -> list[tuple[Tensor, Tensor]]:
        """Return images and class indices of several workers, gathered at once: on a GPU in a handful of kernels."""
        if not indices:  # a rank may hold auxiliary variables only
            return []
        images, labels = self._resident[0]
        chosen = self._upload(np.concatenate(list(indices.values())))
        pixels = images[chosen]
        if self.augment:
            draws = [
                self.augment.draw(stream(seed, "augment", worker, step), len(own)) for worker, own in indices.items()
            ]
            pixels = self.augment.apply(pixels, self._upload(np.concatenate(draws, axis=1)))
        sizes = [len(own) for own in indices.values()]
        return list(zip(torch.split(self._input(pixels), sizes), torch.split(labels[chosen], sizes), strict=True))

    def specimen(self, size: int) -> tuple[Tensor, Tensor]:
        """See `base.Task.specimen`."""
        images = torch.empty((size, *self.train.pixels.shape[1:]), device="meta")
        return images.permute(0, 3, 1, 2), torch.empty(size, dtype=torch.int64, device="meta")

    def sorted_by_class(self) -> Indices:
        """See `base.Task.sorted_by_class`."""
        return np.argsort(self.train.labels, kind="stable")

    def _train(self, part: slice = slice(None)) -> Batches:
        return self._in_order(*(rows[part] for rows in self._resident[0]))

    def _test(self) -> Batches:
        return self._in_order(*self._resident[1])

    def _in_order(self, pixels: Tensor, labels: Tensor) -> Batches:
        parts = zip(*(torch.split(rows, _EVALUATION_BATCH) for rows in (pixels, labels)), strict=True)
        return ((self._input(images), classes) for images, classes in parts)

    @cached_property
    def _resident(self) -> list[tuple[Tensor, Tensor]]:
        """Pixels (N, H, W, C) uint8 and labels (N,) int64 of both sets, on the device."""
        sets = (self.train, self.test)
        return [tuple(torch.from_numpy(array).to(self.device) for array in images) for images in sets]  # type: ignore[misc]

    @cached_property
    def _mean(self) -> Tensor:
        return torch.from_numpy(self.mean).to(self.device)

    def _upload(self, array: NDArray[np.int64]) -> Tensor:
        """Bring indices or draws to the images, without waiting for the GPU."""
        tensor = torch.from_numpy(array)
        return tensor if self.device == "cpu" else tensor.pin_memory().to(self.device, non_blocking=True)

    def _input(self, pixels: Tensor) -> Tensor:
        # the axes move, the memory stays: this is what torch calls channels_last, and fastest on a CPU. A GPU has its
        # kernels for channels_last in tensor cores, which the reference precision does not use
        inputs = pixels.sub(self._mean).mul_(1 / self.scale).permute(0, 3, 1, 2)
        return inputs if self.device == "cpu" else inputs.contiguous()
