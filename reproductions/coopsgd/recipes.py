"""Sizes of the figures at each scale.

The paper trains VGG-16 on CIFAR-10 with a constant step size ("decay only when the training procedure saturates") and
prints neither it nor the batch nor, but for a few values in the text, the legends. `RECIPES` is where to change them,
test_sensitivity.py shows what depends on them. "Randomly sampled mini-batches" of the whole set S: workers share the
data. All algorithms follow update rule (10), as remark 1 says of the paper, unless the recipe says `alternative`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from algorithms.coopsgd import cooperative
from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.coopsgd.elastic import elastic
from algorithms.schedule import StepDecay
from algorithms.topology import hypercube, lazy, ring, uniform, value
from reproductions.experiments.tiny import training_of
from reproductions.experiments.training import Training
from reproductions.harness.runs.settings import Settings
from reproductions.workloads.base import Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.digits import Digits
from reproductions.workloads.vgg import Vgg

SEEDS = 5  # see the resolutions of all claims on training with probability 0.8 at smoke scale; see pilots.yaml


@dataclass(frozen=True)
class Recipe:
    """How the model is trained at one scale.

    Parameters
    ----------
    workload, batch, lr
        What is trained, samples per worker and step, constant step size.
    epochs
        Length of the runs of figures 3 to 5.
    longer
        How many times longer than the runs of figures 3 to 5 those of figure 7 are, which has 4 workers.
    small_lr
        Step size of figure 7(b) in units of that of figure 7(a), `lr`.
    sampling
        Whose data a worker draws from, see `Training`; ``"sorted"`` gives workers data of different classes, for which
        the paper's assumption of unbiased gradients does not hold.
    alternative
        Whether algorithms follow the alternative rule of remark 1, which is that of (4), (5) and (6), in place of (10).
    """

    workload: Workload
    batch: int
    lr: float
    epochs: int
    longer: float = 1.0
    small_lr: float = 1 / 4
    sampling: Literal["shared", "shards", "sorted"] = "shared"
    alternative: bool = False

    def training(self, algorithm: CooperativeSGD, seed: int, epochs: float = 1.0, lr: float = 1.0) -> Training:
        """Return one run; `epochs` and `lr` are in units of the recipe's."""
        return training_of(self.workload)(
            algorithm=replace(algorithm, alternative=self.alternative),
            workload=self.workload,
            schedule=StepDecay(self.lr * lr),
            nodes=algorithm.workers,
            batch=self.batch,
            epochs=round(self.epochs * epochs),
            seed=seed,
            evaluate_train=True,
            evaluate_workers=True,
            sampling=self.sampling,
        )


# At smoke scale softmax regression on digits with 40 % of the labels drawn anew: it cannot learn the noise by heart, so
# that a constant step size ends at a floor, and at this one it is at rest within the run. Chosen after trial runs.
# An epoch has 35 steps of 8 workers, 41 of 7 and 71 of 4: epochs end in all phases of the periods of the figures.
# The search of test_tradeoff.py has so many members that its runs are shorter; the loss of its model falls for longer.
SEARCH = {"smoke": Recipe(Digits("mlp", label_noise=0.3), batch=4, lr=1.0, epochs=6)}
RECIPES = {
    "smoke": Recipe(Digits("linear", label_noise=0.4), batch=5, lr=5.0, epochs=20, longer=2 / 3),
    # a tenth of the epochs; the full width would take more than 15 minutes of two cores a run
    "small": Recipe(Cifar10(Vgg(16, width=32)), batch=128, lr=0.1, epochs=12),
    "paper": Recipe(Cifar10(Vgg(16)), batch=128, lr=0.1, epochs=120),
}


def recipe(settings: Settings) -> Recipe:
    """Return how the model is trained at the scale of the session."""
    return RECIPES[settings.scale]


def curve(settings: Settings, algorithm: CooperativeSGD, epochs: float = 1.0, lr: float = 1.0) -> list[Training]:
    """Return the runs of one curve, one a seed; see `Recipe.training`."""
    return [recipe(settings).training(algorithm, seed, epochs, lr) for seed in range(min(settings.seeds, SEEDS))]


# ------------------------------------------------------------------------------------------------------- members


def gossip_on_ring(m: int, tau: int = 1) -> CooperativeSGD:
    """Return decentralized averaging on the ring with uniform weights 1/3, every tau iterations."""
    return cooperative.decentralized_periodic(uniform(ring(m)), tau)


def gossip() -> dict[float, CooperativeSGD]:
    """Return A(1, W, 0) on 8 workers by zeta, rounded: on the cube, a ring and a lazy ring."""
    graphs = {0.5: uniform(hypercube(3)), 0.8047: uniform(ring(8)), 0.9024: lazy(uniform(ring(8)))}
    return {zeta: cooperative.decentralized_periodic(W, 1) for zeta, W in graphs.items()}


def easgd(m: int, alpha: float) -> CooperativeSGD:
    """Return A(1, W_alpha, 1), also for an alpha with which it cannot converge."""
    return CooperativeSGD(1, value(elastic(np.eye(m), alpha)), 1, diverges=True)
