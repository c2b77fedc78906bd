"""What a learning problem offers to a training loop.

A `Workload` is a frozen value that names a problem and takes part in the key of a run. `Workload.load` reads its data
and gives the `Task` that lives on a rank. Which samples a worker sees is decided in `sharding`, so that a loop does

    mine = shard(task.train_size, workers, worker, seed)
    x, y = task.batch(minibatch(mine, size, seed, worker, step), seed, worker, step)
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Indices = NDArray[np.int64]


class DataError(RuntimeError):
    """Data files are missing or damaged; the message is one sentence that names them."""


class Task(Protocol):
    """A loaded problem."""

    @property
    def label(self) -> str:
        """What was really loaded, such as ``cifar10``; goes with every result."""

    @property
    def train_size(self) -> int:
        """Number of training samples (images or sentences)."""

    @property
    def onednn(self) -> bool:
        """Whether oneDNN computes faster than torch's own kernels: not for the smallest convolutions."""

    @property
    def even(self) -> bool:
        """Whether all batches of so many samples have the same shape, as a CUDA graph needs it."""

    def model(self) -> nn.Module:
        """Return a fresh model on the task's device, initialised from torch's global CPU generator."""

    def batch(self, indices: Indices, seed: int, worker: int, step: int) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of the training samples `indices`, on the task's device.

        Augmentation, where there is any, is keyed by (seed, worker, step).
        """

    def batches(self, indices: Mapping[int, Indices], seed: int, step: int) -> list[tuple[Tensor, Tensor]]:
        """Return what `batch` returns for each of several workers."""

    @property
    def evaluation_batch(self) -> int:
        """Most samples of a batch in an evaluation."""

    def specimen(self, size: int) -> tuple[Tensor, Tensor]:
        """Return inputs and targets as large as those of any batch of `size` samples, on the device ``meta``."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of a batch."""

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Return ``test_loss``, ``test_accuracy`` and more, measured in eval mode on the whole test set.

        The training mode of every module is restored afterwards.
        """

    def training_scores(self, model: nn.Module) -> tuple[float, float]:
        """Return mean loss and accuracy on the whole training set in eval mode, without augmentation."""

    def training_loss(self, model: nn.Module, part: slice = slice(None)) -> float:
        """Return the mean loss of the training set, or of a part of it, in eval mode, without augmentation."""

    def sorted_by_class(self) -> Indices:
        """Return the training samples by class, (train_size,); a ValueError says that they have none."""


class OneByOne(ABC):
    """`Task.batches` for a task that gains nothing from making the batches of several workers together."""

    @abstractmethod
    def batch(self, indices: Indices, seed: int, worker: int, step: int) -> tuple[Tensor, Tensor]:
        """See `Task.batch`."""

    def batches(self, indices: Mapping[int, Indices], seed: int, step: int) -> list[tuple[Tensor, Tensor]]:
        """See `Task.batches`."""
        return [self.batch(own, seed, worker, step) for worker, own in indices.items()]


class Workload(Protocol):
    """A problem as a hashable, picklable value."""

    name: ClassVar[str]

    def __hash__(self) -> int:
        """Hash the settings: equal workloads are loaded once."""

    @property
    def epoch_samples(self) -> int:
        """Number of training samples."""

    @property
    def epoch_seconds(self) -> float:
        """Rough time of one CPU core for the gradients of all training samples; only for estimates."""

    @property
    def tiny(self) -> bool:
        """Whether its networks are so small that ranks that share them would mostly wait for each other."""

    def load(self, data: Path | None, device: str = "cpu") -> Task:
        """Read the data below the folder `data` (unused by embedded problems).

        Raises
        ------
        DataError
            If the data are not there or damaged.
        """

    def checksum(self, data: Path | None) -> str:
        """Return an identifier of the data that `load` would use; raises `DataError` if they are not there."""


@contextmanager
def kernels(task: Task) -> Iterator[None]:
    """Use the CPU kernels that suit a task: two choices that differ in their rounding, so a task always makes one."""
    with torch.backends.mkldnn.flags(enabled=task.onednn, allow_tf32=None):
        yield


def missing(data: Path | None, what: str, sought: str) -> DataError:
    """Return the error for data that were not found; `sought` names the files."""
    where = f"in {data}" if data else "but no data folder was given"
    return DataError(f"{what} was not found: looked for {sought}, {where}; name the folder with --data or REPRO_DATA.")


def file_checksum(paths: Sequence[Path]) -> str:
    """Return one SHA-256 of the contents of several files, in this order; `DataError` if one cannot be read."""
    try:
        digests = [_sha256(path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    except OSError as error:
        raise DataError(f"A data file cannot be read: {error}.") from error
    return hashlib.sha256("".join(digests).encode()).hexdigest()


@lru_cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    # size and time are part of the cache's key: a changed file is read again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[torch.device]:
    """Switch `model` to eval mode without gradients, give its device, restore the mode of every module."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield next(model.parameters()).device
    finally:
        for module, training in modes:
            module.training = training
