"""Section 6: the data of the convex experiments."""

from __future__ import annotations

import numpy as np

from reproductions.paper import Decider, Settings, agree, all_of, decides, exactly
from reproductions.popsgd.recipes import SQUARES
from reproductions.workloads.base import DataError
from reproductions.workloads.linear import Gisette, LinearWorkload, Year


@decides("popsgd-data-year")
def test_year_prediction(claim: Decider, settings: Settings) -> None:
    _decide_sizes(claim, settings, Year())


@decides("popsgd-data-gisette")
def test_gisette(claim: Decider, settings: Settings) -> None:
    _decide_sizes(claim, settings, Gisette())


@decides("popsgd-data-synthetic")
def test_synthetic_least_squares(claim: Decider) -> None:
    task = SQUARES.load()
    a, b = task.train
    models = np.vstack([np.zeros(SQUARES.d), np.eye(SQUARES.d)])
    printed = [((a @ x - b) ** 2).sum() / 2 for x in models]
    ratio = np.divide(printed, task.losses(models, task.train))
    steepness = 0.001 * np.linalg.eigvalsh(a.T @ a)[-1]
    decision = all_of(exactly([*a.shape], [10_000, 32]), agree([(ratio, np.full(len(ratio), 1e4))], rtol=1e-12))
    claim.decide(
        decision, f"10000 x 32; eta lambda_max of the printed f is {steepness:.1f}, of (2.2) {steepness / 1e4:.2g}"
    )


def _decide_sizes(claim: Decider, settings: Settings, workload: LinearWorkload) -> None:
    """Decide the printed sizes, in which the parts are called test/train."""
    try:
        task = workload.load(settings.data)
    except DataError as error:
        claim.not_run(str(error))
    train, test, d = len(task.train.y), len(task.test.y), task.train.a.shape[1]
    first, second, features = claim.claim.value
    printed = exactly([test, train, d], [first, second, features])
    claim.decide_misprint(printed, exactly([train, test, d], [first, second, features]), f"{train} train, {test} test")
