"""Wrong algorithms of the cluster model that only reproductions need; the others are those of the property tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from algorithms.clustersgd.agreement import ApproachExtreme, MidExtremes
from algorithms.clustersgd.model import Broadcast, Computed, Process, Receive, Vector
from algorithms.clustersgd.sgd import Gradient, StronglyConvexSGD


class Nearest(ApproachExtreme):
    """Approaches the nearest other value instead of the farthest."""

    def aggregate(self, values: Sequence[Vector], own: Vector) -> Vector:
        nearest = min(values, key=lambda v: float((v - own) @ (v - own)) or float("inf"))
        return (own + nearest) / 2


class Approaches(ApproachExtreme):
    """Goes three quarters of the way to the farthest value."""

    def aggregate(self, values: Sequence[Vector], own: Vector) -> Vector:
        return 1.5 * super().aggregate(values, own) - own / 2


class Stays(MidExtremes):
    """Keeps the own value."""

    def aggregate(self, values: Sequence[Vector], own: Vector) -> Vector:
        return own


class Extrapolates(MidExtremes):
    """Leaves the convex hull: as far beyond one end of the farthest pair as the midpoint is before it."""

    def aggregate(self, values: Sequence[Vector], own: Vector) -> Vector:
        middle = super().aggregate(values, own)
        return 2 * own - middle


@dataclass(frozen=True)
class KeepsOwn(StronglyConvexSGD):
    """Waits for N messages and ignores what they say."""

    def process(self, i: int, x: Vector, gradient: Gradient) -> Process:
        for t in range(1, self.iterations + 1):
            x = x - self.rate.lr(t) * gradient(i, t, x)
            yield Broadcast((t,), x)
            yield Receive((t,), messages=self.messages, exactly=True)
            yield Computed((t,), x)
        return x


@dataclass(frozen=True)
class WaitsForAll(StronglyConvexSGD):
    """Waits for all n processes whatever N is."""

    def process(self, i: int, x: Vector, gradient: Gradient) -> Process:
        for t in range(1, self.iterations + 1):
            y = x - self.rate.lr(t) * gradient(i, t, x)
            yield Broadcast((t,), y)
            received = yield Receive((t,), messages=self.clusters.n)
            x = sum(received.values()) / len(received)
            yield Computed((t,), x)
        return x
