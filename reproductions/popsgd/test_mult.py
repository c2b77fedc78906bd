"""Section 6: how many passes through its partition a node needs in an epoch, when epochs are divided by n."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from algorithms.schedule import StepDecay
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run, select
from reproductions.harness.verdicts import Decider
from reproductions.popsgd.networks import SYMMETRIC
from reproductions.popsgd.partitions import updates_per_model
from reproductions.popsgd.training import NodeTraining
from reproductions.workloads.base import Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.digits import Digits
from reproductions.workloads.resnet import ResNet

MULTS = (1, 4)
MARGIN = 0.02


@dataclass(frozen=True)
class Recipe:
    """The sequential recipe that is compressed: what is trained, its size, batch and epochs; n and momentum."""

    workload: Workload
    train_size: int
    batch: int
    epochs: int
    nodes: int
    momentum: float = 0.0

    def training(self, nodes: int, mult: int, seed: int) -> NodeTraining:
        """Return a run, measured at its end, with the step size a tenth of what it was in its last quarter."""
        steps = updates_per_model(self.train_size, self.batch, self.epochs, nodes, mult)
        return NodeTraining(
            SYMMETRIC, self.workload, StepDecay(0.1, milestones=(0.75,)), nodes, self.batch, steps, steps, seed,
            mult, self.momentum,
        )  # fmt: skip


RECIPES = {
    "smoke": Recipe(Digits("mlp"), 1437, 4, epochs=4, nodes=4),
    "small": Recipe(Cifar10(ResNet(8, 8, bn_momentum=0.1), 10_000, 2_000), 10_000, 16, epochs=8, nodes=4),
    "paper": Recipe(Cifar10(ResNet(20, bn_momentum=0.1)), 50_000, 64, epochs=200, nodes=8, momentum=0.9),
}


def experiments(settings: Settings) -> list[NodeTraining]:
    """Return sequential SGD and PopSGD with both ends of the printed range."""
    return [run for nodes, mult in settings_of(settings) for run in grid(settings, nodes, mult)]


def settings_of(settings: Settings) -> list[tuple[int, int]]:
    """Return n and mult of all curves."""
    return [(1, 1), *((RECIPES[settings.scale].nodes, mult) for mult in MULTS)]


def grid(settings: Settings, nodes: int, mult: int) -> list[NodeTraining]:
    """Return the runs of one curve."""
    return [RECIPES[settings.scale].training(nodes, mult, seed) for seed in settings.fewer_seeds()]


@decides("popsgd-mult-1-4")
def test_low_mult_is_sufficient(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    errors = [
        [run.final("test_error") for run in select(runs, grid(settings, *setting))] for setting in settings_of(settings)
    ]
    alone, *_, most = errors
    names = ["sequential", *(f"mult = {mult}" for mult in MULTS)]
    text = ", ".join(f"{name} {1 - np.mean(error):.1%}" for name, error in zip(names, errors, strict=True))
    claim.decide(less(most, alone, margin=MARGIN), text, runs)


def test_updates_of_a_model_are_few() -> None:
    """With n = 4 and mult = 4 a model makes 2 mult/n^2 = 1/2 of the sequential updates, up to whole batches."""
    recipe = RECIPES["smoke"]
    few, all_of_them = (recipe.training(n, m, 0).steps for n, m in ((4, 4), (1, 1)))
    assert math.isclose(few / all_of_them, 0.5, rel_tol=0.01)
