"""ImageNet from folders ``imagenet/train/<class>/*`` and ``imagenet/val/<class>/*``, with torchvision's ResNets.

Preparation of torchvision's reference recipe: a random crop of 8 to 100 % of the area, resized, and a random mirror in
training; a centre crop of the image resized to 8/7 of the size in evaluation; channel means and deviations of ImageNet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from algorithms.streams import torch_seed
from reproductions.workloads.base import DataError, Indices, OneByOne, missing
from reproductions.workloads.images import Batches, Classification

if TYPE_CHECKING:
    from torchvision.datasets import ImageFolder

Net = Literal["resnet18", "resnet50"]
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_EVALUATION_BATCH = 64


@dataclass(frozen=True)
class ImageNet:
    """Classify the images of two folders.

    Parameters
    ----------
    net
        Network of torchvision.
    pixels
        Width and height of the crops.
    """

    name: ClassVar[str] = "imagenet"
    tiny: ClassVar[bool] = False
    net: Net = "resnet18"
    pixels: int = 224

    def __post_init__(self) -> None:
        if self.net not in get_args(Net):
            raise ValueError(f"net is {self.net!r}, but ImageNet has {', '.join(get_args(Net))}")

    @property
    def epoch_samples(self) -> int:
        """See `Workload.epoch_samples`."""
        return 1_281_167

    @property
    def epoch_seconds(self) -> float:
        """See `Workload.epoch_seconds`."""
        return self.epoch_samples * (0.1 if self.net == "resnet18" else 0.25)

    def load(self, data: Path | None, device: str = "cpu") -> FolderTask:
        """List the images; `DataError` if there are none or the classes of both folders differ."""
        from torchvision.datasets import ImageFolder

        folder = _locate(data)
        try:
            train, test = (ImageFolder(str(folder / part)) for part in ("train", "val"))
        except FileNotFoundError as error:
            raise DataError(f"ImageNet in {folder} cannot be read: {error}.") from error
        if train.classes != test.classes:
            raise DataError(
                f"ImageNet in {folder} has {len(train.classes)} classes in train and {len(test.classes)} in val, "
                f"but both need the same folders: {sorted({*train.classes} ^ {*test.classes})[:3]} are in one only."
            )
        return FolderTask(train, test, self.net, self.pixels, device)

    def checksum(self, data: Path | None) -> str:
        """Return a SHA-256 of the names and sizes of all files: their contents are too many to read every time."""
        return _listing(_locate(data))


@dataclass(frozen=True, eq=False)
class FolderTask(Classification, OneByOne):
    """Classification of image files, which are read when they are needed; see `base.Task`."""

    train: ImageFolder
    test: ImageFolder
    net: Net
    pixels: int
    device: str
    label: ClassVar[str] = "imagenet"
    onednn: ClassVar[bool] = True
    even: ClassVar[bool] = True
    evaluation_batch: ClassVar[int] = _EVALUATION_BATCH

    @property
    def train_size(self) -> int:
        """Number of training images."""
        return len(self.train.samples)

    def model(self) -> nn.Module:
        """Return a fresh network."""
        from torchvision import models

        network: nn.Module = getattr(models, self.net)(num_classes=len(self.train.classes))
        return network.to(self.device)

    def batch(self, indices: Indices, seed: int, worker: int, step: int) -> tuple[Tensor, Tensor]:
        """Return images (B, 3, pixels, pixels), cropped and mirrored at random, and class indices (B,)."""
        from torchvision.transforms import v2

        crop = v2.Compose([v2.RandomResizedCrop(self.pixels, antialias=True), v2.RandomHorizontalFlip()])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed, "augment", worker, step))
            images, labels = self._read(self.train, indices.tolist(), crop)
        return images.to(self.device), labels.to(self.device)

    def specimen(self, size: int) -> tuple[Tensor, Tensor]:
        """See `base.Task.specimen`."""
        images = torch.empty(size, 3, self.pixels, self.pixels, device="meta")
        return images, torch.empty(size, dtype=torch.int64, device="meta")

    def sorted_by_class(self) -> Indices:
        """See `base.Task.sorted_by_class`."""
        return np.argsort(self.train.targets, kind="stable")

    def _train(self, part: slice = slice(None)) -> Batches:
        return self._in_order(self.train, part)

    def _test(self) -> Batches:
        return self._in_order(self.test)

    def _in_order(self, images: ImageFolder, part: slice = slice(None)) -> Batches:
        from torchvision.transforms import v2

        centre = v2.Compose([v2.Resize(self.pixels * 8 // 7, antialias=True), v2.CenterCrop(self.pixels)])
        chosen = range(len(images.samples))[part]
        for first in range(0, len(chosen), _EVALUATION_BATCH):
            yield self._read(images, list(chosen[first : first + _EVALUATION_BATCH]), centre)

    def _read(self, images: ImageFolder, indices: list[int], transform: nn.Module) -> tuple[Tensor, Tensor]:
        from torchvision.transforms.v2 import functional as vision

        pixels, labels = [], []
        for index in indices:
            path, label = images.samples[index]
            try:
                image = images.loader(path)
            except OSError as error:
                raise DataError(f"The image {path} cannot be read: {error}.") from error
            scaled = vision.to_dtype(vision.to_image(transform(image)), torch.float32, scale=True)
            pixels.append(vision.normalize(scaled, list(MEAN), list(DEVIATION)))
            labels.append(label)
        return torch.stack(pixels), torch.tensor(labels)


def _locate(data: Path | None) -> Path:
    candidates = [data / "imagenet", data] if data else []
    for folder in candidates:
        if (folder / "train").is_dir() and (folder / "val").is_dir():
            return folder
    raise missing(data, "ImageNet", "imagenet/train and imagenet/val with a folder of images for every class")


@lru_cache(maxsize=2)
def _listing(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*/*/*")):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
    return digest.hexdigest()
