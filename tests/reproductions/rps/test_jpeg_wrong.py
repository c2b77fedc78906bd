"""What JPEG does to training losses: estimates, copies and runs with something wrong in them have to turn red."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.rps import distortion, recompression, test_jpeg
from reproductions.rps.recompression import KnownOriginals, Sizes, conflicts, nearest, photographs
from reproductions.workloads import cifar_files
from reproductions.workloads.images import Images
from reproductions.workloads.jpeg import compressed, tables
from tests.reproductions.lab import decided, simulate
from tests.workloads.conftest import _write_parquet as write_parquet


def test_the_second_moment_of_bins_is_that_of_samples() -> None:
    draws = np.random.default_rng(0)
    for scale in (0.2, 1.0, 10.0):
        samples = draws.laplace(scale=scale, size=400_000)
        multiples = np.abs(np.rint(samples))
        decay = distortion._decay(len(samples), (multiples == 0).sum(), multiples.sum())
        assert decay == pytest.approx(np.exp(-0.5 / scale), rel=0.02)
        error = np.mean((samples - np.rint(samples)) ** 2)
        assert float(distortion._laplace_error(decay)) == pytest.approx(error, rel=0.02)


def test_stored_chroma_is_read_back_from_its_interpolation() -> None:
    stored = np.random.default_rng(0).normal(size=(3, 16, 16))
    double = distortion._upsampling(16)
    np.testing.assert_allclose(distortion._stored(double @ stored @ double.T), stored, atol=1e-9)


def test_images_that_were_never_compressed_have_no_first_distortion() -> None:
    images = compressed(photographs(), 75)
    assert recompression.first_distortion("cifar10", images) == 0
    assert recompression.first_distortion("cifar10-jpeg75", images) == distortion.estimated_rmse(images, *tables(75))


def _uniform(u: np.ndarray) -> np.ndarray:
    return np.full_like(u, 1 / 12)  # as if every bin, that around zero too, were filled evenly


WRONG_ESTIMATES = {"_laplace_error": _uniform, "_SHARES": np.array([1.0, 0.0, 0.0])}  # the second: no chroma


@pytest.mark.parametrize("name", WRONG_ESTIMATES)
def test_wrong_estimates_are_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    claim, test = "rps-jpeg-distortion", test_jpeg.test_distance_from_unseen_originals_can_be_estimated
    assert decided(test, claim, runs=simulate([KnownOriginals("photographs")])).verdict == "reproduced"
    monkeypatch.setattr(distortion, name, WRONG_ESTIMATES[name])
    assert decided(test, claim, runs=simulate([KnownOriginals("photographs")])).verdict == "deviates"


def test_conflicts_and_neighbours_are_those_with_other_labels() -> None:
    pixels = np.zeros((5, 32, 32, 3), np.uint8)
    pixels[2], pixels[3], pixels[4] = 10, 10, 13
    assert conflicts(Images(pixels, np.array([0, 0, 1, 1, 2]))) == 0
    assert conflicts(Images(pixels, np.array([0, 1, 1, 1, 2]))) == 2
    assert nearest(Images(pixels, np.array([0, 0, 1, 1, 2]))) == pytest.approx(3)


# ------------------------------------------------------------------------------------------- the ladder of qualities


class _Request:
    """Gives a test its runs as pytest's own request would."""

    def __init__(self, runs: list[Run]) -> None:
        self._runs = runs

    def getfixturevalue(self, name: str) -> list[Run]:
        assert name == "runs"
        return self._runs


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Forty images of ten classes that are told apart at a glance, and short runs, without crops, that do so."""
    monkeypatch.setattr(recompression, "SMALL", {False: Sizes(40, 10, 8, 40)})
    monkeypatch.setattr(test_jpeg, "KINDS", {False: "as they are"})
    monkeypatch.setattr(test_jpeg, "LADDER", (None, test_jpeg.BOUND))
    monkeypatch.setattr(test_jpeg, "OFF", 0.0)  # these images differ from those that the estimate was made for
    crops = photographs()[:10].astype(int)
    images = np.concatenate(
        [crops + noise for noise in np.random.default_rng(0).integers(-9, 10, size=(4, 1, 1, 1, 3))]
    )
    for split, part in {"train": images, "test": crops}.items():
        write_parquet(tmp_path / f"{split}-0.parquet", part.clip(0, 255).astype(np.uint8), "JPEG", quality=75)
    return Settings(scale="small", device="cpu", data=tmp_path, seeds=3)


def verdicts(settings: Settings) -> dict[str, str]:
    """Return the verdicts on a ladder of runs."""
    common = {"settings": settings, "request": _Request(simulate(test_jpeg.experiments(settings), settings.data))}
    return {claim: decided(test, f"rps-jpeg-{claim}", **common).verdict for claim, test in TESTS.items()}


TESTS = {
    "labels": test_jpeg.test_labels_remain_a_function_of_the_pixels,
    "late-loss": test_jpeg.test_recompression_hardly_changes_the_late_loss,
    "late-loss-rises": test_jpeg.test_late_loss_rises_with_the_distance,
}


def test_with_nothing_wrong_nothing_is_red(settings: Settings) -> None:
    found = verdicts(settings)
    assert found["labels"] == "reproduced"
    assert "deviates" not in found.values(), found


def test_a_recompression_that_does_nothing_is_seen(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cifar_files, recompression):
        monkeypatch.setattr(module, "recompressed", lambda pixels, quality: pixels)
    found = verdicts(settings)
    assert found == {"labels": "reproduced", "late-loss": "deviates", "late-loss-rises": "deviates"}


def test_labels_that_change_with_the_quality_are_seen(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    read = cifar_files.read

    def shuffled(source: Any, train: Any, test: Any, recompress: int | None = None) -> tuple[str, Images, Images]:
        label, images, held_out = read(source, train, test, recompress)
        order = np.random.default_rng(recompress).permutation(len(images.labels))
        return label, images if recompress is None else images._replace(labels=images.labels[order]), held_out

    monkeypatch.setattr(cifar_files, "read", shuffled)
    assert verdicts(settings)["late-loss"] == "deviates"


def test_images_that_can_no_longer_be_told_apart_are_seen(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cifar_files, recompression):
        monkeypatch.setattr(module, "recompressed", lambda pixels, quality: pixels // 128 * 0)
    found = verdicts(settings)
    assert (found["labels"], found["late-loss"]) == ("deviates", "deviates")
