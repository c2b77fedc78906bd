"""Settings of section V at each scale.

Printed: ResNet-34 on CIFAR-10, batch 16, learning rate 0.1, K = 4, at most 12 bits an element, a one-way ring or gossip
with two neighbours. Not printed: M (4 and 8 occur), s, weights of the ring, momentum, augmentation.

What the text calls an epoch decides most of the figures. With passes over the data, K changes how often workers talk
and hardly how fast the loss falls. But the paper has PSGD and PR-SGD send equally much per epoch, and QPRSGD converge
"over 3x faster" than PSGD per epoch. Both follow if an epoch is one pass n of algorithms 1 and 2, K local updates of 16
samples each and a synchronization, as line 2 of both says ("the first parameter of an epoch"). That is the reading
here: runs are compared at equally many synchronizations, called rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from algorithms.algorithm import Algorithm
from algorithms.qprsgd import Codec, Dense, GossipQPRSGD, RingQPRSGD
from algorithms.quantize import Quantizer
from algorithms.schedule import StepDecay
from algorithms.topology import ring, uniform, value
from reproductions.harness.figures import curves
from reproductions.harness.milestones import steps_to
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.training import Training
from reproductions.workloads.base import Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.digits import Digits
from reproductions.workloads.resnet import ResNet, ResNet34
from reproductions.workloads.sharding import steps_per_epoch
from reproductions.workloads.vgg import Vgg

Rounds = NDArray[np.float64]

PARADIGMS = ("RAR", "gossip")
RESNET, VGG = "ResNet-34", "VGG-16"  # the text names "ResNet and VGG", its size nowhere
M, K = 4, 4
CHANCE = np.log(10)
LOSS = "mean_train_loss"  # a running mean over a pass would lag by another number of rounds for every K
BITS12 = Quantizer(s=2047)  # the largest s of 12 bits
PARAMETERS = 21_282_122  # of ResNet-34 for CIFAR-10, "approximately 85 MB"


@dataclass(frozen=True)
class Method:
    """One of the compared algorithms.

    Parameters
    ----------
    paradigm
        ``"RAR"`` or ``"gossip"``.
    period
        K.
    quantized
        Whether messages are quantized.
    workers
        M.
    """

    paradigm: str
    period: int
    quantized: bool
    workers: int = M

    def algorithm(self, s: int) -> Algorithm:
        """Return the algorithm with s levels."""
        codec: Codec = Quantizer(s) if self.quantized else Dense()
        if self.paradigm == "RAR":
            return RingQPRSGD(self.period, codec)
        return GossipQPRSGD(self.period, codec, value(uniform(ring(self.workers))))


@dataclass(frozen=True)
class Recipe:
    """How the model is trained at one scale.

    Parameters
    ----------
    workload, train_size
        What is trained, on how many samples.
    batch, lr
        Samples per worker and local update, step size.
    rounds
        Synchronizations of a run.
    s
        Levels of Q_s. At reduced scale not s is the paper's but d/(4 s^2), the bound on the relative noise of
        Q_s in all of its analysis: 1.27 for ResNet-34 with 12 bits.
    """

    workload: Workload
    train_size: int
    batch: int
    lr: float
    rounds: int
    s: int

    def rounds_per_pass(self, method: Method) -> float:
        """Return the synchronizations in one pass over the data."""
        return steps_per_epoch(self.train_size, method.workers, self.batch) / method.period

    def training(self, method: Method, seed: int) -> Training:
        """Return one run."""
        return Training(
            algorithm=method.algorithm(self.s),
            workload=self.workload,
            schedule=StepDecay(self.lr),
            nodes=method.workers,
            batch=self.batch,
            epochs=round(self.rounds / self.rounds_per_pass(method)),
            seed=seed,
            evaluate_train=True,
        )


def methods(paradigm: str) -> dict[str, Method]:
    """Return the four methods of table II."""
    return {
        "PSGD": Method(paradigm, 1, False),
        "QSGD": Method(paradigm, 1, True),
        "PR-SGD": Method(paradigm, K, False),
        "QPRSGD": Method(paradigm, K, True),
    }


RECIPES = {
    RESNET: {
        "smoke": Recipe(Digits("small"), 1437, batch=16, lr=0.3, rounds=88, s=31),
        "small": Recipe(Cifar10(ResNet(8, 8), 5_000, 1_000), 5_000, batch=16, lr=0.1, rounds=312, s=63),
        "paper": Recipe(Cifar10(ResNet34()), 50_000, batch=16, lr=0.1, rounds=16_000, s=2047),
    },
    VGG: {  # d/(4 s^2) = 0.88 in VGG-16 with 12 bits
        "smoke": Recipe(Digits("plain"), 1437, batch=16, lr=0.1, rounds=88, s=30),
        "small": Recipe(Cifar10(Vgg(11, 8), 5_000, 1_000), 5_000, batch=16, lr=0.1, rounds=312, s=203),
        "paper": Recipe(Cifar10(Vgg()), 50_000, batch=16, lr=0.1, rounds=16_000, s=2047),
    },
}


def recipe(settings: Settings, model: str = RESNET) -> Recipe:
    """Return how a model is trained at the scale of the session."""
    return RECIPES[model][settings.scale]


def curve(settings: Settings, method: Method, model: str = RESNET) -> list[Training]:
    """Return the runs of one curve, one a seed."""
    return [recipe(settings, model).training(method, seed) for seed in settings.fewer_seeds()]


def curves_of(settings: Settings, members: Sequence[Method], model: str = RESNET) -> list[Training]:
    """Return the runs of several curves."""
    return [training for method in members for training in curve(settings, method, model)]


def final(runs: Sequence[Run], metric: str = LOSS) -> list[float]:
    """Return the last value of a metric in every run."""
    return [run.final(metric) for run in runs]


def by_round(settings: Settings, runs: Sequence[Run], label: str, method: Method, model: str = RESNET) -> pd.DataFrame:
    """Return the training loss over finished rounds, as a frame for `draw` whose steps are rounds."""
    frame = curves(runs, [label] * len(runs), LOSS)
    return frame.assign(step=frame["step"] * recipe(settings, model).rounds_per_pass(method))


def common_levels(groups: Iterable[Sequence[Run]]) -> list[float]:
    """Return, for every seed, the loss at which the slowest of several methods ends, at most that of guessing."""
    slowest = np.max([final(group) for group in groups], axis=0)
    return [float(level) for level in np.minimum(slowest, CHANCE)]


def rounds_to(
    settings: Settings, runs: Sequence[Run], method: Method, levels: Sequence[float], model: str = RESNET
) -> Rounds:
    """Return the rounds after which the average of each seed's models is at its level, (seeds,); infinite if never."""
    passes = [steps_to(run, LOSS, level) for run, level in zip(runs, levels, strict=True)]
    return np.array(passes) * recipe(settings, model).rounds_per_pass(method)
