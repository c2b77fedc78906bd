"""How far images are from what they were before JPEG, from the compressed images alone.

A coefficient of a block's discrete cosine transform with quantization step D comes back as a multiple of D. What it was
before is unknown, but not how such coefficients are distributed: over blocks, those of one frequency follow a Laplace
law, whose scale is estimated from the multiples (maximum likelihood has a closed form; Price and Rabbani 1999), and its
second moment about the centres of the bins is the mean squared error. Chroma is also halved in both directions; what
that loses is taken to be in the ratio to what halving once more loses that it has in luminance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dctn

from reproductions.workloads.images import Pixels

Array = NDArray[np.float64]

# JFIF: rows Y, Cb, Cr in terms of R, G, B
_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
# mean over R, G, B of the squared error that a unit error of Y, Cb or Cr makes
_SHARES = (np.linalg.inv(_YCC) ** 2).mean(axis=0)


def rmse(a: Pixels, b: Pixels) -> float:
    """Return the root mean squared difference of images in grey levels."""
    return float(np.sqrt(np.mean((a.astype(np.float32) - b) ** 2, dtype=np.float64)))


def estimated_rmse(pixels: Pixels, luminance: ArrayLike, chrominance: ArrayLike) -> float:
    """Estimate the distance in grey levels of compressed images (N, H, W, 3) from what they were before.

    Parameters
    ----------
    pixels
        Images after JPEG with 4:2:0; H and W are multiples of 16.
    luminance, chrominance
        Quantization tables, 64 values each, row by row.
    """
    y, *chroma = np.moveaxis(pixels @ _YCC.T, 3, 0)
    fine, coarse = np.reshape(luminance, (8, 8)), np.reshape(chrominance, (8, 8))
    octave = _halving_loss(y) / _halving_loss(halved(y))
    gain = _upsampling_gain(y.shape[1])
    errors = [_quantization_error(y, fine).mean()]
    for plane in chroma:
        stored = _stored(plane)
        errors += [(gain * _quantization_error(stored, coarse)).mean() + octave * _halving_loss(stored)]
    return float(np.sqrt(_SHARES @ errors))


def _quantization_error(plane: Array, steps: Array) -> Array:
    """Return the mean squared error of each of the 8x8 frequencies of planes (N, H, W)."""
    n, height, width = plane.shape
    blocks = plane.reshape(n, height // 8, 8, width // 8, 8).swapaxes(2, 3).reshape(-1, 8, 8)
    multiples = np.abs(np.rint(dctn(blocks, axes=(1, 2), norm="ortho") / steps))
    u = _decay(len(multiples), (multiples == 0).sum(axis=0), multiples.sum(axis=0))
    error = steps**2 * np.where(u > 0, _laplace_error(np.maximum(u, 1e-9)), 0.0)
    error[0, 0] = steps[0, 0] ** 2 / 12  # mean brightness has no peak at zero
    return error


def _decay(count: int, zeros: Array, total: Array) -> Array:
    """Return the likeliest exp(-D/(2b)) of Laplace laws of scale b, from the counts of 0 and the sum of |multiples|."""
    a, b, c = count + 2 * total, zeros, -(2 * total - (count - zeros))
    return np.asarray((-b + np.sqrt(b**2 - 4 * a * c)) / (2 * a))


def _laplace_error(u: Array) -> Array:
    """Return the second moment about the centres of bins of width 1 of the Laplace law with exp(-1/(2b)) = u."""
    b = -0.5 / np.log(np.minimum(u, 1 - 1e-9))
    middle = 2 * b**2 - u * (0.25 + b + 2 * b**2)  # the integral of x^2 exp(-x/b)/b from 0 to 1/2
    # about the centre, of what decays from the inner to the outer edge of a bin
    outer = u * (0.25 - b + 2 * b**2 - u**2 * (0.25 + b + 2 * b**2)) / (1 - u**2)
    return np.asarray(middle + outer)


def halved(plane: Array) -> Array:
    """Return planes (N, H, W) at half their height and width: the means of 2x2."""
    n, height, width = plane.shape
    return np.asarray(plane.reshape(n, height // 2, 2, width // 2, 2).mean(axis=(2, 4)))


def _upsampling(size: int) -> Array:
    """Return the (2 size, size) matrix of the decoder's interpolation: 3/4 of the nearest sample, 1/4 of the next."""
    doubled = np.zeros((2 * size, size))
    for i in range(size):
        for row, neighbour in ((2 * i, max(i - 1, 0)), (2 * i + 1, min(i + 1, size - 1))):
            doubled[row, i] += 0.75
            doubled[row, neighbour] += 0.25
    return doubled


def _halving_loss(plane: Array) -> float:
    """Return the mean squared error of planes that are halved and doubled again."""
    small = halved(plane)
    up, across = _upsampling(small.shape[1]), _upsampling(small.shape[2])
    return float(np.mean((plane - up @ small @ across.T) ** 2))


def _stored(plane: Array) -> Array:
    """Return the planes at half the resolution whose interpolation these are."""
    down, across = (
        np.linalg.inv(halved(_upsampling(size // 2)[None].repeat(2, axis=2)).squeeze(0)) for size in plane.shape[1:]
    )
    return np.asarray(down @ halved(plane) @ across.T)


def _upsampling_gain(size: int) -> Array:
    """Return by how much the interpolation changes the mean square of each of the 8x8 frequencies."""
    basis = np.kron(np.eye(size // 16), dctn(np.eye(8), axes=(1,), norm="ortho").T)
    energy = (_upsampling(size // 2) @ basis.T) ** 2
    gains = energy.sum(axis=0).reshape(-1, 8).mean(axis=0) / 2
    return np.outer(gains, gains)
