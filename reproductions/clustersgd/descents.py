"""Algorithms 1 and 2 on objectives with known constants, under adversaries: frames of runs with random gradients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import ClassVar

import numpy as np
import torch

from algorithms.clustersgd.adversaries import Faults, Strategy
from algorithms.clustersgd.model import Process, Vector
from algorithms.clustersgd.sgd import GeneralSGD, StronglyConvexSGD, draw_output
from algorithms.streams import stream
from reproductions.clustersgd.schedules import Values, execute
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.workloads.objectives import Gaussian, Objective

FEWEST = 8
MANY = 64  # iterations that are all logged


@dataclass(frozen=True)
class Descents(Experiment):
    """One run of algorithm 1 or 2 from a point, the same for all processes; the adversary has draws of its own.

    Logged after iterations t = 1 to 64, 128, 256, ... and T, over the processes in V_t: ``error``, the largest
    |x_{t+1}|^2, and ``mean_error``; ``gradient``, the largest |grad Q(x_{t+1})|^2; ``spread``, the largest
    |x^i_{t+1} - x^j_{t+1}|^2; ``active``, how many there are. At the end ``outputs``, how many processes have one, and
    ``output_gradient``, the largest |grad Q|^2 of these.

    Parameters
    ----------
    algorithm, strategy, faults
        What is run, against whom.
    objective, noise, d, start
        On what, with which noise, in how many coordinates, from which value of each.
    seed
        Key of the noise; that of the schedule is the same for all seeds.
    """

    placement: ClassVar[Placement] = Placement.ALONE
    algorithm: StronglyConvexSGD | GeneralSGD
    strategy: Strategy
    objective: Objective
    noise: Gaussian
    d: int
    start: float
    faults: Faults = field(default_factory=Faults)
    seed: int = 0

    @property
    def workers(self) -> int:
        """n."""
        return self.algorithm.clusters.n

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        inside = self.algorithm.agreement.rounds if isinstance(self.algorithm, GeneralSGD) else 0
        return 3e-5 * self.algorithm.iterations * self.workers * (self.workers + 3) * (1 + 4 * inside)

    def execute(self, context: Context) -> None:
        """Run and log."""
        context.notes["workload"] = type(self.objective).__name__.lower()
        done = execute(self.algorithm.clusters, self._process, self.strategy, 0, self.faults)
        assert done.history is not None
        last = self.algorithm.iterations
        for t in range(1, last + 1):
            if t <= MANY or t & (t - 1) == 0 or t == last:
                context.log(t, self._measure(done.history.computed[(t,)]))
        largest = max(float(g @ g) for g in map(self.gradient, done.outputs.values()))
        context.log(last, {"outputs": len(done.outputs), "output_gradient": largest})

    def gradient(self, x: Vector) -> Vector:
        """Return grad Q(x), (d,): all processes have the same objective."""
        return np.asarray(self.objective.gradients(torch.from_numpy(x)[None], [0], 2)[0])

    def _process(self, i: int) -> Process:
        return self.algorithm.process(i, np.full(self.d, self.start), self._stochastic)

    def _stochastic(self, i: int, t: int, x: Vector) -> Vector:
        return self.noise.stochastic(stream(self.seed, "clustersgd/noise", i, t), self.gradient(x))

    def _measure(self, values: Values) -> dict[str, float]:
        errors = [float(x @ x) for x in values.values()]
        gradients = [float(g @ g) for g in map(self.gradient, values.values())]
        apart = [float((a - b) @ (a - b)) for a, b in combinations(values.values(), 2)]
        mean = sum(errors) / len(errors)
        largest = {"error": max(errors), "gradient": max(gradients), "spread": max(apart, default=0.0)}
        return largest | {"mean_error": mean, "active": len(errors)}


def seeded(run: Descents, seeds: int) -> list[Descents]:
    """Return the run once for every seed, at least `FEWEST` times: a run takes a fraction of a second."""
    return [replace(run, seed=seed) for seed in range(max(seeds, FEWEST))]


def drawn(run: Descents) -> Descents:
    """Return the run with the output that its seed draws."""
    assert isinstance(run.algorithm, GeneralSGD)
    output = draw_output(run.seed, run.algorithm.iterations)
    return replace(run, algorithm=replace(run.algorithm, output=output))
