"""PopSGD on objectives with known constants, and its clocks alone: the loop of the specification, run by MPI ranks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, TypeVar

import numpy as np

from algorithms import popsgd
from algorithms.popsgd import ClockRate, Graph, Population
from algorithms.streams import stream
from reproductions.harness.context import Context
from reproductions.harness.experiment import Experiment
from reproductions.harness.store import Run
from reproductions.popsgd.bounds import CLOCK
from reproductions.popsgd.problems import Array, Problem

FEWEST = 5
BLOCK = 64  # steps of a node whose noise shares a stream
ZETA = 0.5  # of the potential G_t


@dataclass(frozen=True)
class OnGraph(Experiment):
    """What both kinds of run share: T interactions on a graph."""

    solo: ClassVar[bool] = True
    role: str
    graph: Graph
    steps: int
    seed: int

    @property
    def workers(self) -> int:
        """One: the sequence of interactions is serial."""
        return 1


E = TypeVar("E", bound=OnGraph)


@dataclass(frozen=True)
class PopulationDescent(OnGraph):
    """n nodes descend on a problem, all from X = 0, with noise of `noise` and random sign in every coordinate.

    Logged after 2^k interactions and at the end, looking at the models every `every` interactions from t = 0 on:

    - ``potential``: Gamma_t; ``mean_potential``: its mean over times s < t;
    - ``gradient``: mean over times s < t of |grad f(mu_s)|^2;
    - ``excess``: f(mu_t) - f*; ``mean_excess``: sum_{s<t} w_s (f(mu_s) - f*)/S_t; ``averaged``: f(y_t) - f*; and
      ``reach``: the largest abs(X_s^i - x*) for s < t, for problems with a centre x*.

    Parameters
    ----------
    problem, noise, rate
        On what, with which noise and learning rates.
    every
        Interactions between two looks.
    """

    problem: Problem
    noise: float
    rate: ClockRate
    every: int = 1

    @property
    def sigma(self) -> float:
        """The root of E |g - grad f|^2."""
        return self.noise * math.sqrt(self.problem.d)

    @property
    def M(self) -> float:
        """The root of sup E |g|^2, where models can get to."""
        return math.sqrt(self.problem.steepest(self.noise) + self.sigma**2)

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        return self.steps * (2.5e-5 + 1.5e-5 / self.every)

    def execute(self, context: Context) -> None:
        """Descend and log what was seen."""
        context.notes["workload"] = type(self.problem).__name__.lower()
        nodes = popsgd.population(np.zeros((self.graph.nodes, self.problem.d)))
        pairs, seen = popsgd.interactions(self.graph, self.seed, 0, self.steps), _Seen(self)
        gradient = self._stochastic()
        for t in range(0, self.steps, self.every):
            seen.look(nodes, t)
            popsgd.simulate(nodes, pairs[t : t + self.every], gradient, self.rate)
            done = min(t + self.every, self.steps)
            if done == self.steps or done.bit_length() > t.bit_length():
                context.log(done, seen.summary(nodes))
                context.on_progress(done / self.steps)

    def _stochastic(self) -> popsgd.Gradient:
        """Return stochastic gradients whose noise is keyed by node and by how many steps that node has made."""

        @cache
        def kicks(node: int, block: int) -> Array:
            signs = stream(self.seed, "noise", node, block).integers(2, size=(BLOCK, self.problem.d))
            kick: Array = self.noise * (2 * signs.astype(np.float64) - 1)
            return kick

        def gradient(x: Array, node: int, step: int) -> Array:
            block, row = divmod(step, BLOCK)
            noisy: Array = self.problem.gradient(x, node / self.graph.nodes) + kicks(node, block)[row]
            return noisy

        return gradient


class _Seen:
    """Sums over the times at which models were looked at."""

    def __init__(self, run: PopulationDescent) -> None:
        self.run, self.minimum = run, getattr(run.problem, "centre", None)
        self.looks, self.potential, self.gradient = 0, 0.0, 0.0
        self.weight, self.excess, self.reach = 0.0, 0.0, 0.0
        self.averaged = np.zeros(run.problem.d)

    def look(self, nodes: Population, t: int) -> None:
        """Add X_t to the sums."""
        problem, mean, w = self.run.problem, nodes.mean, (self.run.rate.a + t) ** 2
        self.looks += 1
        self.potential += nodes.potential
        self.gradient += float((problem.gradient(mean) ** 2).sum())
        if self.minimum is not None:
            self.weight += w
            self.averaged += w * (mean - self.averaged) / self.weight
            self.excess += w * problem.excess(mean)
            self.reach = max(self.reach, float(abs(nodes.x - self.minimum).max()))

    def summary(self, nodes: Population) -> dict[str, float]:
        """Return what is logged."""
        problem = self.run.problem
        means = {"gradient": self.gradient / self.looks, "mean_potential": self.potential / self.looks}
        found = means | {"potential": nodes.potential}
        if self.minimum is None:
            return found
        averages = {"mean_excess": self.excess / self.weight, "averaged": problem.excess(self.averaged)}
        return found | averages | {"reach": self.reach, "excess": problem.excess(nodes.mean)}


@dataclass(frozen=True)
class Clocks(OnGraph):
    """The phase clock alone. Clocks are looked at eight times in n interactions; in between, bounds hold, since they
    never run backwards and t moves on by n/8. Logged after 2^k n interactions, as maxima over all times until then:

    - ``deviation``: abs(V^i - t/n);
    - ``lowest``, ``highest`` (minimum and maximum): eta_t/eta_t^i for a = 2 c n log(steps);
    - ``potential``: G_t/n at that time, with zeta = `ZETA`.
    """

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        return 1e-6 * self.steps

    def execute(self, context: Context) -> None:
        """Let the clocks tick."""
        context.notes["workload"] = "clocks"
        n, a = self.graph.nodes, 2 * CLOCK * self.graph.nodes * math.log(self.steps)
        deviation, lowest, highest, due = 0.0, 1.0, 1.0, n
        for before, then, t, clock in self._looks():
            slowest, fastest = int(then.min()), int(clock.max())
            deviation = max(deviation, fastest - before / n, t / n - slowest)
            lowest = min(lowest, (a + n * slowest) / (a + t))
            highest = max(highest, (a + n * fastest) / (a + before))
            if t >= due or t == self.steps:
                potential = 2 * float(np.cosh(ZETA * (clock - t / n)).mean())
                found = {"deviation": deviation, "lowest": lowest, "highest": highest, "potential": potential}
                context.log(t, found)
                due *= 2

    def _looks(self) -> Iterator[tuple[int, popsgd.Integers, int, popsgd.Integers]]:
        """Yield the time of a look and the clocks then, the time of the next and the clocks at that."""
        clock = np.zeros(self.graph.nodes, np.int64)
        every = max(1, self.graph.nodes // 8)
        pairs = popsgd.interactions(self.graph, self.seed, 0, self.steps).tolist()
        for t in range(0, self.steps, every):
            then = clock.copy()
            for i, j in pairs[t : t + every]:
                popsgd.tick(clock, i, j)
            yield t, then, min(t + every, self.steps), clock


def repeat(experiment: E, seeds: int) -> list[E]:
    """Return the experiment once for every seed, at least `FEWEST` times: a run takes a fraction of a second."""
    return [replace(experiment, seed=seed) for seed in range(max(seeds, FEWEST))]


def by_setting(runs: Iterable[Run], kind: type[E], *roles: str) -> dict[E, list[Run]]:
    """Group the runs of one kind of experiment, of all roles or some, by everything but the seed."""
    groups: dict[E, list[Run]] = {}
    for run in runs:
        experiment = run.experiment
        if isinstance(experiment, kind) and (not roles or experiment.role in roles):
            groups.setdefault(replace(experiment, seed=0), []).append(run)
    return groups


def over_time(runs: Iterable[Run], metric: str) -> dict[int, list[float]]:
    """Return a metric of every run, by the number of interactions after which it was logged."""
    table = [run.series(metric) for run in runs]
    return {int(t): [float(series[t]) for series in table] for t in table[0].index}


def at(runs: Iterable[Run], metric: str, step: int) -> list[float]:
    """Return a metric logged after `step` interactions, of every run."""
    return [float(run.series(metric)[step]) for run in runs]
