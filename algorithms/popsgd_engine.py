"""Exact simulation of PopSGD on linear models: the loop of `algorithms.popsgd`, compiled, for up to 100,000 nodes.

Interactions are made one after the other in the order drawn, so nothing is reordered between them. Gradient, step,
average and clock of an interaction are one pass over the models, and rows are drawn inside the loop, by counters of
Philox keyed by (seed, node, step). Results are those of `popsgd.simulate` with `Samples.gradient` but for the rounding
of dot products, whose terms are added in the order that is fastest on a processor.

For all functions a model is a row x of d weights, the loss of a sample (a, y) is phi(a.x, y), and a stochastic gradient
is the mean over `batch` samples drawn uniformly with replacement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from algorithms.compiled import LOW, UP, kernel, philox, prefetch, reassociating, use_512_bits
from algorithms.popsgd import (
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

    @property
    def key(self) -> np.uint64:
        """Key of the rows that nodes draw."""
        return np.uint64(kernel_key(self.seed, "popsgd/rows"))

    @property
    def gradient(self) -> Gradient:
        """The stochastic gradient as `popsgd.interact` takes it: the specification of what the compiled loop does."""
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
        Who meets whom, gradients, learning rates and the rule; see `algorithms.popsgd`.
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
        state = _State(nodes.x, nodes.clock, nodes.steps)
        data = _Data(s.a, s.y, s.batch, s.loss == "logistic", s.key)
        self.t += interact_all(state, pairs, data, rate, rule, node, steps)


# ------------------------------------------------------------------------------------------------------ compiled loops


class _State(NamedTuple):
    x: Rows
    clock: Integers
    steps: Integers


class _Data(NamedTuple):
    a: Rows
    y: Rows
    batch: int
    logistic: bool
    key: Any


@kernel
def draw_rows(node: int, step: int, m: int, key: Any, rows: NDArray[np.int64]) -> None:
    """Draw the rows of a step: word b of Philox counters (b // 4, step, node, step / 2^32), times m / 2^32.

    No row is more likely than another by more than m / 2^32.
    """
    low, who, high, size = uint64(step), uint64(node), uint64(step) >> UP, uint64(m)
    for first in range(0, len(rows), 4):
        words = philox(uint64(first // 4), low, who, high, key)
        rows[first] = ((words[0] & LOW) * size) >> UP
        if first + 1 < len(rows):
            rows[first + 1] = ((words[1] & LOW) * size) >> UP
        if first + 2 < len(rows):
            rows[first + 2] = ((words[2] & LOW) * size) >> UP
        if first + 3 < len(rows):
            rows[first + 3] = ((words[3] & LOW) * size) >> UP


@reassociating
def dot(a: Rows, x: Rows) -> Any:
    """Return the scalar product."""
    total = a.dtype.type(0)
    for k in range(len(a)):
        total += a[k] * x[k]
    return total


@kernel
def slope(margin: Any, y: Any, logistic: bool) -> Any:
    """Return the derivative of phi(margin, y) by the margin."""
    return -y / (1 + math.exp(y * margin)) if logistic else margin - y


@reassociating
def add_four(x: Rows, a: Rows, y: Rows, rows: NDArray[np.int64], logistic: bool, g: Rows) -> None:
    """Add the gradients of four samples at once, which saves three of four passes over x and g."""
    use_512_bits()
    real = x.dtype.type
    a0, a1, a2, a3 = a[rows[0]], a[rows[1]], a[rows[2]], a[rows[3]]
    z0 = z1 = z2 = z3 = real(0)
    for k in range(len(x)):
        z0 += a0[k] * x[k]
        z1 += a1[k] * x[k]
        z2 += a2[k] * x[k]
        z3 += a3[k] * x[k]
    s0, s1 = real(slope(z0, y[rows[0]], logistic)), real(slope(z1, y[rows[1]], logistic))
    s2, s3 = real(slope(z2, y[rows[2]], logistic)), real(slope(z3, y[rows[3]], logistic))
    for k in range(len(x)):
        g[k] += s0 * a0[k] + s1 * a1[k] + (s2 * a2[k] + s3 * a3[k])


@kernel
def descend(x: Rows, eta: float, a: Rows, y: Rows, rows: NDArray[np.int64], logistic: bool, g: Rows) -> None:
    """X <- X - eta times the mean gradient of these rows; g is room for it."""
    real = x.dtype.type
    if len(rows) == 1:  # no sum: the gradient is not stored
        row = a[rows[0]]
        scale = real(eta) * real(slope(dot(row, x), y[rows[0]], logistic))
        for k in range(len(x)):
            x[k] -= scale * row[k]
        return
    g[:] = real(0)
    whole = len(rows) - len(rows) % 4
    for b in range(0, whole, 4):
        for ahead in rows[b + 4 : b + 8]:
            for k in range(0, len(x), 64 // x.itemsize):
                prefetch(a[ahead], uint64(k))
        add_four(x, a, y, rows[b : b + 4], logistic, g)
    for b in range(whole, len(rows)):
        row = a[rows[b]]
        s = real(slope(dot(row, x), y[rows[b]], logistic))
        for k in range(len(x)):
            g[k] += s * row[k]
    scale = real(eta) / real(len(rows))
    for k in range(len(x)):
        x[k] -= scale * g[k]


@kernel
def average(x: Rows, i: int, j: int, both: bool) -> None:
    """X^i <- (X^i + X^j)/2, and X^j too if asked."""
    half = x.dtype.type(0.5)
    for k in range(x.shape[1]):
        mean = half * (x[i, k] + x[j, k])
        x[i, k] = mean
        if both:
            x[j, k] = mean


@kernel
def interact_all(
    nodes: _State,
    pairs: Integers,
    data: _Data,
    rate: tuple[float, float, float],
    rule: tuple[bool, bool],
    watched: int,
    goal: int,
) -> int:
    """Let pairs interact until one node has made `goal` steps; return how many interactions were made.

    A rule says whether the partner takes part, and whether models are averaged.
    """
    x, clock, steps = nodes
    a, y, batch, logistic, key = data
    n, offset, b = rate
    partner, averages = rule
    rows, g = np.empty(batch, np.int64), np.empty(x.shape[1], x.dtype)
    for t in range(len(pairs)):
        if steps[watched] >= goal:
            return t
        i, j = pairs[t, 0], pairs[t, 1]
        eta_i, eta_j = b / (n * clock[i] + offset), b / (n * clock[j] + offset)
        draw_rows(i, steps[i], len(a), key, rows)
        descend(x[i], eta_i, a, y, rows, logistic, g)
        steps[i] += 1
        if partner:
            draw_rows(j, steps[j], len(a), key, rows)
            descend(x[j], eta_j, a, y, rows, logistic, g)
            steps[j] += 1
        if averages:
            average(x, i, j, partner)
        if clock[i] <= clock[j]:
            clock[i] += 1
        elif partner:
            clock[j] += 1
    return len(pairs)
