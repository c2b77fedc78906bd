"""Settings of section V at each scale.

Printed: ResNet-34 on CIFAR-10, batch 16, learning rate 0.1, K = 4, at most 12 bits an element, a one-way ring or gossip
with two neighbours. Not printed: M (4 and 8 occur), s, weights of the ring, momentum, augmentation.

What the text calls an epoch decides most of the figures. With passes over the data, K changes how often workers talk
and hardly how fast the loss falls. But the paper has PSGD and PR-SGD send equally much per epoch, and QPRSGD converge
"over 3x faster" than PSGD per epoch. Both follow if an epoch is one pass n of algorithms 1 and 2, K local updates of 16
samples each and a synchronization, as line 2 of both says ("the first parameter of an epoch"). That is the reading
here: runs are compared at equally many synchronizations, called rounds. Where passes would give another answer, that
answer stands beside it.

Images are not augmented. Table II prints a test accuracy of 79 % where the training loss is below 0.1: such a gap is
what training without crops and flips gives; with them the two losses would be near each other.

The noise of a compression relative to what it compresses is what matters, and it depends on the network. Measured
relative noise in the first three rounds (batch 16, step size 0.1, s = 2047). ResNet-34: 0.62, 0.39, 0.35 for the whole
vector, which gossip sends; 0.12 to 0.21 for a quarter, as on the ring. VGG-16: 0.50 falling to 0.2; 0.07 to 0.15. The
bounds d/(4 s^2), 1.27 and 0.88, are far above. The smoke scale has, for each paradigm, the s that gives its network
about that noise: 0.55 and 0.2, 0.3 and 0.13. The small scale has the same networks, a quarter as wide, with the s of
the same s^2/d, on which alone the noise of normal vectors depends, and a fifth of the passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from algorithms.algorithm import Algorithm
from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.messages import Codec, Dense
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.schedule import StepDecay
from algorithms.topology import ring, uniform, value
from reproductions.experiments.tiny import training_of
from reproductions.experiments.training import Training
from reproductions.paper import Label, Settings
from reproductions.workloads.base import Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.digits import Digits
from reproductions.workloads.resnet import ResNet34
from reproductions.workloads.sharding import steps_per_epoch
from reproductions.workloads.vgg import Vgg

PARADIGMS = ("RAR", "gossip")
RESNET, VGG = "ResNet-34", "VGG-16"  # the text names "ResNet and VGG", its size nowhere
M, K = 4, 4
BITS12 = Quantizer(s=2047)  # the largest s of 12 bits
PARAMETERS = 21_282_122  # of ResNet-34 for CIFAR-10, "approximately 85 MB"


@dataclass(frozen=True)
class Member:
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


class Fineness(NamedTuple):
    """s by paradigm."""

    ring: int
    gossip: int


@dataclass(frozen=True)
class Recipe:
    """How the model is trained at one scale.

    Parameters
    ----------
    workload, train_size
        What is trained, on how many samples.
    passes, longer
        Passes over the data of a run with four workers: equally many local updates for K = 1 and 4, and some more for
        larger K, which gain less by gossip. With more workers a round has more samples, and there are as many rounds.
    s
        Levels of Q_s.
    level
        Training loss at which a run has converged; 0.1 in Table II.
    batch, lr
        Samples per worker and local update, step size.
    """

    workload: Workload
    train_size: int
    passes: int
    longer: int
    s: Fineness
    level: float
    batch: int = 16
    lr: float = 0.1

    def rounds_per_pass(self, method: Member) -> float:
        """Return the synchronizations in one pass over the data."""
        return steps_per_epoch(self.train_size, method.workers, self.batch) / method.period

    def training(self, method: Member, seed: int) -> Training:
        """Return one run."""
        return training_of(self.workload)(
            algorithm=method.algorithm(self.s.ring if method.paradigm == "RAR" else self.s.gossip),
            workload=self.workload,
            schedule=StepDecay(self.lr),
            nodes=method.workers,
            batch=self.batch,
            epochs=(self.longer if method.period > K else self.passes) * method.workers // M,
            seed=seed,
            evaluate_train=True,
        )


RECIPES = {
    RESNET: {
        "smoke": Recipe(Digits("small"), 1437, 17, 20, Fineness(31, 38), level=0.2),
        "small": Recipe(Cifar10(ResNet34(16), augment=False), 50_000, 16, 16, Fineness(513, 513), level=0.1),
        "paper": Recipe(Cifar10(ResNet34(), augment=False), 50_000, 82, 82, Fineness(2047, 2047), level=0.1),
    },
    VGG: {
        "smoke": Recipe(Digits("plain"), 1437, 8, 8, Fineness(30, 42), level=0.1),
        "small": Recipe(Cifar10(Vgg(16, 16), augment=False), 50_000, 16, 16, Fineness(513, 513), level=0.1),
        "paper": Recipe(Cifar10(Vgg(), augment=False), 50_000, 82, 82, Fineness(2047, 2047), level=0.1),
    },
}


def recipe(settings: Settings, model: str = RESNET) -> Recipe:
    """Return how a model is trained at the scale of the session."""
    return RECIPES[model][settings.scale]


def methods(paradigm: str) -> dict[str, Member]:
    """Return the four methods of table II."""
    return {
        "PSGD": Member(paradigm, 1, False),
        "QSGD": Member(paradigm, 1, True),
        "PR-SGD": Member(paradigm, K, False),
        "QPRSGD": Member(paradigm, K, True),
    }


METHODS: dict[Label, Member] = {
    (paradigm, name): method for paradigm in PARADIGMS for name, method in methods(paradigm).items()
}


def trainings(settings: Settings, members: Mapping[Label, Member], model: str = RESNET) -> dict[Label, list[Training]]:
    """Return the runs of several curves by label, one a seed."""
    seeds, ours = range(settings.seeds), recipe(settings, model)
    return {label: [ours.training(method, seed) for seed in seeds] for label, method in members.items()}
