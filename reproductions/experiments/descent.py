"""Simulations on objectives whose constants are known, behind the bounds and rates of the papers.

Everything is in double precision, on the CPU: the problems are small and the statements are about exact expectations.
Time counts as in the papers: step t = 1..T, X_1 = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops, Network
from algorithms.schedule import Schedule
from algorithms.world import World
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.workloads.objectives import Gaussian, Objective

FEWEST = 8


@dataclass(frozen=True)
class Simulation(Experiment):
    """What `Descent` and other runs on known models share.

    Parameters
    ----------
    algorithm, network
        What is run, over what.
    nodes, d
        n and the number of coordinates; one block of d/n of them shares the fate of its messages.
    steps
        Number of steps, T.
    seed
        Key of all noise and losses.
    """

    placement: ClassVar[Placement] = Placement.ALONE
    algorithm: Algorithm
    nodes: int
    d: int
    steps: int
    seed: int
    network: Network

    @property
    def workers(self) -> int:
        """Number of rows: workers, then auxiliary variables."""
        return self.nodes + self.algorithm.auxiliaries

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        return self.steps * (4e-4 + 1e-5 * self.workers**2)


E = TypeVar("E", bound=Simulation)


@dataclass(frozen=True)
class Descent(Simulation):
    """n workers descend on an objective with known constants, all models from X_1 = 0.

    Auxiliary variables of the algorithm have no gradient and no noise, but count in the mean model xbar and in the
    spread. Logged at steps T = 1, 2, ..., 8, at powers of two and at the end are the means over t = 1..T of

    - ``gradient``: |grad f(xbar_t)|^2, at the mean model;
    - ``mean_gradient``: |(1/n) sum_i grad f_i(x_t^(i))|^2;
    - ``consensus``: sum_i |x_t^(i) - xbar_t|^2, and ``intermediate``, the same of v_t = x_t - gamma g_t.

    Parameters
    ----------
    objective, noise, schedule
        On what, with which gradient noise and step sizes.
    """

    objective: Objective
    noise: Gaussian
    schedule: Schedule

    def execute(self, context: Context) -> None:
        """Descend and log the running means."""
        context.notes["workload"] = type(self.objective).__name__.lower()
        world = World(context.comm, self.workers, self.network, self.seed)
        x = torch.zeros(len(world.local), self.d, dtype=torch.float64)
        state, sums = self.algorithm.state(world, x), torch.zeros(4, dtype=torch.float64)
        for t in range(self.steps):
            gradients, g = self._gradients(world, x, t)
            lr = self.schedule.lr(t)
            sums += self._measure(world, x, gradients, x - lr * g)
            self.algorithm.step(world, x, g, state, t, lr)
            if t < 8 or (t + 1) & t == 0 or t + 1 == self.steps:
                names = ("gradient", "mean_gradient", "consensus", "intermediate")
                context.log(t + 1, dict(zip(names, (sums / (t + 1)).tolist(), strict=True)))
            context.on_progress((t + 1) / self.steps)

    def _gradients(self, world: World, x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        """Return exact and stochastic gradients, (local, d), zero for auxiliary variables."""
        mine = [i for i in world.local if i < self.nodes]
        exact, noisy = torch.zeros_like(x), torch.zeros_like(x)
        exact[: len(mine)] = self.objective.gradients(x[: len(mine)], mine, self.nodes)
        for row, worker in enumerate(mine):
            drawn = self.noise.stochastic(world.stream("noise", worker, t), exact[row].numpy())
            noisy[row] = torch.from_numpy(drawn)
        return exact, noisy

    def _measure(self, world: World, x: Tensor, gradients: Tensor, v: Tensor) -> Tensor:
        x, gradients, v = world.collect(torch.stack([x, gradients, v], dim=1)).unbind(dim=1)
        norms = [self.objective.gradient(x.mean(dim=0), self.nodes), gradients[: self.nodes].mean(dim=0)]
        return torch.stack([norm.square().sum() for norm in norms] + [spread(x), spread(v)])


def spread(rows: Tensor) -> Tensor:
    """Return sum_i |x_i - mean|^2 of the rows of all workers, (n, d)."""
    return (rows - rows.mean(dim=0)).square().sum()


def seeded(experiment: E, seeds: int) -> list[E]:
    """Return the experiment once for every seed, at least `FEWEST` times: a run takes a fraction of a second.

    The seed also keys the losses of the network.
    """
    return [_with_seed(experiment, seed) for seed in range(max(seeds, FEWEST))]


def _with_seed(experiment: E, seed: int) -> E:
    network = experiment.network
    keyed = replace(network, seed=seed) if isinstance(network, IndependentDrops) else network
    return replace(experiment, seed=seed, network=keyed)
