"""Linear models, as the convex experiments of PopSGD train them: least squares and logistic regression.

Normalisation, which the paper does not state: YearPredictionMSD has every feature and the year centred and scaled to
unit variance, by the training part; gisette is as LIBSVM distributes it, each feature scaled to [-1, 1]. Without either
the printed learning rates diverge.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from algorithms.streams import stream
from reproductions.workloads import libsvm
from reproductions.workloads.base import file_checksum
from reproductions.workloads.libsvm import Table

Rows = NDArray[Any]
Loss = Literal["squares", "logistic"]


@dataclass(frozen=True, eq=False)
class LinearTask:
    """A loaded problem: samples, what was really loaded, and the loss."""

    label: str
    train: Table
    test: Table
    loss: Loss

    def losses(self, models: Rows, table: Table) -> NDArray[np.float64]:
        """Return the mean loss of each model, (k, d) -> (k,), on all samples."""
        with np.errstate(over="ignore", invalid="ignore"):  # of models that have diverged
            margins = models.astype(np.float64) @ table.a.T
            each = (margins - table.y) ** 2 / 2 if self.loss == "squares" else np.logaddexp(0, -table.y * margins)
            means: NDArray[np.float64] = each.mean(axis=1)
        return means

    def excess(self, models: Rows) -> NDArray[np.float64]:
        """Return f(x) - f* on the training samples for least squares, without cancellation, (k, d) -> (k,)."""
        hessian, optimum = self._quadratic
        with np.errstate(over="ignore", invalid="ignore"):
            off = models.astype(np.float64) - optimum
            values: NDArray[np.float64] = ((off @ hessian) * off).sum(axis=1) / 2
        return values

    @cached_property
    def _quadratic(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        a, y = (side.astype(np.float64) for side in self.train)
        return a.T @ a / len(y), np.asarray(np.linalg.lstsq(a, y, rcond=None)[0], np.float64)


@dataclass(frozen=True)
class LinearWorkload(ABC):
    """A linear problem as a value."""

    name: ClassVar[str]

    @abstractmethod
    def load(self, data: Path | None) -> LinearTask:
        """Read or make the samples; `DataError` if files are missing or damaged."""

    @abstractmethod
    def checksum(self, data: Path | None) -> str:
        """Return an identifier of the data that `load` would use; raises `DataError` if they are not there."""


@dataclass(frozen=True)
class SyntheticSquares(LinearWorkload):
    """Least squares with m rows and d features, the same for every seed.

    The paper does not print distributions: here entries of A and x* are standard normal and b = A x* + noise, normal
    with this standard deviation. The test part is drawn the same way, a tenth as large.
    """

    name: ClassVar[str] = "synthetic least squares"
    d: int = 32
    m: int = 10_000
    noise: float = 1.0

    def load(self, data: Path | None = None) -> LinearTask:
        """See `LinearWorkload.load`."""
        rng = stream(0, "synthetic squares")
        optimum = rng.standard_normal(self.d)
        a = rng.standard_normal((self.m + self.m // 10, self.d))
        b = a @ optimum + self.noise * rng.standard_normal(len(a))
        label = f"{self.name}, d = {self.d}"
        return LinearTask(label, Table(a[: self.m], b[: self.m]), Table(a[self.m :], b[self.m :]), "squares")

    def checksum(self, data: Path | None = None) -> str:
        """See `LinearWorkload.checksum`."""
        return "synthetic"


@dataclass(frozen=True)
class Year(LinearWorkload):
    """YearPredictionMSD of LIBSVM: the year of a song from 90 timbre features, by least squares."""

    name: ClassVar[str] = "YearPredictionMSD"
    files: ClassVar[tuple[str, str]] = ("YearPredictionMSD", "YearPredictionMSD.t")
    d: ClassVar[int] = 90

    def load(self, data: Path | None) -> LinearTask:
        """See `LinearWorkload.load`."""
        train, test = (libsvm.read(path, self.d) for path in libsvm.locate(data, self.files))
        return LinearTask(self.name, *standardised(train, test), "squares")

    def checksum(self, data: Path | None) -> str:
        """See `LinearWorkload.checksum`."""
        return file_checksum(libsvm.locate(data, self.files))


@dataclass(frozen=True)
class Gisette(LinearWorkload):
    """gisette_scale of LIBSVM: handwritten 4 against 9 from 5000 features, by logistic regression."""

    name: ClassVar[str] = "gisette"
    files: ClassVar[tuple[str, str]] = ("gisette_scale", "gisette_scale.t")
    d: ClassVar[int] = 5000

    def load(self, data: Path | None) -> LinearTask:
        """See `LinearWorkload.load`."""
        train, test = (libsvm.read(path, self.d) for path in libsvm.locate(data, self.files))
        return LinearTask(self.name, train, test, "logistic")

    def checksum(self, data: Path | None) -> str:
        """See `LinearWorkload.checksum`."""
        return file_checksum(libsvm.locate(data, self.files))


@dataclass(frozen=True)
class YearLike(LinearWorkload):
    """Made samples of the published shape of YearPredictionMSD, which stand in for `Year`.

    They have its 90 features, correlated so that the variances along principal axes fall as 1/k^0.7, and targets of
    which a linear model explains `explained` of the variance, 0.24 as of the years of songs. Prepared as `Year` is; the
    same for every seed.
    """

    name: ClassVar[str] = "made like YearPredictionMSD"
    d: ClassVar[int] = 90
    m: int = 20_000
    explained: float = 0.24

    def load(self, data: Path | None = None) -> LinearTask:
        """See `LinearWorkload.load`; the test part is a tenth as large."""
        rng = stream(0, "year-like")
        axes = np.linalg.qr(rng.standard_normal((self.d, self.d)))[0]
        a = rng.standard_normal((self.m + self.m // 10, self.d)) * np.arange(1, self.d + 1) ** -0.35 @ axes
        signal = a @ rng.standard_normal(self.d)
        noise = signal[: self.m].std() * (1 / self.explained - 1) ** 0.5
        y = signal + noise * rng.standard_normal(len(a))
        train, test = Table(a[: self.m], y[: self.m]), Table(a[self.m :], y[self.m :])
        return LinearTask(self.name, *standardised(train, test), "squares")

    def checksum(self, data: Path | None = None) -> str:
        """See `LinearWorkload.checksum`."""
        return "synthetic"


@dataclass(frozen=True)
class DigitsGisette(LinearWorkload):
    """The task of gisette on scikit-learn's 8x8 pixels, 4 against 9 by logistic regression: stands in for `Gisette`.

    As in gisette, half of the features are pixels and products of two of them, the others probes without any power to
    predict (such features of other samples), all are scaled to [-1, 1], and there are more features than the 289
    training samples, so that the classes are separable. The same for every seed.
    """

    name: ClassVar[str] = "digits 4 and 9"
    d: int = 320

    def load(self, data: Path | None = None) -> LinearTask:
        """See `LinearWorkload.load`."""
        pixels, digits = _digits()
        chosen = np.isin(digits, (4, 9))
        pixels, rng = pixels[chosen] / 16, stream(0, "gisette-like")
        pixels = pixels[:, pixels.std(axis=0) > 0]
        first, second = rng.integers(pixels.shape[1], size=(2, self.d // 2 - pixels.shape[1]))
        real = np.column_stack([pixels, pixels[:, first] * pixels[:, second]])
        probes = rng.permuted(real, axis=0)
        a = 2 * np.column_stack([real, probes]) - 1
        return LinearTask(self.name, *_split(a, np.where(digits[chosen] == 4, 1.0, -1.0)), "logistic")

    def checksum(self, data: Path | None = None) -> str:
        """See `LinearWorkload.checksum`."""
        return "digits"


def standardised(train: Table, test: Table) -> tuple[Table, Table]:
    """Return both parts with features and targets of mean 0 and variance 1 on the training part; constants become 0."""
    moments = [(side.mean(axis=0, dtype=np.float64), side.std(axis=0, dtype=np.float64)) for side in train]
    scaled = [
        [
            ((side - mean) / np.where(std > 0, std, 1)).astype(side.dtype)
            for side, (mean, std) in zip(part, moments, strict=True)
        ]
        for part in (train, test)
    ]
    return Table(*scaled[0]), Table(*scaled[1])


def _digits() -> tuple[Rows, Rows]:
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    return pixels, digits.astype(np.float64)


def _split(a: Rows, y: Rows) -> tuple[Table, Table]:
    """Return four fifths and one fifth of the samples, the same for every seed."""
    order = stream(0, "linear split").permutation(len(y))
    parts = np.split(order, [round(0.8 * len(y))])
    return Table(a[parts[0]], y[parts[0]].astype(a.dtype)), Table(a[parts[1]], y[parts[1]].astype(a.dtype))
