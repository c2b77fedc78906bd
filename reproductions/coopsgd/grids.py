"""Settings of the figures at each scale.

The paper trains VGG-16 on CIFAR-10 with a constant step size ("decay only when the training procedure saturates") and
prints neither it nor the batch nor, but for a few values in the text, the legends. `RECIPES` is where to change them,
test_sensitivity.py shows what depends on them. "Randomly sampled mini-batches" of the whole set S: workers share the
data. All algorithms follow update rule (10), as remark 1 says of the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from algorithms import cooperative
from algorithms.cooperative import CooperativeSGD
from algorithms.elastic import elastic
from algorithms.schedule import StepDecay
from algorithms.topology import hypercube, lazy, ring, uniform, value
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.training import Training
from reproductions.workloads.base import Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.digits import Digits
from reproductions.workloads.vgg import Vgg

TAIL = 1 / 3  # of a run, over which its floor is averaged


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
    """

    workload: Workload
    batch: int
    lr: float
    epochs: int
    longer: float = 1.0
    small_lr: float = 1 / 4

    def training(self, algorithm: CooperativeSGD, seed: int, epochs: float = 1.0, lr: float = 1.0) -> Training:
        """Return one run; `epochs` and `lr` are in units of the recipe's."""
        return Training(
            algorithm=algorithm,
            workload=self.workload,
            schedule=StepDecay(self.lr * lr),
            nodes=algorithm.workers,
            batch=self.batch,
            epochs=round(self.epochs * epochs),
            seed=seed,
            evaluate_train=True,
            sampling="shared",
        )


# so many members that they need a cheaper model at smoke scale
SEARCH = {"smoke": Recipe(Digits("mlp", label_noise=0.3), batch=4, lr=1.0, epochs=6)}
RECIPES = {
    # step sizes at which the noise of the gradients sets the final loss; chosen after trial runs, for power and time
    "smoke": Recipe(Digits("plain", label_noise=0.2), batch=4, lr=0.3, epochs=5, longer=0.6, small_lr=1 / 3),
    "small": Recipe(Cifar10(Vgg(11, width=8), train_size=10_000, test_size=2_000), batch=16, lr=0.1, epochs=8),
    "paper": Recipe(Cifar10(Vgg(16)), batch=128, lr=0.1, epochs=120),
}


def recipe(settings: Settings) -> Recipe:
    """Return how the model is trained at the scale of the session."""
    return RECIPES[settings.scale]


def over_seeds(settings: Settings, make: Callable[[int], Training]) -> list[Training]:
    """Return the runs of one curve."""
    return [make(seed) for seed in settings.fewer_seeds()]


def curve(settings: Settings, algorithm: CooperativeSGD, epochs: float = 1.0, lr: float = 1.0) -> list[Training]:
    """Return the runs of one curve; see `Recipe.training`."""
    return over_seeds(settings, lambda seed: recipe(settings).training(algorithm, seed, epochs, lr))


def floors(runs: Sequence[Run], metric: str = "mean_train_loss") -> list[float]:
    """Return, for every run, the mean of a metric over the last third of its epochs; NaN or infinite if it diverged."""
    values = [run.series(metric).to_numpy() for run in runs]
    return [float(series[-max(1, round(TAIL * len(series))) :].mean()) for series in values]


# ------------------------------------------------------------------------------------------------------- members


def periodic(m: int, *taus: int) -> dict[str, CooperativeSGD]:
    """Return PASGD on m workers at several communication periods."""
    return {f"tau = {tau}": cooperative.periodic_averaging(m, tau) for tau in taus}


def gossip_on_ring(m: int, tau: int) -> CooperativeSGD:
    """Return decentralized averaging on the ring with uniform weights 1/3, every tau iterations."""
    return cooperative.decentralized_periodic(uniform(ring(m)), tau)


def gossip(m: int) -> dict[str, CooperativeSGD]:
    """Return A(1, W, 0) on 8 workers by growing zeta: 0.5, 0.80 and 0.90 (`hypercube` is a graph of 2^3 workers)."""
    graphs = (uniform(hypercube(3)), uniform(ring(m)), lazy(uniform(ring(m))))
    labels = ("zeta = 0.5, hypercube", "zeta = 0.80, ring", "zeta = 0.90, lazy ring")
    return {label: cooperative.decentralized_periodic(W, 1) for label, W in zip(labels, graphs, strict=True)}


def easgd(m: int, alpha: float, alternative: bool = False) -> CooperativeSGD:
    """Return A(1, W_alpha, 1), also for an alpha with which it cannot converge."""
    return CooperativeSGD(1, value(elastic(np.eye(m), alpha)), 1, alternative=alternative, diverges=True)


def with_rule(algorithm: CooperativeSGD, alternative: bool) -> CooperativeSGD:
    """Return an algorithm under rule (10) or under the alternative rule."""
    return replace(algorithm, alternative=alternative)
