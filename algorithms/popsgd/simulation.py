"""Exact simulation of PopSGD on linear models: the loop of `population`, compiled, for up to 100,000 nodes.

Interactions are made one after the other in the order drawn, so nothing is reordered between them. Gradient, step,
average and clock of an interaction are one pass over the models, and rows are drawn inside the loop, by counters of
Philox keyed by (seed, node, step). Results are those of `population.simulate` with `Samples.gradient` but for the
rounding of dot products, whose terms are added in the order that is fastest on a processor.

For all functions a model is a row x of d weights, the loss of a sample (a, y) is phi(a.x, y), and a stochastic gradient
is the mean over `batch` samples drawn uniformly with replacement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from algorithms.popsgd.loops import Data, State, draw_rows, interact_all
from algorithms.popsgd.population import (
    CHUNK,
    Averaging,
    ClockRate,
    Gradient,
    Graph,
    Integers,
    Population,
    Rows,
    checked,
    interactions,
)
from algorithms.streams import kernel_key

Loss = Literal["squares", "logistic"]
_NEVER = 2**62


@dataclass(frozen=True, eq=False)
class Samples:
    """What stochastic gradients are drawn from.

    Parameters
    ----------
    a
        (m, d) features, float32 or float64, in C order, m < 2^32.
    y
        (m,) targets of the same type; -1 and 1 for the logistic loss.
    batch
        Samples of one gradient, >= 1.
    loss
        ``squares``: phi = (a.x - y)^2/2; ``logistic``: phi = log(1 + exp(-y a.x)).
    seed
        Key of the samples drawn.

    Raises
    ------
    ValueError
        If shapes, types, batch or loss are not as above.
    """

    a: Rows
    y: Rows
    batch: int = 1
    loss: Loss = "squares"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.a.ndim != 2 or self.y.shape != self.a.shape[:1] or not 0 < len(self.a) < 2**32:
            raise ValueError(f"samples are (m, d) and (m,) with 0 < m < 2^32, not {self.a.shape} and {self.y.shape}")
        if self.a.dtype != self.y.dtype or self.a.dtype.kind != "f":
            raise ValueError(f"features and targets share a float type, but are {self.a.dtype} and {self.y.dtype}")
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}, but a gradient needs at least one sample")
        if self.loss not in get_args(Loss):
            raise ValueError(f"loss is {self.loss!r}, but must be one of {', '.join(get_args(Loss))}")

    @cached_property
    def key(self) -> np.uint64:
        """Key of the rows that nodes draw."""
        return np.uint64(kernel_key(self.seed, "popsgd/rows"))

    @property
    def gradient(self) -> Gradient:
        """The stochastic gradient for `population.interact`: the specification of what the compiled loop does."""
        key, rows = self.key, np.empty(self.batch, np.int64)

        def gradient(x: Rows, node: int, step: int) -> Rows:
            draw_rows(node, step, len(self.a), key, rows)
            a, y = self.a[rows], self.y[rows]
            slopes = a @ x - y if self.loss == "squares" else -y / (1 + np.exp(y * (a @ x)))
            mean: Rows = slopes @ a / self.a.dtype.type(self.batch)
            return mean

        return gradient


@dataclass
class Simulation:
    """A population that interacts over time.

    Parameters
    ----------
    nodes
        The population, changed in place.
    graph, samples, rate, averaging
        Who meets whom, gradients, learning rates and the rule; see `algorithms.popsgd.population`.
    seed
        Key of the interactions.
    t
        Interactions made.
    """

    nodes: Population
    graph: Graph
    samples: Samples
    rate: ClockRate
    averaging: Averaging = "symmetric"
    seed: int = 0
    t: int = 0
    _drawn: Integers = field(default_factory=lambda: np.empty((0, 2), np.int64), repr=False)
    _chunk: int = field(default=-1, repr=False)

    def __post_init__(self) -> None:
        checked(self.averaging)
        x, a = self.nodes.x, self.samples.a
        if self.graph.nodes != len(x):
            raise ValueError(f"the graph has {self.graph.nodes} nodes, but there are {len(x)} models")
        if x.dtype != a.dtype or x.shape[1] != a.shape[1]:
            raise ValueError(f"models are {x.dtype} of {x.shape[1]} weights, samples {a.dtype} of {a.shape[1]}")

    def to_time(self, t: int) -> None:
        """Let nodes interact until `t` interactions have been made."""
        while self.t < t:
            self._advance(t - self.t, 0, _NEVER)

    def to_step(self, node: int, steps: int) -> None:
        """Let nodes interact until `node` has made at least `steps` steps; a self-interaction makes two at once."""
        while self.nodes.steps[node] < steps:
            self._advance(CHUNK, node, steps)

    def _advance(self, most: int, node: int, steps: int) -> None:
        chunk, start = divmod(self.t, CHUNK)
        if chunk != self._chunk:
            self._drawn = interactions(self.graph, self.seed, chunk * CHUNK, (chunk + 1) * CHUNK)
            self._chunk = chunk
        s, nodes = self.samples, self.nodes
        rate = (float(self.rate.n), float(self.rate.a), float(self.rate.b))
        rule = (self.averaging != "one-sided", self.averaging != "none")
        pairs = self._drawn[start : start + most]
        state = State(nodes.x, nodes.clock, nodes.steps)
        data = Data(s.a, s.y, s.batch, s.loss == "logistic", s.key)
        self.t += interact_all(state, pairs, data, rate, rule, node, steps)
