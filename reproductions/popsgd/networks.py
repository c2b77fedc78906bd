"""Settings of the CIFAR-10 panels of figure 4 and of the ImageNet figures at each scale.

The paper prints the networks, n, mult, the batch for ImageNet (128 a node) and "the standard sequential recipe"; no
step size, batch or length for CIFAR-10. `RECIPES` is where to change them. At paper scale they are those of the
authors' code (CIFAR-10: batch 64, momentum 0.9, steps at 81, 122 and 164 of 200 epochs) and of torchvision's reference
(ImageNet: step size 0.1, momentum 0.9, steps at 30 and 60 of 90 epochs). Runs of different n are compared at equal
numbers of SGD steps per model and at one step size; a schedule is compressed to the run.
"""

from __future__ import annotations

from dataclasses import dataclass

from algorithms.cooperative import fully_synchronous, periodic_averaging
from algorithms.schedule import StepDecay
from reproductions.harness.settings import Settings
from reproductions.popsgd.training import Method, NodeTraining, PopSGD, Rounds
from reproductions.workloads.base import Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.digits import Digits
from reproductions.workloads.imagenet import ImageNet, Net
from reproductions.workloads.resnet import ResNet

PERIOD = 100  # batches between global averages of local SGD
BATCH, MULT, IMAGENET_NODES = 128, 4, 32  # of the ImageNet experiments
IMAGENET_SIZE, IMAGENET_EPOCHS = 1_281_167, 90
SYMMETRIC, ONE_SIDED = PopSGD("symmetric"), PopSGD("one-sided")


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
    """

    workload: Workload
    batch: int
    steps: int
    lr: float
    momentum: float = 0.0
    evaluations: int = 10
    milestones: tuple[float, ...] = ()
    mult: int = 1

    def training(self, method: Method, nodes: int, seed: int, lr: float = 1.0) -> NodeTraining:
        """Return one run, its step size in units of the recipe's."""
        assert isinstance(method, PopSGD | Rounds)
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


RECIPES = {
    # constant step size and small batches, so that the noise of gradients is what limits a single node; chosen after
    # trial runs (batches of 4 to 16, step sizes of 0.1 to 0.3), for power and time
    "smoke": Recipe(Digits("small"), batch=8, steps=200, lr=0.2),
    "small": Recipe(
        Cifar10(ResNet(8, 8, bn_momentum=0.1), 10_000, 2_000), batch=16, steps=1000, lr=0.1, evaluations=10
    ),
    # 200 epochs of 782 batches, compressed by n = 8 and with mult = 4: 25 epochs of 4 passes over 195 batches
    "paper": Recipe(
        Cifar10(ResNet(20, bn_momentum=0.1)), 64, 19_500, 0.1, 0.9, 50, (81 / 200, 122 / 200, 164 / 200), 4
    ),
}


def imagenet(net: Net) -> Recipe:
    """Return the recipe of figure 2 or of the second figure 4: n = 32, mult = 4, 90 epochs divided by n."""
    pass_steps = IMAGENET_SIZE // (IMAGENET_NODES // 2) // BATCH
    steps = 100 * round(IMAGENET_EPOCHS / IMAGENET_NODES * MULT * pass_steps / 100)
    return Recipe(ImageNet(net), BATCH, steps, 0.1, 0.9, milestones=(30 / 90, 60 / 90), mult=MULT)


def curve(settings: Settings, method: Method, nodes: int, lr: float = 1.0) -> list[NodeTraining]:
    """Return the runs of one curve: of all seeds for PopSGD as in algorithm 1, of fewer for the others."""
    every = method == SYMMETRIC  # the curves that are compared with each other over n
    chosen = range(settings.seeds) if every else settings.fewer_seeds()
    return [RECIPES[settings.scale].training(method, nodes, seed, lr) for seed in chosen]


def data_parallel(nodes: int) -> Rounds:
    """Return data-parallel SGD: gradients of n batches are averaged in every step, momentum 0.9 or none alike."""
    return Rounds(fully_synchronous(nodes))


def local_sgd(nodes: int, period: int = PERIOD) -> Rounds:
    """Return local SGD with a global average every `period` batches."""
    return Rounds(periodic_averaging(nodes, period))
