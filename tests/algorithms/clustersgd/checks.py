"""Properties of executions of the cluster model, and how executions are made for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from algorithms.clustersgd.adversaries import (
    Adversary,
    CrashExtremes,
    Partition,
    SlowestCluster,
    SplitValues,
    Strategy,
    Uniform,
)
from algorithms.clustersgd.agreement import squared_distances
from algorithms.clustersgd.model import Clusters, Process, Vector, mean
from algorithms.clustersgd.scheduler import Execution, System, run
from algorithms.clustersgd.state import History, Mailbox

STRATEGIES: tuple[Strategy, ...] = (
    Uniform(12),
    Uniform(),
    SlowestCluster(0),
    Partition(frozenset({0, 1})),
    SplitValues(),
    CrashExtremes(),
)


def inputs(n: int, seed: int, d: int = 2) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, d))


def execute(
    clusters: Clusters,
    process: Callable[[int], Process],
    adversary: Adversary,
    mailbox: Callable[[Clusters], Mailbox] = Mailbox,
) -> Execution:
    """Run process(0..n-1); whoever did not crash must have an output."""
    system = System(clusters, [process(i) for i in range(clusters.n)], mailbox=mailbox)
    execution = run(system, adversary.choose)
    assert set(execution.outputs) | execution.crashed == set(range(clusters.n))
    return execution


def diameter(vectors: Iterable[Vector]) -> float:
    """Return the squared diameter; 0 for none."""
    values = list(vectors)
    return float(squared_distances(values).max()) if values else 0.0


def contracted(before: Iterable[Vector], after: Iterable[Vector], factor: float) -> bool:
    """Whether the squared diameter shrank by a factor, up to rounding."""
    return diameter(after) <= factor * diameter(before) * (1 + 1e-9) + 1e-24


def in_hull(outputs: Iterable[Vector], points: NDArray[np.float64]) -> bool:
    """Whether points of the plane are in the convex hull of `points`: exact, by the normals of all its edges."""
    differences = (points[:, None] - points[None]).reshape(-1, 2)
    normals = np.concatenate([differences @ np.array([[0.0, 1.0], [-1.0, 0.0]]), differences])
    reach = (points @ normals.T).max(axis=0) + 1e-9
    return all(bool((output @ normals.T <= reach).all()) for output in outputs)


def shares_a_value(history: History, clusters: Clusters) -> bool:
    """Whether in every array of every cluster somebody's value was seen by all that finished their collect of it."""
    for (*instance, r), seen in history.read.items():
        finished = history.written.get((*instance, r + 1), {})
        for members in clusters.members:
            collects = [set(seen[i]) for i in members if i in finished]
            if collects and not set.intersection(*collects):
                return False
    return True


def nested(history: History) -> bool:
    """Whether V_t is part of V_{t-1} for every t."""
    levels = [set(history.computed[tag]) for tag in sorted(tag for tag in history.computed if len(tag) == 1)]
    return all(later <= earlier for earlier, later in pairwise(levels))


def agreement_contracts(history: History, x1: Vector, rate: float, q: float, n: int) -> bool:
    """Whether in every iteration of algorithm 2 the x_{t+1} are within q of the local steps y_t."""
    x = dict.fromkeys(range(n), x1)
    for tag in sorted(tag for tag in history.computed if len(tag) == 1):
        received = history.received[tag]
        y = [x[i] - rate * mean(list(messages.values())) for i, messages in received.items()]
        x = history.computed[tag]
        if not contracted(y, x.values(), q):
            return False
    return True
