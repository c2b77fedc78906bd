"""Section 6: how many passes through its partition a node needs in an epoch, when epochs are divided by n."""

from __future__ import annotations

import math

import numpy as np

from reproductions.harness.verdicts.claims import Label
from reproductions.paper import Decider, Runs, Settings, decides
from reproductions.popsgd.recipes import COMPRESSED
from reproductions.popsgd.training import NodeTraining

MULTS = (1, 4)  # both ends of the printed range


def experiments(settings: Settings) -> dict[str, list[NodeTraining]]:
    """Return sequential SGD and PopSGD with both ends of the printed range."""
    recipe = COMPRESSED[settings.scale]
    curves = {"sequential": (1, 1)} | {f"mult = {mult}": (recipe.nodes, mult) for mult in MULTS}
    return {name: [recipe.training(*curve, seed) for seed in settings.fewer_seeds()] for name, curve in curves.items()}


@decides("popsgd-mult-1-4", "popsgd-mult-1")
def test_a_low_mult_is_sufficient(claim: Decider, runs: Runs[NodeTraining]) -> None:
    mult = f"mult = {claim.claim.at['mult']}"
    used = runs.only("sequential", mult)
    points: dict[Label, list[float]] = {
        name: [100 * value for value in runs.final("test_accuracy", name)] for name in ("sequential", mult)
    }
    text = ", ".join(f"{name} {np.mean(values):.1f} %" for name, values in points.items())
    claim.decide(claim.follows(points, mult), text, used)


def test_updates_of_a_model_are_few() -> None:
    """With n = 4 and mult = 4 a model makes 2 mult/n^2 = 1/2 of the sequential updates, up to whole batches."""
    recipe = COMPRESSED["smoke"]
    few, all_of_them = (recipe.training(n, m, 0).steps for n, m in ((4, 4), (1, 1)))
    assert math.isclose(few / all_of_them, 0.5, rel_tol=0.01)
