"""Settings of section 6 and appendix E at each scale.

Paper: batch 32 a worker, no momentum, no weight decay, linear scaling of the learning rate with n (Goyal et al. 2017)
from CNTK's example (gamma = 1 on the mean gradient of 128 samples: its momentum has unit gain), 5 epochs of warm-up,
x0.1 after epochs 80 and 120 of 160. The paper does not print gamma; `BASE_LR` is where to change it, and
test_sensitivity.py shows how much depends on it. Reduced scales keep the shape of the schedule: warm-up and milestones
at the same fractions of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops
from algorithms.rps import ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.training import Training
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
    warmup, milestones
        Fractions of the run.
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
    evaluations: int = 20

    def training(self, arrival: float, seed: int, nodes: int = NODES, algorithm: Algorithm | None = None) -> Training:
        """Return the run of one arrival probability and seed."""
        scaled = self.base_lr * nodes * self.batch / self.base_batch
        schedule = StepDecay(
            peak=scaled,
            warmup=self.warmup * self.epochs,
            start=self.base_lr * self.batch / self.base_batch,
            milestones=tuple(fraction * self.epochs for fraction in self.milestones),
        )
        return Training(
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


# a few hundred steps are too few for CNTK's time constant of batch norm
_THIN_RESNET20 = Cifar10(ResNet(8, 8, bn_momentum=0.1), train_size=10_000, test_size=2_000)
_THIN_RESNET110 = Cifar10(ResNet(14, 8, bn_momentum=0.1), train_size=10_000, test_size=2_000)

RECIPES = {
    # length and step size of the smoke runs: long enough to converge, and small enough that runs of one seed that
    # differ in the drops alone stay close, so that few seeds decide; chosen after trial runs, for power and time
    ("ResNet20", "smoke"): Recipe(Digits("small"), batch=8, epochs=8, base_lr=1.0, evaluations=4),
    ("ResNet110", "smoke"): Recipe(Digits("deep"), batch=8, epochs=5, base_lr=1.0, evaluations=5),
    ("LSTM", "smoke"): Recipe(
        SlotGrammar(train_size=1024), batch=8, epochs=5, base_lr=2.0, base_batch=32, evaluations=1
    ),
    ("ResNet20", "small"): Recipe(_THIN_RESNET20, batch=16, epochs=12, base_lr=0.5),
    ("ResNet110", "small"): Recipe(_THIN_RESNET110, batch=16, epochs=6, base_lr=0.5),
    ("LSTM", "small"): Recipe(Atis(hidden=100, embedding=50), batch=8, epochs=10, base_lr=1.0, base_batch=16),
    ("ResNet20", "paper"): Recipe(Cifar10(ResNet(20)), batch=32, epochs=160, base_lr=1.0),
    ("ResNet110", "paper"): Recipe(Cifar10(ResNet(110)), batch=32, epochs=160, base_lr=1.0),
    ("LSTM", "paper"): Recipe(Atis(), batch=8, epochs=20, base_lr=1.0, base_batch=16),
}


def recipe(settings: Settings, model: str) -> Recipe:
    """Return how `model`, one of ResNet20, ResNet110 and LSTM, is trained at the scale of the session."""
    return RECIPES[model, settings.scale]


def grid(
    settings: Settings,
    model: str,
    arrivals: Sequence[float],
    nodes: Sequence[int] = (NODES,),
    algorithm: Algorithm | None = None,
) -> list[Training]:
    """Return all combinations of arrival probability, number of nodes and seed."""
    chosen = recipe(settings, model)
    seeds = range(settings.seeds)
    return [chosen.training(arrival, seed, n, algorithm) for n in nodes for arrival in arrivals for seed in seeds]


def arrival(run: Run) -> float:
    """Return the arrival probability of a run."""
    experiment = run.experiment
    assert isinstance(experiment, Training)
    assert isinstance(experiment.network, IndependentDrops)
    return round(1 - experiment.network.p, 10)


def final(runs: Sequence[Run], metric: str) -> list[float]:
    """Return the last value of a metric in every run."""
    return [run.final(metric) for run in runs]


def with_algorithm(experiments: Sequence[Training], algorithm: Algorithm) -> list[Training]:
    """Return the same experiments with another algorithm."""
    return [replace(experiment, algorithm=algorithm) for experiment in experiments]
