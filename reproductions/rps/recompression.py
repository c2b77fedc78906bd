"""CIFAR-10 compressed once more: how far its images move, and what a network makes of them.

Where only a JPEG copy of CIFAR-10 is at hand, what the loss of the first JPEG does to a late training loss cannot be
seen. What another JPEG on top of it does can.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from algorithms.rps import ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.harness.context import Context
from reproductions.harness.experiment import Experiment
from reproductions.harness.settings import Settings
from reproductions.harness.training import Training
from reproductions.rps.distortion import estimated_rmse, halved, rmse
from reproductions.rps.grids import NODES, RECIPES
from reproductions.workloads import cifar_files
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.images import Images, Pixels
from reproductions.workloads.jpeg import compressed, recompressed, tables
from reproductions.workloads.vgg import Vgg

QUALITIES = (75, 50, 30, 15)
LADDER = (None, *QUALITIES)
COMPARED = 5_000  # images among which the nearest are sought


class Sizes(NamedTuple):
    """What a run takes."""

    train: int
    test: int
    batch: int
    epochs: int


# with and without augmentation: as few images and epochs as lead to losses as low as those that the papers print, by
# runs on the data as they are
SMALL = {True: Sizes(500, 1_000, 16, 160), False: Sizes(2_000, 1_000, 32, 32)}


@dataclass(frozen=True)
class KnownOriginals(Experiment):
    """JPEG of images whose originals are known, and the estimate that does without these.

    Logs ``known`` and ``estimated`` distance in grey levels; the step is the quality.

    Parameters
    ----------
    source
        ``photographs``: the two that come with scikit-learn, at a third of their size, cut into images of 32x32;
        ``cifar10``: its first images at half their size, where the chroma that JPEG kept at half the size is whole.
    qualities
        Where they are compressed.
    """

    source: Literal["photographs", "cifar10"]
    qualities: tuple[int, ...] = (90, *QUALITIES)
    solo: ClassVar[bool] = True

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def checksum(self, data: Path | None) -> str:
        """Return the checksum of the images."""
        return "" if self.source == "photographs" else Cifar10().checksum(data)

    def execute(self, context: Context) -> None:
        """Compress at every quality."""
        label, originals = ("photographs", photographs()) if self.source == "photographs" else _half_size(context.data)
        context.notes["workload"] = label
        for quality in self.qualities:
            images = compressed(originals, quality)
            distances = {"known": rmse(images, originals), "estimated": estimated_rmse(images, *tables(quality))}
            context.log(quality, distances)


@dataclass(frozen=True)
class Recompressed(Experiment):
    """All training images of CIFAR-10, compressed once more.

    Logs ``first``, the estimated distance of the data from what they were before their own JPEG, at step 0. For the
    data as they are (step 100) and every quality (its step): ``added``, their distance from the data; ``conflicts``,
    the number of images that are identical to one with another label; ``nearest``, the distance between the nearest
    two of 5,000 images with different labels. Distances are root mean squares in grey levels.
    """

    qualities: tuple[int, ...] = QUALITIES
    solo: ClassVar[bool] = True

    @property
    def workers(self) -> int:
        """One."""
        return 1

    @property
    def cost(self) -> float:
        """A fifth of a millisecond for each image, and the search for the nearest."""
        return 20.0 * (len(self.qualities) + 1)

    def checksum(self, data: Path | None) -> str:
        """Return the checksum of the data."""
        return Cifar10().checksum(data)

    def execute(self, context: Context) -> None:
        """Compress at every quality."""
        label, train, _ = cifar_files.read(cifar_files.locate(context.data), None, 1)
        context.notes["workload"] = label
        context.log(0, {"first": first_distortion(label, train.pixels)})
        for quality in (100, *self.qualities):
            pixels = train.pixels if quality == 100 else recompressed(train.pixels, quality)
            images = Images(pixels, train.labels)
            found = {"conflicts": conflicts(images), "nearest": nearest(images)}
            context.log(quality, {"added": rmse(pixels, train.pixels)} | found)


@dataclass(frozen=True)
class Alone(Training):
    """Training of one worker, so short that ranks would mostly wait for each other."""

    solo: ClassVar[bool] = True


def runs_at(settings: Settings, quality: int | None, augment: bool) -> list[Training]:
    """Return the runs, one a seed, on images of one quality; they differ from those of another in nothing else.

    The paper's scale has the paper's setting, all messages delivered. Elsewhere one worker trains a VGG-11 of an eighth
    of the width.
    """
    if settings.scale == "paper":
        right = [RECIPES["ResNet20", "paper"].training(1.0, seed, NODES) for seed in range(settings.seeds)]
        return [replace(run, workload=Cifar10(augment=augment, recompress=quality)) for run in right]
    train, test, batch, epochs = SMALL[augment]
    schedule = StepDecay(peak=0.1, warmup=epochs / 32, start=0.01, milestones=(epochs / 2, 3 * epochs / 4))
    workload = Cifar10(Vgg(11, width=8), train, test, augment, quality)
    alone = Alone(ModelAveraging(), workload, schedule, 1, batch, epochs, seed=0, evaluate_every=epochs)
    return [replace(alone, seed=seed, evaluate_train=True) for seed in range(settings.seeds)]


def photographs() -> Pixels:
    """Return images (N, 32, 32, 3) cut from scikit-learn's photographs at a third of their size."""
    from sklearn.datasets import load_sample_images

    tiles = []
    for photograph in load_sample_images().images:
        rows, columns = (length // 96 for length in photograph.shape[:2])
        blocks = photograph[: 96 * rows, : 96 * columns].reshape(rows, 32, 3, columns, 32, 3, 3)
        small = np.rint(blocks.mean(axis=(2, 5))).astype(np.uint8)
        tiles.append(small.swapaxes(1, 2).reshape(-1, 32, 32, 3))
    return np.concatenate(tiles)


def _half_size(data: Path | None) -> tuple[str, Pixels]:
    label, train, _ = cifar_files.read(cifar_files.locate(data), None, 1)
    colours = [halved(train.pixels[:COMPARED, ..., colour].astype(np.float64)) for colour in range(3)]
    return f"{label} at half its size", np.rint(np.stack(colours, axis=3)).astype(np.uint8)


def first_distortion(label: str, pixels: Pixels) -> float:
    """Return the estimated distance of the data from what they were before the JPEG that their label names; else 0."""
    _, _, quality = label.partition("-jpeg")
    return estimated_rmse(pixels, *tables(int(quality))) if quality else 0.0


def conflicts(images: Images) -> int:
    """Count the images that are identical to one with another label."""
    labels = defaultdict(list)
    for image, label in zip(images.pixels, images.labels, strict=True):
        labels[hashlib.sha256(image.tobytes()).digest()].append(int(label))
    return sum(len(same) for same in labels.values() if len(set(same)) > 1)


def nearest(images: Images) -> float:
    """Return the distance in grey levels of the nearest two of the first 5,000 images that have different labels."""
    rows = images.pixels[:COMPARED].reshape(min(COMPARED, len(images.labels)), -1).astype(np.float32)
    labels, squares = images.labels[: len(rows)], np.square(rows, dtype=np.float32).sum(axis=1, dtype=np.float64)
    best = (np.inf, 0, 0)
    for start in range(0, len(rows), 500):
        part = slice(start, start + 500)
        apart = squares[part, None] + squares - 2.0 * (rows[part] @ rows.T)
        apart[labels[part, None] == labels] = np.inf
        i, j = np.unravel_index(int(apart.argmin()), apart.shape)
        best = min(best, (float(apart[i, j]), start + int(i), int(j)))
    _, one, other = best
    return rmse(images.pixels[one], images.pixels[other])  # exactly: the search rounds
