"""The two formats in which CIFAR-10 is distributed: Hugging Face's parquet and the official pickles."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.streams import stream
from reproductions.workloads.base import DataError, Indices, missing
from reproductions.workloads.images import Images, Pixels
from reproductions.workloads.jpeg import recompressed

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


def read(
    source: Source, train_size: int | None, test_size: int | None, recompress: int | None = None
) -> tuple[str, Images, Images]:
    """Return the label of the data and the training and test images, subsets where a size is given.

    With `recompress`, the images are compressed once more at this JPEG quality, which the label says.

    Raises
    ------
    DataError
        If a file is damaged or holds fewer images than asked for.
    """
    if source.official:
        train, test = (_read_official(source.official, train) for train in (True, False))
    else:
        train, test = _read_parquet(source.train), _read_parquet(source.test)
    chosen, held_out = _take(train, train_size, "train"), _take(test, test_size, "test")
    if recompress is None:
        return train.label, chosen, held_out
    chosen, held_out = (part._replace(pixels=recompressed(part.pixels, recompress)) for part in (chosen, held_out))
    return f"{train.label}-jpeg{recompress}", chosen, held_out


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
    from torchvision.datasets.utils import check_integrity

    meta = CIFAR10.meta
    # torchvision also checks the digests before it unpickles, but does not say which file is wrong
    for name, md5 in [*CIFAR10.train_list, *CIFAR10.test_list, (meta["filename"], meta["md5"])]:
        if not check_integrity(folder / name, md5):
            raise DataError(f"{folder / name} is missing or damaged: it is not the file of the official CIFAR-10.")
    split = CIFAR10(folder.parent, train=train, download=False)
    return _Split("cifar10", np.array(split.targets, dtype=np.int64), split.data.__getitem__)


def _read_parquet(paths: Sequence[Path]) -> _Split:
    stored: list[tuple[Path, bytes]] = []
    classes: list[int] = []
    for path in paths:
        images, labels = _columns(path)
        stored += [(path, image) for image in images]
        classes += labels
    if not stored:
        raise DataError(f"{paths[0]} holds no images.")
    return _Split(_label(*stored[0]), np.array(classes, dtype=np.int64), partial(_decode, stored))


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
