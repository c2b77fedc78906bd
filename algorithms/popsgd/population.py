"""PopSGD: random pairs of nodes make a gradient step each and average (the paper has the name of the algorithm).

Time t counts interactions, from 0; parallel time is t/n. `interact` is algorithm 1, line by line, with the phase clock
of section 3, and the loop over it in `simulate` is the specification of every faster engine: an engine may reorder only
what commutes.

Where the printed text leaves a choice:

- i = j is allowed on the complete graph. Lines 3 and 4 are then two SGD steps of that node, one after the other, at the
  same learning rate, and averaging changes nothing. So with n = 1 every interaction is two steps of sequential SGD: T
  interactions are 2T of them, and a rate that follows the clock changes after every second step.
- Learning rates are those of the clock before the interaction.
- A tie of the clocks is broken in favour of i, the node that was drawn first, which is either with probability 1/2.
- A stochastic gradient depends on the model, the node and how many steps that node has made, never on global time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, get_args

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from algorithms.streams import stream

Rows = NDArray[Any]  # float32 or float64
Integers = NDArray[np.int64]
Gradient = Callable[[Rows, int, int], Rows]  # (model (d,), node, steps it made before) -> stochastic gradient (d,)
Rate = Callable[[int], float]  # local time V^i -> eta^i
Averaging = Literal["symmetric", "one-sided", "none"]

CHUNK = 4096  # interactions that share a stream


@dataclass
class Population:
    """State of n nodes: models X^i, (n, d), local times V^i, (n,), and SGD steps that each has made, (n,)."""

    x: Rows
    clock: Integers
    steps: Integers

    @property
    def nodes(self) -> int:
        """n."""
        return len(self.x)

    @property
    def mean(self) -> Rows:
        """mu = (1/n) sum_i X^i, (d,)."""
        mean: Rows = self.x.mean(axis=0)
        return mean

    @property
    def potential(self) -> float:
        """Gamma = sum_i |X^i - mu|^2."""
        return float(((self.x - self.mean) ** 2).sum())


def population(x: Rows) -> Population:
    """Return nodes at local time 0 with these models, (n, d), n >= 1 (else a ValueError), to be changed in place."""
    if x.ndim != 2 or not len(x):
        raise ValueError(f"models are (n, d) with n >= 1, but the shape is {x.shape}")
    return Population(x, np.zeros(len(x), np.int64), np.zeros(len(x), np.int64))


# ------------------------------------------------------------------------------------------------------ algorithm 1


def interact(nodes: Population, i: int, j: int, gradient: Gradient, rate: Rate) -> None:
    """Let nodes i and j interact, in place: algorithm 1.

    Parameters
    ----------
    nodes
        X_t on entry, X_{t+1} on return.
    i, j
        The nodes that were drawn, in this order; they may be the same.
    gradient, rate
        Stochastic gradients and learning rates; see `Gradient` and `Rate`.
    """
    x = nodes.x
    eta_i, eta_j = rate(int(nodes.clock[i])), rate(int(nodes.clock[j]))
    # lines 3 and 4: each performs a local SGD step
    descend(nodes, i, eta_i, gradient)
    descend(nodes, j, eta_j, gradient)
    # lines 6 to 8: they average
    average = (x[i] + x[j]) / 2
    x[i] = average
    x[j] = average
    tick(nodes.clock, i, j)


def read(nodes: Population, i: int, j: int, gradient: Gradient, rate: Rate) -> None:
    """Let node i step and average with what it reads of node j, which does nothing: the rule of the authors' code.

    Of the clocks only that of i can tick, and does unless it is ahead: sum_i V^i <= t. The code itself has no clock
    and draws j among the other nodes only; `Edges` of a complete graph does that.
    """
    x = nodes.x
    descend(nodes, i, rate(int(nodes.clock[i])), gradient)
    x[i] = (x[i] + x[j]) / 2
    if nodes.clock[i] <= nodes.clock[j]:
        nodes.clock[i] += 1


def part(nodes: Population, i: int, j: int, gradient: Gradient, rate: Rate) -> None:
    """Let both nodes step and not average: the comparison in the discussion of Theorem 4.1."""
    eta_i, eta_j = rate(int(nodes.clock[i])), rate(int(nodes.clock[j]))
    descend(nodes, i, eta_i, gradient)
    descend(nodes, j, eta_j, gradient)
    tick(nodes.clock, i, j)


def descend(nodes: Population, i: int, eta: float, gradient: Gradient) -> None:
    """X^i <- X^i - eta g(X^i), in place."""
    nodes.x[i] -= eta * gradient(nodes.x[i], i, int(nodes.steps[i]))
    nodes.steps[i] += 1


def tick(clock: Integers, i: int, j: int) -> None:
    """Let the clock with the lower time advance by one, that of i if they are equal; so sum_i V^i = t."""
    clock[i if clock[i] <= clock[j] else j] += 1


RULES: dict[Averaging, Callable[[Population, int, int, Gradient, Rate], None]] = {
    "symmetric": interact,
    "one-sided": read,
    "none": part,
}


def simulate(
    nodes: Population, pairs: Iterable[Any], gradient: Gradient, rate: Rate, averaging: Averaging = "symmetric"
) -> None:
    """Let pairs of nodes interact one after the other, in place.

    Parameters
    ----------
    nodes
        State at the first interaction on entry, after the last on return.
    pairs
        (T, 2) nodes, such as `interactions` returns.
    gradient, rate
        See `interact`.
    averaging
        ``symmetric`` as in algorithm 1, ``one-sided`` as in the authors' code, see `read`, or ``none``, see `part`.
    """
    rule = RULES[checked(averaging)]
    for i, j in pairs:
        rule(nodes, int(i), int(j), gradient, rate)


def checked(averaging: str) -> Averaging:
    """Return the name of a rule; a ValueError says which there are."""
    if averaging not in get_args(Averaging):
        raise ValueError(f"averaging is {averaging!r}, but must be one of {', '.join(get_args(Averaging))}")
    return averaging  # type: ignore[return-value]


# --------------------------------------------------------------------------------------------------- who meets whom


class Graph(Protocol):
    """Which pairs of nodes interact, with equal probability."""

    @property
    def nodes(self) -> int:
        """n."""

    def draw(self, rng: np.random.Generator, count: int) -> Integers:
        """Return (count, 2) independent pairs (i, j)."""


@dataclass(frozen=True)
class Complete:
    """Both nodes uniform among all n, with replacement: P(i = j) = 1/n."""

    nodes: int

    def __post_init__(self) -> None:
        if self.nodes < 1:
            raise ValueError(f"nodes is {self.nodes}, but a population has at least one node")

    def draw(self, rng: np.random.Generator, count: int) -> Integers:
        """See `Graph.draw`."""
        return rng.integers(self.nodes, size=(count, 2))


@dataclass(frozen=True)
class Edges:
    """Edges drawn uniformly at random (section 5), in either direction; use `edges_of` for any networkx graph.

    Raises
    ------
    ValueError
        If an edge names no node, or a node has no edge: it would never interact.
    """

    nodes: int
    edges: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        met = {node for edge in self.edges for node in edge}
        if strangers := sorted(met - set(range(self.nodes))):
            raise ValueError(f"an edge has node {strangers[0]}, but the nodes are 0 to {self.nodes - 1}")
        if lonely := [i for i in range(self.nodes) if i not in met]:
            raise ValueError(f"node {lonely[0]} of {self.nodes} is isolated: without an edge it never interacts")
        if self.nodes < 1:
            raise ValueError(f"nodes is {self.nodes}, but a population has at least one node")

    def draw(self, rng: np.random.Generator, count: int) -> Integers:
        """See `Graph.draw`."""
        chosen = self._ends[rng.integers(len(self.edges), size=count)]
        flipped: Integers = np.where(rng.integers(2, size=(count, 1)), chosen, chosen[:, ::-1])
        return flipped

    @cached_property
    def _ends(self) -> Integers:
        return np.array(self.edges, np.int64)


def edges_of(graph: nx.Graph) -> Edges:
    """Return the edges of a graph, node i being the i-th of the graph; an edge from a node to itself is allowed.

    A ValueError says that the graph is directed or names an isolated node, as the graph does.
    """
    if graph.is_directed():
        raise ValueError(f"interactions are symmetric, but {graph} is directed")
    if lonely := list(nx.isolates(graph)):
        raise ValueError(f"node {lonely[0]!r} of {graph} is isolated: without an edge it never interacts")
    place = {node: i for i, node in enumerate(graph)}
    return Edges(len(place), tuple((place[u], place[v]) for u, v in graph.edges()))


def interactions(graph: Graph, seed: int, first: int, last: int) -> Integers:
    """Return the pairs that interact at times first..last - 1, (last - first, 2).

    The sequence is keyed by (seed, chunk of `CHUNK` interactions), so it does not depend on how it is asked for.
    """
    if not 0 <= first <= last:
        raise ValueError(f"times go from {first} to {last}, but 0 <= first <= last is needed")
    chunks = range(first // CHUNK, -(-last // CHUNK))
    drawn = [graph.draw(stream(seed, "popsgd/interactions", step=chunk), CHUNK) for chunk in chunks]
    start = chunks.start * CHUNK
    return np.concatenate([np.empty((0, 2), np.int64), *drawn])[first - start : last - start]


# -------------------------------------------------------------------------------------------------- learning rates


@dataclass(frozen=True)
class ClockRate:
    """eta^i = b/(n V^i + a), section 3; n = 0 makes it constant. Needs n >= 0, a > 0 and b >= 0."""

    n: int
    a: float
    b: float

    def __post_init__(self) -> None:
        if self.n < 0 or not self.a > 0 or self.b < 0:
            raise ValueError(f"eta = b/(n V + a) needs n >= 0, a > 0 and b >= 0, not {self}")

    def __call__(self, clock: int) -> float:
        """Return eta^i at local time V^i; at n V^i = t, the global eta_t."""
        return self.b / (self.n * clock + self.a)


def constant(eta: float) -> ClockRate:
    """Return the rate that is eta at any time, as in Theorem 5.2 and figure 3."""
    return ClockRate(0, 1.0, eta)


# ----------------------------------------------------------------------------------- weighted averages (4.1 and 5.1)


def weights(a: float, T: int) -> NDArray[np.float64]:
    """Return w_t = (a + t)^2 for t = 0..T - 1; their sum is S_T."""
    if T < 1:
        raise ValueError(f"T is {T}, but a weighted average needs at least one step")
    return (a + np.arange(T, dtype=np.float64)) ** 2


def weighted_mean(means: Rows, a: float) -> Rows:
    """Return y_T = (1/S_T) sum_t w_t mu_t of Theorem 4.1, (d,), for means mu_0..mu_{T-1}, (T, d)."""
    w = weights(a, len(means))
    mean: Rows = w @ means / w.sum()
    return mean


def sampled_time(a: float, T: int, seed: int) -> int:
    """Draw the time t < T of the single global averaging of section 5, with probability w_t/S_T."""
    bounds = weights(a, T).cumsum()
    u = stream(seed, "popsgd/sampled time").random()
    return int(np.searchsorted(bounds, u * bounds[-1], side="right"))
