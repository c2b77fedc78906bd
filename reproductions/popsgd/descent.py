"""PopSGD on objectives with known constants, and its clocks alone: the loop of the specification, run by MPI ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from algorithms.compiled import kernel
from algorithms.popsgd import population
from algorithms.popsgd.loops import tick
from algorithms.popsgd.population import ClockRate, Edges, Graph, Population
from algorithms.streams import stream
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.popsgd.bounds import CLOCK
from reproductions.popsgd.problems import Array, Problem

BLOCK = 64  # steps of a node whose noise shares a stream
ZETA = 0.5  # of the potential G_t


@dataclass(frozen=True)
class OnGraph(Experiment):
    """What both kinds of run share: T interactions on a graph."""

    placement: ClassVar[Placement] = Placement.ALONE
    graph: Graph
    steps: int
    seed: int

    @property
    def workers(self) -> int:
        """One: the sequence of interactions is serial."""
        return 1


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

    def eta(self, t: int) -> float:
        """Return the learning rate eta_t of the true time t."""
        return self.rate.b / (self.rate.a + (t if self.rate.n else 0))

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        return self.steps * (2.5e-5 + 1.5e-5 / self.every)

    def execute(self, context: Context) -> None:
        """Descend and log what was seen."""
        context.notes["workload"] = type(self.problem).__name__.lower()
        nodes = population.population(np.zeros((self.graph.nodes, self.problem.d)))
        pairs, seen = population.interactions(self.graph, self.seed, 0, self.steps), _Seen(self)
        gradient = self._stochastic()
        for t in range(0, self.steps, self.every):
            seen.look(nodes, t)
            population.simulate(nodes, pairs[t : t + self.every], gradient, self.rate)
            done = min(t + self.every, self.steps)
            if done == self.steps or done.bit_length() > t.bit_length():
                context.log(done, seen.summary(nodes))
                context.on_progress(done / self.steps)

    def _stochastic(self) -> population.Gradient:
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
    """The phase clock alone.

    Logged after 2^k n interactions and at the end, as maxima over all times until then:

    - ``deviation``: abs(V^i - t/n) of the node that is furthest off;
    - ``lowest``, ``highest`` (minimum and maximum): eta_t/eta_t^i for a = 2 c n log(steps);
    - ``potential``: G_t/n at that time, with zeta = `ZETA`; ``step``: the mean of abs(V^i - V^j) over edges, for graphs
      with edges.
    """

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        return 3e-8 * self.steps

    def execute(self, context: Context) -> None:
        """Let the clocks tick."""
        context.notes["workload"] = "clocks"
        n = self.graph.nodes
        clock, extremes = np.zeros(n, np.int64), np.array([0.0, 1.0, 1.0])
        offset, t, due = 2 * CLOCK * n * math.log(self.steps), 0, n
        while t < self.steps:
            until = min(due, self.steps, t - t % population.CHUNK + population.CHUNK)
            watch(clock, population.interactions(self.graph, self.seed, t, until), t, offset, extremes)
            t = until
            if t in (due, self.steps):
                found = dict(zip(("deviation", "lowest", "highest"), extremes.tolist(), strict=True))
                context.log(t, found | self._spread(clock, t / n))
                due *= 2

    def _spread(self, clock: population.Integers, time: float) -> dict[str, float]:
        found = {"potential": 2 * float(np.cosh(ZETA * (clock - time)).mean())}
        if isinstance(self.graph, Edges):
            i, j = np.array(self.graph.edges).T
            found["step"] = float(abs(clock[i] - clock[j]).mean())
        return found


@kernel
def watch(clock: population.Integers, pairs: population.Integers, t: int, a: float, extremes: Array) -> None:
    """Let clocks tick from time t on, in place, and widen `extremes` by what was seen.

    These are the largest deviation from t/n, and the smallest and largest eta_t/eta_t^i for eta = 1/(a + time).
    """
    n, fastest, slowest = len(clock), clock.max(), clock.min()
    behind = (clock == slowest).sum()
    for i, j in pairs:
        k = tick(clock, i, j, True)
        t += 1
        fastest = max(fastest, clock[k])
        if clock[k] == slowest + 1:
            behind -= 1
        if behind == 0:
            slowest = clock.min()
            behind = (clock == slowest).sum()
        extremes[0] = max(extremes[0], fastest - t / n, t / n - slowest)
        extremes[1] = min(extremes[1], (a + n * slowest) / (a + t))
        extremes[2] = max(extremes[2], (a + n * fastest) / (a + t))
