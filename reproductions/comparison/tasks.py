"""Tasks: what is learned. Small models, the gradients of all workers at once, three separate parts of the data."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.streams import stream
from reproductions.harness.runs.context import Context

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
Parts = dict[Part, tuple[Tensor, Tensor]]
Indices = NDArray[np.int64]


class RaceTask(ABC):
    """A problem as a frozen value.

    Attributes
    ----------
    batch
        Samples of a gradient.
    target
        Loss, as `losses` on the test part has it, that counts as reached.
    rates
        Smallest and largest step size that are tried.
    looks
        At how many moments a run is looked at.
    large
        Whether its gradients are what a run takes time for, so that their samples are counted before it starts.
    sample_seconds
        Rough time of one CPU core for the gradient of one sample, of a large task.
    """

    name: ClassVar[str]
    batch: ClassVar[int]
    target: ClassVar[float]
    rates: ClassVar[tuple[float, float]]
    looks: ClassVar[int] = 24
    large: ClassVar[bool] = False
    sample_seconds: ClassVar[float] = 0.0

    @contextmanager
    def ready(self, context: Context) -> Iterator[RaceTask]:
        """Give the task as it can be worked on, while its data are there; note what they are."""
        context.notes["workload"] = self.name
        yield self

    def checksum(self, data: Path | None) -> str:
        """See `Experiment.checksum`."""
        return ""

    def speed(self, context: Context) -> float:
        """See `Experiment.speed`; asked of a large task alone."""
        raise NotImplementedError(f"{self.name} is a small task, whose gradients take next to no time")

    @abstractmethod
    def start(self) -> Tensor:
        """Return the first model, (d,) float32, the same for all workers and seeds."""

    @abstractmethod
    def gradients(self, models: Tensor, samples: Indices) -> Tensor:
        """Return the gradients of models, (k, d), each on its own training samples, (k, batch)."""

    @abstractmethod
    def losses(self, models: Tensor, part: Part) -> NDArray[np.float64]:
        """Return the loss of models, (k, d) -> (k,), on a part of the data; infinite where a model is no number."""

    def target_of(self, loss: str) -> float:
        """Return the ``loss`` that counts as reached, or the ``validation_loss`` that tuning takes for it."""
        return self.target

    @abstractmethod
    def targets(self) -> NDArray[np.float64]:
        """Return the targets of the training samples, by which data are sorted."""

    def drawn(self, workers: int, steps: int, seed: int, by_target: bool) -> Indices:
        """Return the training samples of every worker and step, (workers, steps, batch), drawn with replacement."""
        targets = self.targets()
        order = np.argsort(targets, kind="stable") if by_target else stream(seed, "shard").permutation(len(targets))
        pieces = np.array_split(order, workers)
        shape = steps, self.batch
        return np.stack(
            [piece[stream(seed, "batch", i).integers(len(piece), size=shape)] for i, piece in enumerate(pieces)]
        )


@dataclass(frozen=True)
class SquaresTask(RaceTask):
    """Least squares with a known optimum; the loss is f(x) - f*, exact on the training part.

    Variances of the features fall as 1/k, mixed by a rotation. Tuning sees the loss on validation samples, which has
    another minimum, so that it cannot know the exact one.
    """

    name: ClassVar[str] = "least squares"
    batch: ClassVar[int] = 8
    target: ClassVar[float] = 0.10
    rates: ClassVar[tuple[float, float]] = (0.1, 1.5)
    d: int = 256
    m: int = 4096

    def start(self) -> Tensor:
        """See `RaceTask.start`."""
        return torch.zeros(self.d)

    def gradients(self, models: Tensor, samples: Indices) -> Tensor:
        """See `RaceTask.gradients`."""
        a, b = self._parts["train"]
        rows = a[torch.from_numpy(samples)]
        residuals = torch.einsum("kbd,kd->kb", rows, models) - b[torch.from_numpy(samples)]
        gradients: Tensor = torch.einsum("kbd,kb->kd", rows, residuals) / samples.shape[1]
        return gradients

    def losses(self, models: Tensor, part: Part) -> NDArray[np.float64]:
        """See `RaceTask.losses`: half the mean square on the validation part, else f(x) - f* on the training part."""
        with np.errstate(over="ignore", invalid="ignore"):
            if part == "validation":
                a, b = self._parts[part]
                values = ((models @ a.T - b) ** 2).mean(dim=1).double().numpy() / 2
            else:
                hessian, optimum = _quadratic(self.d, self.m)
                off = models.double().numpy() - optimum
                values = ((off @ hessian) * off).sum(axis=1) / 2
        return np.nan_to_num(values, nan=np.inf)

    def target_of(self, loss: str) -> float:
        """See `RaceTask.target_of`; on the validation part as far above the loss of the optimum."""
        if loss == "loss":
            return self.target
        optimum = torch.from_numpy(_quadratic(self.d, self.m)[1]).float()
        return self.target + float(self.losses(optimum[None], "validation")[0])

    def targets(self) -> NDArray[np.float64]:
        """See `RaceTask.targets`."""
        return self._parts["train"][1].double().numpy()

    @property
    def _parts(self) -> Parts:
        return _squares(self.d, self.m)


@functools.cache
def _squares(d: int, m: int) -> Parts:
    rng, total = stream(0, "comparison/squares"), m + m // 4
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0]
    a = rng.standard_normal((total, d)) * np.arange(1, d + 1) ** -0.5 @ axes
    b = a @ (axes.T @ (rng.standard_normal(d) * np.arange(1, d + 1) ** -0.25))
    b = b / b.std() + rng.standard_normal(total)
    return _cut(torch.from_numpy(a).float(), torch.from_numpy(b).float(), [m])


@functools.cache
def _quadratic(d: int, m: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Hessian and the optimum of the training part."""
    a, b = (side.double().numpy() for side in _squares(d, m)["train"])
    return a.T @ a / len(b), np.asarray(np.linalg.lstsq(a, b, rcond=None)[0], np.float64)


@dataclass(frozen=True)
class DigitsTask(RaceTask):
    """Scikit-learn's 8 x 8 digits by a network with one hidden layer; the loss is the cross entropy."""

    name: ClassVar[str] = "digits"
    batch: ClassVar[int] = 16
    target: ClassVar[float] = 0.50
    rates: ClassVar[tuple[float, float]] = (0.15, 1.2)
    hidden: int = 32

    def start(self) -> Tensor:
        """See `RaceTask.start`."""
        rng = stream(0, "comparison/digits")
        first, second = rng.standard_normal((64, self.hidden)) / 8, rng.standard_normal((self.hidden, 10)) / 6
        flat = np.concatenate([first.ravel(), np.zeros(self.hidden), second.ravel(), np.zeros(10)])
        return torch.from_numpy(flat).float()

    def gradients(self, models: Tensor, samples: Indices) -> Tensor:
        """See `RaceTask.gradients`."""
        pixels, labels = self._parts["train"]
        x, y = pixels[torch.from_numpy(samples)], labels[torch.from_numpy(samples)]
        w1, b1, w2, b2 = self._layers(models)
        inner = torch.baddbmm(b1[:, None], x, w1)
        active = inner.clamp(min=0)
        slope = torch.softmax(torch.baddbmm(b2[:, None], active, w2), dim=2)
        slope.scatter_add_(2, y[..., None], torch.full_like(slope[..., :1], -1.0))
        slope /= samples.shape[1]
        back = (slope @ w2.transpose(1, 2)) * (inner > 0)
        parts = x.transpose(1, 2) @ back, back.sum(dim=1), active.transpose(1, 2) @ slope, slope.sum(dim=1)
        return torch.cat([part.flatten(start_dim=1) for part in parts], dim=1)

    def losses(self, models: Tensor, part: Part) -> NDArray[np.float64]:
        """See `RaceTask.losses`."""
        pixels, labels = self._parts[part]
        w1, b1, w2, b2 = self._layers(models)
        scores = (pixels @ w1 + b1[:, None]).clamp(min=0) @ w2 + b2[:, None]
        each = torch.logsumexp(scores, dim=2) - scores.gather(2, labels.expand(len(models), -1)[..., None])[..., 0]
        means: NDArray[np.float64] = np.nan_to_num(each.mean(dim=1).double().numpy(), nan=np.inf)
        return means

    def targets(self) -> NDArray[np.float64]:
        """See `RaceTask.targets`."""
        return self._parts["train"][1].double().numpy()

    def _layers(self, models: Tensor) -> Sequence[Tensor]:
        h = self.hidden
        w1, b1, w2, b2 = torch.split(models, [64 * h, h, 10 * h, 10], dim=1)
        return w1.view(-1, 64, h), b1, w2.view(-1, h, 10), b2

    @property
    def _parts(self) -> Parts:
        return _digits()


@functools.cache
def _digits() -> Parts:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = stream(0, "comparison/split").permutation(len(labels))
    x, y = torch.from_numpy(pixels[order] / 16).float(), torch.from_numpy(labels[order]).long()
    return _cut(x, y, [1198, 1498])


def _cut(x: Tensor, y: Tensor, at: Sequence[int]) -> Parts:
    """Return the parts of the data that end at these samples, in the order train, validation, test."""
    pieces = zip(torch.tensor_split(x, list(at)), torch.tensor_split(y, list(at)), strict=True)
    return dict(zip(PARTS, pieces, strict=False))


TASKS: dict[str, RaceTask] = {task.name: task for task in (SquaresTask(), DigitsTask())}
