"""JPEG of what is JPEG already: how far it moves the images, and what it is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reproductions.workloads import Cifar10
from reproductions.workloads.jpeg import compressed, recompressed, tables
from reproductions.workloads.resnet import ResNet


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a.astype(float) - b) ** 2)))


@pytest.fixture
def textured() -> np.ndarray:
    """Forty images whose spectrum falls as that of photographs does: (40, 32, 32, 3) uint8."""
    noise = np.random.default_rng(0).normal(size=(40, 32, 32, 3))
    frequency = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32)) + 1 / 32
    smooth = np.fft.ifft2(np.fft.fft2(noise, axes=(1, 2)) / frequency[None, :, :, None], axes=(1, 2)).real
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def test_lower_quality_moves_images_further(textured: np.ndarray) -> None:
    once = compressed(textured, 75)
    distances = [distance(recompressed(once, quality), once) for quality in (95, 90, 75, 50, 30, 15)]
    assert distances == sorted(distances)
    assert len(set(distances)) == 6


def test_the_same_quality_again_counts_only_on_another_grid(textured: np.ndarray) -> None:
    once = compressed(textured, 75)
    assert distance(compressed(once, 75), once) < 0.3 * distance(recompressed(once, 75), once)


def test_each_image_is_compressed_by_itself_and_keeps_its_place(textured: np.ndarray) -> None:
    all_of_them = recompressed(textured, 30)
    assert all_of_them.shape == textured.shape
    assert all_of_them.dtype == np.uint8
    np.testing.assert_array_equal(recompressed(textured[7:8], 30)[0], all_of_them[7])
    distances = [distance(all_of_them[7], image) for image in textured]
    assert int(np.argmin(distances)) == 7


def test_recompressed_data_say_so_and_keep_their_labels(parquet_data: Path) -> None:
    plain = Cifar10(ResNet(8, 4)).load(parquet_data)
    changed = Cifar10(ResNet(8, 4), recompress=30).load(parquet_data)
    assert (plain.label, changed.label) == ("cifar10", "cifar10-jpeg30")
    for before, after in ((plain.train, changed.train), (plain.test, changed.test)):
        np.testing.assert_array_equal(np.asarray(after.pixels), recompressed(np.asarray(before.pixels), 30))
        np.testing.assert_array_equal(after.labels, before.labels)


def test_a_second_jpeg_is_named_after_the_first(write_parquet: Callable, tmp_path: Path, pixels: np.ndarray) -> None:
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}-0.parquet", pixels, "JPEG", quality=75)
    assert Cifar10(ResNet(8, 4), recompress=50).load(tmp_path).label == "cifar10-jpeg75-jpeg50"


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_an_impossible_quality_is_refused(quality: int) -> None:
    with pytest.raises(ValueError, match=f"the JPEG quality is {quality}, but must be in 1 to 100"):
        Cifar10(recompress=quality)


def test_tables_are_those_of_the_standard_at_half_quality() -> None:
    luminance, chrominance = tables(50)
    assert list(luminance[:8]) == [16, 11, 10, 16, 24, 40, 51, 61]
    assert list(chrominance[:4]) == [17, 18, 24, 47]
