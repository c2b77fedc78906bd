"""Settings of section 6 and appendix E at each scale.

Paper: batch 32 a worker, no momentum, no weight decay, linear scaling of the learning rate with n (Goyal et al. 2017)
from CNTK's example (gamma = 1 on the mean gradient of 128 samples: its momentum has unit gain), 5 epochs of warm-up,
x0.1 after epochs 80 and 120 of 160. The paper does not print gamma; `Recipe.base_lr` is where to change it, and
test_sensitivity.py shows how much depends on it. Reduced scales keep the shape of the schedule: warm-up and milestones
at the same fractions of the run.

The LSTM is trained "with the default parameters given by the CNTK examples": 20 epochs with step sizes of 1, 1/2 after
2 and 1/10 after 14 of them, no warm-up. The example trains by FSAdaGrad on 70 tokens a step; here it is plain SGD, as
section 6 omits momentum, and a batch counts sentences. No text translates its step size to plain SGD: of 1/4, 1/2, 1
and 2 the one with the lowest training loss without drops (0.097, 0.044, 0.027, 0.051), tried on a seed that no figure
uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops
from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.experiments.tiny import training_of
from reproductions.experiments.training import Training
from reproductions.harness.runs.settings import Settings
from reproductions.workloads.atis import Atis
from reproductions.workloads.base import Workload
from reproductions.workloads.cifar10 import Cifar10
from reproductions.workloads.digits import Digits
from reproductions.workloads.grammar import SlotGrammar
from reproductions.workloads.resnet import ResNet

ARRIVALS = (1.0, 0.99, 0.95, 0.9, 0.8)
NODES = 16


@dataclass(frozen=True)
class Recipe:
    """How one model is trained at one scale.

    Parameters
    ----------
    workload, batch, epochs
        What is trained, samples per worker and step, length of a run.
    base_lr, base_batch
        Step size for the mean gradient of `base_batch` samples, scaled linearly with ``nodes * batch``.
    warmup, milestones, shares
        Fractions of the run; the step size after each milestone as a share of the largest.
    evaluations
        How often a run is evaluated on the test set.
    """

    workload: Workload
    batch: int
    epochs: int
    base_lr: float
    base_batch: int = 128
    warmup: float = 5 / 160
    milestones: tuple[float, ...] = (80 / 160, 120 / 160)
    shares: tuple[float, ...] = (0.1, 0.01)
    evaluations: int = 20

    def training(self, arrival: float, seed: int, nodes: int = NODES, algorithm: Algorithm | None = None) -> Training:
        """Return the run of one arrival probability and seed."""
        scaled = self.base_lr * nodes * self.batch / self.base_batch
        schedule = StepDecay(
            peak=scaled,
            warmup=self.warmup * self.epochs,
            start=self.base_lr * self.batch / self.base_batch,
            milestones=tuple(fraction * self.epochs for fraction in self.milestones),
            shares=self.shares,
        )
        return training_of(self.workload)(
            algorithm=algorithm or ModelAveraging(),
            workload=self.workload,
            schedule=schedule,
            nodes=nodes,
            batch=self.batch,
            epochs=self.epochs,
            seed=seed,
            network=IndependentDrops(round(1 - arrival, 10), seed),
            evaluate_every=max(1, self.epochs // self.evaluations),
        )


_lstm = partial(Recipe, warmup=0.0, milestones=(2 / 20, 14 / 20), shares=(1 / 2, 1 / 10))

RECIPES = {
    # length and step size of the smoke runs: long enough to converge, and small enough that runs of one seed that
    # differ in the drops alone stay close, so that few seeds decide; chosen after trial runs, for power and time
    ("ResNet20", "smoke"): Recipe(Digits("small"), batch=8, epochs=8, base_lr=1.0, evaluations=4),
    ("ResNet110", "smoke"): Recipe(Digits("deep"), batch=8, epochs=5, base_lr=1.0, evaluations=5),
    ("LSTM", "smoke"): _lstm(
        SlotGrammar(train_size=1024), batch=8, epochs=5, base_lr=2.0, base_batch=32, evaluations=1
    ),
    # the paper's networks and all of its data; a tenth of the epochs, ResNet-110 a twentieth, the LSTM a quarter of 20
    ("ResNet20", "small"): Recipe(Cifar10(ResNet(20)), batch=32, epochs=16, base_lr=1.0, evaluations=4),
    ("ResNet110", "small"): Recipe(Cifar10(ResNet(110)), batch=32, epochs=8, base_lr=1.0, evaluations=2),
    ("LSTM", "small"): _lstm(Atis(), batch=8, epochs=5, base_lr=1.0, base_batch=16),
    ("ResNet20", "paper"): Recipe(Cifar10(ResNet(20)), batch=32, epochs=160, base_lr=1.0),
    ("ResNet110", "paper"): Recipe(Cifar10(ResNet(110)), batch=32, epochs=160, base_lr=1.0),
    ("LSTM", "paper"): _lstm(Atis(), batch=8, epochs=20, base_lr=1.0, base_batch=16),
}


def recipe(settings: Settings, model: str) -> Recipe:
    """Return how `model`, one of ResNet20, ResNet110 and LSTM, is trained at the scale of the session."""
    return RECIPES[model, settings.scale]


def seeds_of(
    settings: Settings, model: str, arrival: float, nodes: int = NODES, algorithm: Algorithm | None = None
) -> list[Training]:
    """Return the training of `model` at one arrival probability and number of nodes, once for every seed."""
    chosen = recipe(settings, model)
    return [chosen.training(arrival, seed, nodes, algorithm) for seed in range(settings.seeds)]


def by_arrival(
    settings: Settings, model: str, arrivals: Iterable[float], algorithm: Algorithm | None = None
) -> dict[float, list[Training]]:
    """Return the training of `model` by arrival probability, once for every seed."""
    return {arrival: seeds_of(settings, model, arrival, algorithm=algorithm) for arrival in arrivals}
