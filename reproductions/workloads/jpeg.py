"""JPEG, for images that are compressed once more than the data set that they come from."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from reproductions.workloads.images import Pixels

_BEFORE, _AFTER = 5, 3  # what the images gain at each side: blocks of 8 then end where no earlier block ended


def check_quality(quality: int) -> None:
    """Raise a ValueError if this is no IJG quality."""
    if not 1 <= quality <= 100:
        raise ValueError(f"the JPEG quality is {quality}, but must be in 1 to 100")


def encode(image: Pixels, quality: int) -> bytes:
    """Return an image (H, W, 3) as JPEG with chroma at half the resolution (4:2:0)."""
    from PIL import Image

    check_quality(quality)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def decode(data: bytes) -> Pixels:
    """Return the pixels (H, W, 3) of a JPEG."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)))


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """Return images (N, H, W, 3) as they come back from JPEG."""
    return np.stack([decode(encode(image, quality)) for image in pixels])


def recompressed(pixels: Pixels, quality: int) -> Pixels:
    """Return images (N, H, W, 3), H and W multiples of 8, that went through JPEG before, as they come back once more.

    Edges are repeated, 5 pixels above and to the left and 3 on the other sides, and cut off again: blocks of 8 pixels
    and pairs of chroma samples lie elsewhere than the first time. On the same grid, coefficients would be at the
    centres of their bins already, and the same quality would change next to nothing.
    """
    edges = ((0, 0), (_BEFORE, _AFTER), (_BEFORE, _AFTER), (0, 0))
    return compressed(np.pad(pixels, edges, mode="edge"), quality)[:, _BEFORE:-_AFTER, _BEFORE:-_AFTER]


def tables(quality: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return the quantization of luminance and chrominance, 64 values each, row by row."""
    from PIL import JpegImagePlugin

    with JpegImagePlugin.JpegImageFile(io.BytesIO(encode(np.zeros((8, 8, 3), np.uint8), quality))) as image:
        return image.quantization[0], image.quantization[1]
