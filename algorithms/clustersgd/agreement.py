"""Multidimensional approximate agreement (MAA) among processes that crash.

Attiya and Schiller, "Asynchronous Fully-Decentralized SGD in the Cluster-Based Model", section 4.1 and appendix A.2.
Every process starts with an input in R^d; outputs are in the convex hull of the inputs, and the squared diameter of
the outputs is at most q times that of the inputs.

`SharedMemoryAgreement` is algorithm 4, inside one cluster; `ClusterAgreement` is algorithm 3, across clusters. Both
aggregate with one of two rules (Fuegger and Nowak 2018):

    MidExt(X)        = (a + b)/2, (a, b) = argmax over X^2 of ||a - b||      O(k^2 d) for k values
    ApproachExt(X, y) = (y + b)/2, b = argmax over X of ||y - b||            O(k d)

Contraction factors are those of squared diameters, as in the paper.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from algorithms.clustersgd.model import (
    Broadcast,
    Clusters,
    Computed,
    Effect,
    Process,
    Read,
    Receive,
    Received,
    Tag,
    Vector,
    Write,
    check_received,
    check_vector,
)

BLOCK = 1 << 19  # float64 elements of a block: smaller ones are slower, larger ones no faster


def rounds(q: float, factor: float) -> int:
    """Return ceil(log_factor(q)): the fewest rounds R with factor^R <= q.

    Raises
    ------
    ValueError
        Unless 0 < q <= 1 and 0 < factor < 1.
    """
    if not 0 < q <= 1:
        raise ValueError(f"the contraction q is {q}, but agreement needs 0 < q <= 1")
    if not 0 < factor < 1:
        raise ValueError(f"the contraction per round is {factor}, but only values between 0 and 1 contract")
    count = math.ceil(math.log(q) / math.log(factor))
    return count - 1 if count and factor ** (count - 1) <= q else count  # the logarithm of an exact power is not exact


@dataclass(frozen=True)
class Rule(ABC):
    """How a process aggregates the values of a round, and how far that contracts their squared diameter."""

    shared: ClassVar[float]
    """Contraction per round of algorithm 4 (lemma 16)."""
    inner: ClassVar[float]
    """Contraction that algorithm 3 asks of algorithm 4 in each of its rounds (line 3)."""
    clustered: ClassVar[float]
    """Contraction per round of algorithm 3 (lemmas 19 and 20)."""

    @abstractmethod
    def aggregate(self, values: Sequence[Vector], own: Vector) -> Vector:
        """Return the value for the next round.

        Parameters
        ----------
        values
            X: one or more (d,) vectors.
        own
            (d,) value of this process.

        Raises
        ------
        ValueError
            If a value is not finite or so large that squared distances overflow.
        """


class MidExtremes(Rule):
    """The midpoint of the two values farthest apart."""

    shared, inner, clustered = 7 / 8, 1 / 6, 23 / 24

    def aggregate(self, values: Sequence[Vector], own: Vector) -> Vector:
        """See `Rule.aggregate`; `own` is of no account."""
        if len(values) == 2:  # there is no choice
            apart = values[1] - values[0]
            _check_distances(np.array([apart @ apart]))
            return midpoint(*values)
        a, b = divmod(int(np.argmax(squared_distances(values))), len(values))
        return midpoint(values[a], values[b])


class ApproachExtreme(Rule):
    """The midpoint of the own value and the one farthest from it."""

    shared, inner, clustered = 31 / 32, 1 / 10, 79 / 80

    def aggregate(self, values: Sequence[Vector], own: Vector) -> Vector:
        """See `Rule.aggregate`."""
        return midpoint(own, values[int(np.argmax(squared_distances_from(own, values)))])


def midpoint(a: Vector, b: Vector) -> Vector:
    """Return (a + b)/2."""
    m: Vector = a + b
    m *= 0.5
    return m


MID_EXTREMES, APPROACH_EXTREME = MidExtremes(), ApproachExtreme()


def squared_distances(values: Sequence[Vector]) -> NDArray[np.float64]:
    """Return all ||x_i - x_j||^2, (k, k), of k vectors (d,), by one product in blocks of coordinates.

    Products are those of differences from the first vector: otherwise values close to each other but far from the
    origin would lose their distances to rounding.

    Raises
    ------
    ValueError
        If a vector is not finite or a squared distance overflows.
    """
    products: NDArray[np.float64] = np.zeros((len(values), len(values)))
    others = values[1:] or values  # the first differs from itself by nothing
    of_others = products[-len(others) :, -len(others) :]
    for block in _differences(others, values[0]):
        of_others += block @ block.T
    squares = np.diagonal(products)
    _check_distances(squares)
    return squares[:, None] + squares - 2 * products


def squared_distances_from(own: Vector, values: Sequence[Vector]) -> NDArray[np.float64]:
    """Return ||x_j - y||^2, (k,), of k vectors (d,) from `own`, y; errors as for `squared_distances`."""
    squares: NDArray[np.float64] = np.zeros(len(values))
    for block in _differences(values, own):
        squares += np.einsum("kd,kd->k", block, block)
    _check_distances(squares)
    return squares


def _differences(values: Sequence[Vector], origin: Vector) -> Generator[NDArray[np.float64]]:
    """Yield x_j - origin, (k, b), block by block of coordinates; the next block overwrites the last."""
    width = max(1, BLOCK // len(values))
    room = np.empty((len(values), min(width, origin.size)))
    for start in range(0, origin.size, width):
        part = slice(start, min(start + width, origin.size))
        block = room[:, : part.stop - start]
        for row, value in zip(block, values, strict=True):
            np.subtract(value[part], origin[part], out=row)
        yield block


def _check_distances(squares: NDArray[np.float64]) -> None:
    if not math.isfinite(squares.sum()):
        raise ValueError(
            f"{len(squares)} values have the squared distances {squares} from one of them: all values must be finite, "
            "and so small that their squares are"
        )


@dataclass(frozen=True)
class SharedMemoryAgreement:
    """Algorithm 4, SMMAA(x, q): agreement inside a cluster, wait-free, with reads and writes only.

    Parameters
    ----------
    clusters
        Who shares memory with whom.
    q
        Contraction of the squared diameter within each cluster, 0 < q <= 1.
    rule
        `MidExtremes` or `ApproachExtreme`.
    """

    clusters: Clusters
    q: float
    rule: Rule = MID_EXTREMES

    def __post_init__(self) -> None:
        rounds(self.q, self.rule.shared)  # refuses a bad q

    @property
    def rounds(self) -> int:
        """R of lemma 16."""
        return rounds(self.q, self.rule.shared)

    @property
    def arrays(self) -> Tag:
        """How many arrays it uses: A_1..A_{R+1}."""
        return (self.rounds + 1,)

    def process(self, i: int, x: Vector, instance: Tag = ()) -> Process:
        """Run process `i` with input `x`, (d,); `instance` names this agreement among others."""
        check_vector(f"the input of process {i}", x)
        yield Write((*instance, 1), x)  # line 1
        for r in range(1, self.rounds + 1):  # line 2
            values = yield from self.collect(i, (*instance, r))  # lines 3 and 4
            x = self.rule.aggregate(values, x)  # line 5: x is still A_r[i]
            yield Write((*instance, r + 1), x)
        return x  # line 6: A_{R+1}[i]

    def collect(self, i: int, array: Tag) -> Generator[Effect, Any, list[Vector]]:
        """Read all registers of an array of the cluster of process `i`, and keep what is not bottom."""
        values = []
        for j in self.clusters.peers(i):
            value = yield Read(array, j)
            if value is not None:
                values.append(value)
        return values


@dataclass(frozen=True)
class ClusterAgreement:
    """Algorithm 3, MAA(x, q): agreement among all processes, waiting for a majority of the clusters.

    Parameters
    ----------
    clusters
        Who shares memory with whom.
    q
        Contraction of the squared diameter among all processes, 0 < q <= 1.
    rule
        `MidExtremes` or `ApproachExtreme` (lemma 20), for this algorithm and for algorithm 4 inside it.
    failed_clusters
        f_c, the largest number of clusters in which every process may crash.

    Raises
    ------
    ValueError
        If f_c > floor((m-1)/2): no majority of clusters would be left. If q is not in (0, 1].
    """

    clusters: Clusters
    q: float
    rule: Rule = MID_EXTREMES
    failed_clusters: int = 0

    def __post_init__(self) -> None:
        rounds(self.q, self.rule.clustered)  # refuses a bad q
        m, most = self.clusters.m, (self.clusters.m - 1) // 2
        if not 0 <= self.failed_clusters <= most:
            raise ValueError(
                f"f_c is {self.failed_clusters} of m = {m} clusters, but agreement needs a majority of clusters with a "
                f"nonfaulty process: 0 <= f_c <= floor((m-1)/2) = {most}"
            )

    @property
    def rounds(self) -> int:
        """R of theorem 2, or of lemma 20."""
        return rounds(self.q, self.rule.clustered)

    @property
    def arrays(self) -> Tag:
        """How many arrays it uses: R times those of algorithm 4."""
        return (self.rounds, *self.inside.arrays)

    @property
    def inside(self) -> SharedMemoryAgreement:
        """SMMAA_r of line 3."""
        return SharedMemoryAgreement(self.clusters, self.rule.inner, self.rule)

    def process(self, i: int, x: Vector, instance: Tag = ()) -> Process:
        """Run process `i` with input `x`, (d,); `instance` names this agreement among others."""
        check_vector(f"the input of process {i}", x)
        for r in range(1, self.rounds + 1):  # line 2
            tag = (*instance, r)
            y = yield from self.inside.process(i, x, tag)  # line 3
            yield Broadcast(tag, y)  # line 4
            received: Received = yield Receive(tag, clusters=self.clusters.majority)  # lines 5 to 7
            check_received(i, tag, received, y)
            x = self.rule.aggregate(list(received.values()), y)  # line 8
            yield Computed(tag, x)
        return x
