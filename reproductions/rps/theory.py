"""Runs behind the lemmas, Theorem 1 and Corollary 2: RPS on objectives whose constants are known.

Everything is in double precision, on the CPU: the problems are small and the statements are about exact expectations.
Time counts as in the paper: step t = 1..T, X_1 = 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops, Network
from algorithms.schedule import Schedule
from algorithms.world import World
from reproductions.harness.context import Context
from reproductions.harness.experiment import Experiment
from reproductions.harness.store import Run
from reproductions.workloads.objectives import Gaussian, Objective

FEWEST = 8


@dataclass(frozen=True)
class Constant:
    """gamma_t = gamma."""

    gamma: float

    def lr(self, epoch: float) -> float:
        """See `algorithms.schedule.Schedule`; an epoch is one step here, the first is 0."""
        return self.gamma


@dataclass(frozen=True)
class InverseRoot(Constant):
    """gamma_t = gamma / sqrt(t), t = 1, 2, ..."""

    def lr(self, epoch: float) -> float:
        """See `Constant.lr`."""
        return self.gamma / math.sqrt(epoch + 1)


@dataclass(frozen=True)
class Simulation(Experiment):
    """What `Rounds` and `Descent` share.

    Parameters
    ----------
    role
        What the run is for.
    algorithm, network
        What is run, over what.
    nodes, d
        n and the number of coordinates; one block of d/n of them shares the fate of its messages.
    steps
        Number of steps, T.
    seed
        Key of all noise and losses.
    """

    solo: ClassVar[bool] = True
    role: str
    algorithm: Algorithm
    nodes: int
    d: int
    steps: int
    seed: int
    network: Network

    @property
    def workers(self) -> int:
        """Number of workers."""
        return self.nodes

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        return self.steps * (4e-4 + 1e-5 * self.nodes**2)


E = TypeVar("E", bound=Simulation)


@dataclass(frozen=True)
class Rounds(Simulation):
    """One step of an algorithm over and over from the same normal X and G: expectations over the drops.

    With V = X - gamma G, dx the step of the mean model and bars for means over workers, it logs means over rounds of

    - ``contraction``: Tr(X'(I-A)X'^T) / Tr(V(I-A)V^T), beta in Eq. (22);
    - ``spread``: n (|dx|^2 - gamma^2 |gbar|^2) / Tr(V(I-A)V^T), alpha_2 in Lemma 4;
    - ``drift``: <dx, -gamma gbar> / |gamma gbar|^2, 1 in Lemma 4.

    Parameters
    ----------
    gamma
        Step size.
    """

    gamma: float = 0.5

    def execute(self, context: Context) -> None:
        """Make the rounds and log the means."""
        context.notes["workload"] = "fixed models"
        world = World(context.comm, self.nodes, self.network, self.seed)
        start = self._rows(world, "model")
        g = self._rows(world, "gradient") + 1.0  # a common part for the mean to follow
        before, goal = world.collect(start).mean(dim=0), -self.gamma * world.collect(g).mean(dim=0)
        spread_v, sums = spread(world.collect(start - self.gamma * g)), torch.zeros(3, dtype=torch.float64)
        for t in range(self.steps):
            x = start.clone()
            self.algorithm.step(world, x, g.clone(), self.algorithm.state(world, x), t, self.gamma)
            rows = world.collect(x)
            dx = rows.mean(dim=0) - before
            excess = self.nodes * (dx.square().sum() - goal.square().sum()) / spread_v
            sums += torch.stack([spread(rows) / spread_v, excess, dx @ goal / goal.square().sum()])
            context.on_progress((t + 1) / self.steps)
        names = ("contraction", "spread", "drift")
        context.log(self.steps, dict(zip(names, (sums / self.steps).tolist(), strict=True)))

    def _rows(self, world: World, purpose: str) -> Tensor:
        return torch.stack([torch.from_numpy(world.stream(purpose, i).standard_normal(self.d)) for i in world.local])


@dataclass(frozen=True)
class Descent(Simulation):
    """n workers descend on an objective with known constants, from X_1 = 0 (Assumption 1.3).

    Logged at steps T = 1, 2, ..., 8, at powers of two and at the end are the means over t = 1..T of

    - ``gradient``: |grad f(xbar_t)|^2, at the mean model;
    - ``mean_gradient``: |(1/n) sum_i grad f_i(x_t^(i))|^2;
    - ``consensus``: sum_i |x_t^(i) - xbar_t|^2, and ``intermediate``, the same of v_t (Tr(V(I-A)V^T) in Lemma 5).

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
        world = World(context.comm, self.nodes, self.network, self.seed)
        x = torch.zeros(len(world.local), self.d, dtype=torch.float64)
        state, sums = self.algorithm.state(world, x), torch.zeros(4, dtype=torch.float64)
        for t in range(self.steps):
            gradients = self.objective.gradients(x, world.local, self.nodes)
            g, lr = gradients + self._noise(world, t), self.schedule.lr(t)
            sums += self._measure(world, x, gradients, x - lr * g)
            self.algorithm.step(world, x, g, state, t, lr)
            if t < 8 or (t + 1) & t == 0 or t + 1 == self.steps:
                names = ("gradient", "mean_gradient", "consensus", "intermediate")
                context.log(t + 1, dict(zip(names, (sums / (t + 1)).tolist(), strict=True)))
            context.on_progress((t + 1) / self.steps)

    def _noise(self, world: World, t: int) -> Tensor:
        rows = [self.noise.sample(world.stream("noise", i, t), self.d) for i in world.local]
        return torch.stack([torch.from_numpy(row) for row in rows])

    def _measure(self, world: World, x: Tensor, gradients: Tensor, v: Tensor) -> Tensor:
        x, gradients, v = world.collect(torch.stack([x, gradients, v], dim=1)).unbind(dim=1)
        norms = [self.objective.gradient(x.mean(dim=0), self.nodes), gradients.mean(dim=0)]
        return torch.stack([norm.square().sum() for norm in norms] + [spread(x), spread(v)])


def spread(rows: Tensor) -> Tensor:
    """Return sum_i |x_i - mean|^2 of the rows of all workers, (n, d)."""
    return (rows - rows.mean(dim=0)).square().sum()


def repeat(experiment: E, seeds: int) -> list[E]:
    """Return the experiment once for every seed, at least `FEWEST` times: a run takes a fraction of a second.

    The seed also keys the losses of the network.
    """
    return [_with_seed(experiment, seed) for seed in range(max(seeds, FEWEST))]


def by_setting(runs: Iterable[Run], kind: type[E], *roles: str) -> dict[E, list[Run]]:
    """Group the runs of one kind of experiment, of all roles or some, by everything but the seed.

    The keys have seed 0.
    """
    groups: dict[E, list[Run]] = {}
    for run in runs:
        experiment = run.experiment
        if isinstance(experiment, kind) and (not roles or experiment.role in roles):
            groups.setdefault(_with_seed(experiment, 0), []).append(run)
    return groups


def over_seeds(runs: Sequence[Run], metric: str, step: int) -> list[float]:
    """Return the mean of a metric over steps 1..step in every run."""
    return [float(run.series(metric)[step]) for run in runs]


def _with_seed(experiment: E, seed: int) -> E:
    network = experiment.network
    keyed = replace(network, seed=seed) if isinstance(network, IndependentDrops) else network
    return replace(experiment, seed=seed, network=keyed)
