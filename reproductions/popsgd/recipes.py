"""Settings of all experiments at each scale: linear models (section 6, appendix A), CIFAR-10 and ImageNet.

The paper prints networks, n, mult, the batch for ImageNet (128 a node) and "the standard sequential recipe"; no step
size, batch or length for CIFAR-10. At paper scale they are those of the authors' code (CIFAR-10: batch 64, momentum
0.9, steps at 81, 122 and 164 of 200 epochs) and of torchvision's reference (ImageNet: step size 0.1, momentum 0.9,
steps at 30 and 60 of 90 epochs). Runs of different n are compared at equal numbers of SGD steps per model and at one
step size; a schedule is compressed to the run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from algorithms.coopsgd.cooperative import fully_synchronous, periodic_averaging
from algorithms.popsgd.population import ClockRate, constant
from algorithms.schedule import StepDecay
from reproductions.harness.runs.settings import Settings
from reproductions.popsgd.convex import Convex
from reproductions.popsgd.partitions import updates_per_model
from reproductions.popsgd.readings import seeded
from reproductions.popsgd.training import NodeTraining, PopSGD, Rounds
from reproductions.workloads.base import Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.digits import Digits
from reproductions.workloads.imagenet import ImageNet, Net
from reproductions.workloads.linear import DigitsGisette, Gisette, LinearWorkload, SyntheticSquares, Year, YearLike
from reproductions.workloads.resnet import ResNet

POWERS = (1, 10, 100, 1000, 10_000)
TUNING = 1000  # the first seed of the runs that choose a learning rate
SQUARES = SyntheticSquares()


@dataclass(frozen=True)
class Constant:
    """Figure 3: synthetic least squares at a constant rate, at a stationary loss after `settled` of the steps."""

    eta: float = 0.001
    steps: int = 20_000
    settled: float = 0.4
    looks: int = 200

    def run(self, nodes: int, batch: int = 1) -> Convex:
        """Return PopSGD with n nodes; n = 1 is mini-batch SGD."""
        return Convex(SQUARES, nodes, constant(self.eta), self.steps, 0, batch, looks=self.looks, all_nodes=True)


@dataclass(frozen=True)
class Decreasing:
    """Synthetic least squares at rates 4/(ell (V + tau)), as in Theorem 4.1 with a = tau n, b = 4 n/ell and ell = 1."""

    tau: float = 400.0
    steps: int = 20_000
    looks: int = 100

    def run(self, nodes: int) -> Convex:
        """Return PopSGD with n nodes."""
        return Convex(
            SQUARES,
            nodes,
            ClockRate(nodes, self.tau * nodes, 4.0 * nodes),
            self.steps,
            0,
            looks=self.looks,
            all_nodes=True,
        )


FIGURE3 = Constant()
FIGURE3_NODES = (1, 2, 4, 8, 16, 32, 64, 128)
SPEEDUP = Decreasing()
SPEEDUP_NODES = (1, 4, 16, 64)


@dataclass(frozen=True)
class Search:
    """One panel of figure 1 at one scale: a line search for the learning rate of each n.

    Parameters
    ----------
    workload, batch
        On what.
    rates
        eta_0 that are tried; eta^i = eta_0/(1 + V^i/tau), tau an eighth of `steps`.
    steps
        SGD steps of the fixed node.
    """

    workload: LinearWorkload
    batch: int
    rates: tuple[float, ...]
    steps: int

    def run(self, nodes: int, eta: float) -> Convex:
        """Return the run of one n and eta_0."""
        tau = self.steps / 8
        rate = ClockRate(nodes, tau * nodes, eta * tau * nodes)
        return Convex(self.workload, nodes, rate, self.steps, 0, self.batch, single=True)

    def tried(self, nodes: int, eta: float, seeds: int) -> list[Convex]:
        """Return the runs of one n and eta_0: twice the seeds where few nodes are noisy, and cheap; three of most."""
        return seeded(self.run(nodes, eta), 3 if nodes == POWERS[-1] else seeds * 2 if nodes <= 100 else seeds)

    def tuning(self, nodes: int, eta: float, seeds: int) -> list[Convex]:
        """Return the runs by which a rate is chosen: half as many, at least one, of seeds that `tried` has not."""
        tried = self.tried(nodes, eta, seeds)
        return [replace(run, seed=TUNING + run.seed) for run in tried[: max(1, len(tried) // 2)]]

    def grid(self, seeds: int) -> dict[tuple[str, int, float], list[Convex]]:
        """Return all runs of the panel by what they are for, ``tuning`` or ``test``, n and eta_0."""
        kinds = {"tuning": self.tuning, "test": self.tried}
        return {(kind, n, eta): of(n, eta, seeds) for kind, of in kinds.items() for n in POWERS for eta in self.rates}


# rates in factors of 2 around the printed intervals, and for the stand-in of gisette of 3 up to the largest stable one
_YEAR = tuple(0.0125 * 2**k for k in range(7))
_GISETTE = tuple(0.00025 * 2**k for k in range(8))
FIGURE1 = {
    ("year", "smoke"): Search(YearLike(), 128, (0.1, 0.2, 0.4), 20),
    ("gisette", "smoke"): Search(DigitsGisette(), 128, (0.3, 1.0, 3.0), 20),
    ("year", "small"): Search(Year(), 128, _YEAR, 100),
    ("gisette", "small"): Search(Gisette(), 128, _GISETTE, 40),
    ("year", "paper"): Search(Year(), 128, _YEAR, 400),
    ("gisette", "paper"): Search(Gisette(), 128, _GISETTE, 200),
}


def search(settings: Settings, panel: str) -> Search:
    """Return how a panel of figure 1, ``year`` or ``gisette``, is made at the scale of the session."""
    return FIGURE1[panel, settings.scale]


# ------------------------------------------------------------------------------------------------------- networks

SYMMETRIC, ONE_SIDED = PopSGD("symmetric"), PopSGD("one-sided")
EPOCHS, DECAYS = 200, (81 / 200, 122 / 200, 164 / 200)  # of the authors' code for CIFAR-10


@dataclass(frozen=True)
class Recipe:
    """How a network is trained at one scale.

    Parameters
    ----------
    workload, batch, steps
        What is trained, samples of a step, SGD steps per model.
    lr, momentum
        Step size, the same for every n, and momentum.
    evaluations
        How often a run is measured; divides `steps`.
    milestones
        Fractions of the run after which the step size falls to a tenth.
    mult
        Passes through a partition in an epoch.
    period
        Batches between global averages of local SGD: 100 as printed, an eighth of an epoch of CIFAR-10, or at a reduced
        scale no more of its shorter epoch, so that a run has at least 20 periods.
    standard
        Length of the baseline's own schedule in units of `steps`: the number of nodes by which it is compressed.
    """

    workload: Workload
    batch: int
    steps: int
    lr: float
    momentum: float = 0.0
    evaluations: int = 10
    milestones: tuple[float, ...] = ()
    mult: int = 1
    period: int = 100
    standard: int = 8

    def training(self, method: PopSGD | Rounds, nodes: int, seed: int, lr: float = 1.0) -> NodeTraining:
        """Return one run, its step size in units of the recipe's."""
        return NodeTraining(
            method=method,
            workload=self.workload,
            schedule=StepDecay(lr * self.lr, milestones=self.milestones),
            nodes=nodes,
            batch=self.batch,
            steps=self.steps,
            every=self.steps // self.evaluations,
            seed=seed,
            mult=self.mult,
            momentum=self.momentum,
        )

    def baseline(self, seed: int) -> NodeTraining:
        """Return sequential SGD by its standard schedule, which is not compressed."""
        return replace(self, steps=self.standard * self.steps, mult=1).training(SYMMETRIC, 1, seed)


CIFAR = {
    # constant step size and small batches, so that the noise of gradients is what limits a single node; the net, batch
    # and step size were chosen after trial runs of the comparison with data-parallel SGD, for power and time
    "smoke": Recipe(Digits("mlp"), batch=4, steps=300, lr=0.5, evaluations=20, period=15),
    # a tenth of the paper's; at least 20 periods of local SGD
    "small": Recipe(Cifar10(ResNet(20, bn_momentum=0.1)), 64, 1950, 0.1, 0.9, 10, DECAYS, 4, period=65),
    # 200 epochs of 782 batches, compressed by n = 8 and with mult = 4: 25 epochs of 4 passes over 195 batches
    "paper": Recipe(Cifar10(ResNet(20, bn_momentum=0.1)), 64, 19_500, 0.1, 0.9, 50, DECAYS, 4),
}

BATCH, MULT, IMAGENET_NODES = 128, 4, 32  # of the ImageNet experiments
IMAGENET_SIZE, IMAGENET_EPOCHS, UPDATES = 1_281_167, 90, 1 / 8


def imagenet(net: Net) -> Recipe:
    """Return the recipe of figure 2 or of the second figure 4: n = 32, mult = 4, an eighth of the sequential updates.

    An eighth is what the introduction and figure 2 print, and what 29 hours speak for; the text of section 6, epochs
    divided by n, gives 1/128. See the claim popsgd-fig2-sample-arithmetic.
    """
    steps = 100 * round(UPDATES * IMAGENET_EPOCHS * (IMAGENET_SIZE // BATCH) / 100)
    return Recipe(ImageNet(net), BATCH, steps, 0.1, 0.9, milestones=(30 / 90, 60 / 90), mult=MULT)


def data_parallel(nodes: int) -> Rounds:
    """Return data-parallel SGD: gradients of n batches are averaged in every step, momentum 0.9 or none alike."""
    return Rounds(fully_synchronous(nodes))


def local_sgd(nodes: int, period: int) -> Rounds:
    """Return local SGD with a global average every `period` batches."""
    return Rounds(periodic_averaging(nodes, period))


@dataclass(frozen=True)
class Compressed:
    """A sequential recipe whose epochs are divided by n: what is trained, its size, batch and epochs, n and momentum.

    The step size is a tenth in the last quarter of the run.
    """

    workload: Workload
    train_size: int
    batch: int
    epochs: int
    nodes: int
    momentum: float = 0.0

    def training(self, nodes: int, mult: int, seed: int) -> NodeTraining:
        """Return a run, measured at its end."""
        steps = updates_per_model(self.train_size, self.batch, self.epochs, nodes, mult)
        schedule = StepDecay(0.1, milestones=(0.75,))
        return NodeTraining(
            SYMMETRIC, self.workload, schedule, nodes, self.batch, steps, steps, seed, mult, self.momentum
        )


COMPRESSED = {
    "smoke": Compressed(Digits("mlp"), 1437, 4, epochs=4, nodes=4),
    "small": Compressed(
        Cifar10(ResNet(20, bn_momentum=0.1)), 50_000, 64, epochs=24, nodes=8, momentum=0.9
    ),  # n divides 24
    "paper": Compressed(Cifar10(ResNet(20, bn_momentum=0.1)), 50_000, 64, epochs=EPOCHS, nodes=8, momentum=0.9),
}
