"""The two formats in which CIFAR-10 is distributed: Hugging Face's parquet and the official pickles."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.streams import stream
from reproductions.workloads.base import DataError, Indices, missing
from reproductions.workloads.images import Images, Pixels

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_OFFICIAL = "cifar-10-batches-py"
_SIDE = 32
# quantization of luminance at quality 50 in the JPEG standard (table K.1), row by row
_LUMINANCE = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
        *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    ]
)


class _Split(NamedTuple):
    label: str
    classes: NDArray[np.int64]
    pixels: Callable[[Indices], Pixels]  # decodes the images that are asked for


@dataclass(frozen=True)
class Source:
    """Files that hold CIFAR-10; `official` is the folder of the pickles, None for parquet."""

    train: tuple[Path, ...]
    test: tuple[Path, ...]
    official: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files."""
        return self.train + self.test


def locate(data: Path | None) -> Source:
    """Return the files below `data`, or raise `DataError`."""
    for folder in (data / "cifar10", data / "cifar10" / "plain_text", data) if data else ():
        train, test = (tuple(sorted(folder.glob(f"{split}-*.parquet"))) for split in ("train", "test"))
        if train and test:
            return Source(train, test)
        official = folder / _OFFICIAL
        if official.is_dir():
            return Source(
                tuple(official / f"data_batch_{k}" for k in range(1, 6)), (official / "test_batch",), official
            )
    raise missing(data, "CIFAR-10", f"train-*.parquet with test-*.parquet, or {_OFFICIAL}, there and in cifar10/")


def read(source: Source, train_size: int | None, test_size: int | None) -> tuple[str, Images, Images]:
    """Return the label of the data and the training and test images, subsets where a size is given.

    Raises
    ------
    DataError
        If a file is damaged or holds fewer images than asked for.
    """
    if source.official:
        train, test = (_read_official(source.official, train) for train in (True, False))
    else:
        train, test = _read_parquet(source.train), _read_parquet(source.test)
    return train.label, _take(train, train_size, "train"), _take(test, test_size, "test")


def jpeg_quality(luminance: Sequence[int]) -> int:
    """Return the IJG quality, 1 to 100, whose luminance table comes closest to these 64 values."""
    quality = np.arange(1, 101)[:, None]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = ((_LUMINANCE * scale + 50) // 100).clip(1, 255)
    return 1 + int(np.abs(tables - np.asarray(luminance)).sum(axis=1).argmin())


def _take(split: _Split, size: int | None, name: str) -> Images:
    total = len(split.classes)
    if size is not None and not 1 <= size <= total:
        raise DataError(f"{name}_size is {size}, but the CIFAR-10 files hold {total} {name} images.")
    # a smaller subset is the start of a larger one
    chosen = np.arange(total) if size is None else stream(0, f"cifar10-{name}").permutation(total)[:size]
    return Images(split.pixels(chosen), split.classes[chosen])


def _read_official(folder: Path, train: bool) -> _Split:
    from torchvision.datasets import CIFAR10

    batches = [_batch(folder / name, md5) for name, md5 in (CIFAR10.train_list if train else CIFAR10.test_list)]
    pixels = np.concatenate([images for images, _ in batches]).transpose(0, 2, 3, 1)
    return _Split("cifar10", np.concatenate([classes for _, classes in batches]), pixels.__getitem__)


class _Arrays(pickle.Unpickler):
    """Reads arrays, and nothing that could run anything."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".", maxsplit=1)[0] != "numpy" or name not in (
            "_reconstruct",
            "_frombuffer",
            "ndarray",
            "dtype",
        ):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def _batch(path: Path, md5: str | None) -> tuple[Pixels, NDArray[np.int64]]:
    """Return images, channels first, and classes of a file, which is read once; without a digest none is checked."""
    try:
        content = path.read_bytes()
        if md5 is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            raise ValueError("its digest is another one")
        batch = _Arrays(io.BytesIO(content), encoding="latin1").load()
        images: Pixels = np.asarray(batch["data"], np.uint8).reshape(-1, 3, _SIDE, _SIDE)
    except Exception as error:  # reading what is damaged can raise anything
        raise DataError(
            f"{path} is missing or damaged: it is not the file of the official CIFAR-10 ({error})."
        ) from None
    return images, _classes(path, batch.get("labels"))


def _classes(path: Path, labels: Any) -> NDArray[np.int64]:
    if not isinstance(labels, list) or any(type(label) is not int or not 0 <= label <= 9 for label in labels):
        raise DataError(f"{path} is damaged or not CIFAR-10: its labels are not whole numbers from 0 to 9.")
    return np.array(labels, dtype=np.int64)


def _read_parquet(paths: Sequence[Path]) -> _Split:
    stored: list[tuple[Path, bytes]] = []
    classes: list[NDArray[np.int64]] = []
    for path in paths:
        images, labels = _columns(path)
        stored += [(path, image) for image in images]
        classes.append(_classes(path, labels))
    if not stored:
        raise DataError(f"{paths[0]} holds no images.")
    return _Split(_label(*stored[0]), np.concatenate(classes), partial(_decode, stored))


def _columns(path: Path) -> tuple[list[bytes], list[int]]:
    import pyarrow
    from pyarrow import compute, parquet

    try:
        table = parquet.read_table(path)
        image = "img" if "img" in table.column_names else "image"
        return compute.struct_field(table[image], "bytes").to_pylist(), table["label"].to_pylist()
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise DataError(
            f"{path} is damaged or not CIFAR-10, which has columns img {{bytes, path}} and label: {error}"
        ) from error


def _decode(stored: Sequence[tuple[Path, bytes]], chosen: Indices) -> Pixels:
    pixels = np.empty((len(chosen), _SIDE, _SIDE, 3), np.uint8)
    for row, index in enumerate(chosen):
        path, data = stored[index]
        image = np.asarray(_open(path, data))
        if image.shape != pixels.shape[1:]:
            raise DataError(f"{path} is not CIFAR-10: it holds an image of shape {image.shape}, not (32, 32, 3).")
        pixels[row] = image
    return pixels


def _open(path: Path, data: bytes) -> ImageFile:
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, SyntaxError, TypeError) as error:  # Pillow calls a broken PNG a SyntaxError
        raise DataError(f"{path} is damaged: an image in it cannot be decoded: {error}") from error
    return image


def _label(path: Path, data: bytes) -> str:
    from PIL import JpegImagePlugin

    image = _open(path, data)
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        return f"cifar10-jpeg{jpeg_quality(image.quantization[0])}"
    return "cifar10" if image.format == "PNG" else f"cifar10-{str(image.format).lower()}"
