"""Ours, beside figures 4, 5 and 8 to 10: what JPEG does to training losses near zero; see docs/cifar10-jpeg.md."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from reproductions.harness.decisions import Decision, all_of, close, exactly
from reproductions.harness.experiment import Experiment
from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import increasing, paired_difference, within
from reproductions.harness.store import Run, select
from reproductions.harness.verdicts import Decider
from reproductions.rps import jpeg_plots
from reproductions.rps.figure4 import BAND
from reproductions.rps.recompression import LADDER, KnownOriginals, Recompressed, runs_at

OFF = 0.25  # of the estimated distance
BOUND = 30  # the quality whose distance from the data exceeds that of the data from their originals, estimate + 25 %
ALPHA = 0.05 / 4  # Bonferroni: with and without augmentation, in both claims that rest on random runs
KINDS = {True: "cropped and flipped", False: "as they are"}


def experiments(settings: Settings) -> list[Experiment]:
    """Return what needs no data at smoke scale, and elsewhere all runs of the ladder of qualities."""
    if settings.scale == "smoke":
        return [KnownOriginals("photographs")]
    trained = [run for augment in KINDS for quality in LADDER for run in runs_at(settings, quality, augment)]
    return [KnownOriginals("photographs"), KnownOriginals("cifar10"), Recompressed(), *trained]


@decides("rps-jpeg-distortion")
def test_distance_from_unseen_originals_can_be_estimated(claim: Decider, runs: list[Run]) -> None:
    used = [run for run in runs if isinstance(run.experiment, KnownOriginals)]
    ratios = np.concatenate([run.series("estimated") / run.series("known") for run in used])
    text = f"{ratios.min():.2f} to {ratios.max():.2f} of the known distance"
    claim.decide(close(ratios, np.ones_like(ratios), rtol=0, atol=OFF), text, used)


@decides("rps-jpeg-labels")
def test_labels_remain_a_function_of_the_pixels(
    claim: Decider, settings: Settings, request: pytest.FixtureRequest
) -> None:
    measured = _measured(_on_real_data(claim, settings, request))
    found = measured.series("conflicts")
    text = f"{found.sum():.0f} identical images with different labels in {len(found)} copies of the training set"
    claim.decide(exactly(found.to_numpy(), np.zeros(len(found))), text, [measured])


@decides("rps-jpeg-late-loss")
def test_recompression_hardly_changes_the_late_loss(
    claim: Decider, settings: Settings, request: pytest.FixtureRequest
) -> None:
    runs = _on_real_data(claim, settings, request)
    decisions = [_change(settings, runs, augment) for augment in KINDS]
    text = ", ".join(f"{d.interval.estimate:+.4f} {name}" for d, name in zip(decisions, KINDS.values(), strict=True))
    claim.decide(all_of(*decisions, _far_enough(runs)), text, _trained(settings, runs, (None, BOUND)))


@decides("rps-jpeg-late-loss-rises")
def test_late_loss_rises_with_the_distance(claim: Decider, settings: Settings, request: pytest.FixtureRequest) -> None:
    runs = _on_real_data(claim, settings, request)
    groups = {augment: [late(_at(settings, runs, q, augment)) for q in LADDER] for augment in KINDS}
    decisions = [increasing(samples, alpha=ALPHA) for samples in groups.values()]
    text = "; ".join(" ".join(f"{np.mean(sample):.3f}" for sample in samples) for samples in groups.values())
    claim.decide(all_of(*decisions), text, _trained(settings, runs, LADDER))


def test_jpeg(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    jpeg_plots.distances(figures, [run for run in runs if isinstance(run.experiment, KnownOriginals)], OFF)
    if settings.scale == "smoke":
        return
    measured, frame = _measured(runs), _frame(settings, runs)
    title = str(measured.provenance["workload"])
    first = measured.final("first")
    jpeg_plots.levels(figures, frame, title, first, OFF)
    jpeg_plots.changes(figures, frame, title, first, BAND, 1 - 2 * ALPHA)


def late(runs: Sequence[Run]) -> NDArray[np.float64]:
    """Return the training loss of every run, the running mean of an epoch, over the last tenth of the epochs."""
    losses = [run.series("train_loss").to_numpy() for run in runs]
    return np.array([loss[-max(1, len(loss) // 10) :].mean() for loss in losses])


def middle(run: Run) -> float:
    """Return the same over the second quarter of the epochs, before the step size falls and the images are fitted."""
    losses = run.series("train_loss").to_numpy()
    return float(losses[len(losses) // 4 : len(losses) // 2].mean())


def _on_real_data(claim: Decider, settings: Settings, request: pytest.FixtureRequest) -> list[Run]:
    if settings.scale == "smoke":
        claim.not_run("needs CIFAR-10 (--data) and --scale small or paper")
    runs: list[Run] = request.getfixturevalue("runs")
    return runs


def _measured(runs: Sequence[Run]) -> Run:
    (run,) = (run for run in runs if isinstance(run.experiment, Recompressed))
    return run


def _at(settings: Settings, runs: Sequence[Run], quality: int | None, augment: bool) -> list[Run]:
    return select(runs, runs_at(settings, quality, augment))


def _trained(settings: Settings, runs: Sequence[Run], qualities: Sequence[int | None]) -> list[Run]:
    return [run for augment in KINDS for quality in qualities for run in _at(settings, runs, quality, augment)]


def _change(settings: Settings, runs: Sequence[Run], augment: bool) -> Decision:
    """Decide that the late loss at the bounding quality is that of the data, but for the tolerance of printed ones."""
    before, after = (late(_at(settings, runs, quality, augment)) for quality in (None, BOUND))
    return within(paired_difference(after, before, 1 - 2 * ALPHA), -BAND, BAND)


def _far_enough(runs: Sequence[Run]) -> Decision:
    """Decide that the bounding quality moves the images as far as the first JPEG may have."""
    measured = _measured(runs)
    added, first = measured.series("added")[BOUND], measured.final("first")
    return exactly([added > (1 + OFF) * first], [True])


def _frame(settings: Settings, runs: Sequence[Run]) -> pd.DataFrame:
    """Return what every run came to, one row each metric; the step is the distance of its images from the data."""
    added, rows = _measured(runs).series("added"), []
    for augment, quality in product(KINDS, LADDER):
        for seed, run in enumerate(_at(settings, runs, quality, augment)):
            found = {m: run.final(m) for m in jpeg_plots.TITLES if m in set(run.frame["metric"])}
            place = (KINDS[augment], quality or "none", float(added[quality or 100]), seed)
            found |= {"late_loss": late([run])[0], "middle_loss": middle(run)}
            rows += [(*place, metric, value) for metric, value in found.items()]
    return pd.DataFrame(rows, columns=["label", "quality", "step", "seed", "metric", "value"])
