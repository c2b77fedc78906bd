"""An agreement that contracts by q and hardly more: what the definition of MAA allows, and Lemma 21 has to stand.

Algorithm 3 contracts by far more than the q that it is called with. `LooseAgreement` runs it with q/100, collects
the inputs of a majority of clusters once more, and goes the share s = (sqrt(q) - sqrt(q/100))/(1 - sqrt(q/100)) of the
way to the smallest input that it heard (processes with an even number) or to the largest (odd). Outputs stay in the
convex hull, and |o_i - o_j| <= (1 - s) sqrt(q/100) D + s D = sqrt(q) D, D the largest distance of two inputs: it is an
agreement with q-contraction, whoever hears whom and whoever crashes.

Where parameters agree, N = 1 and everyone hears everyone, it leaves E |x_i - x_j|^2 = s^2 eta^2 P[noise is not the same
for all] between an even and an odd process, if noise has two values that are 1 apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from algorithms.clustersgd.adversaries import Uniform
from algorithms.clustersgd.agreement import ClusterAgreement
from algorithms.clustersgd.model import Broadcast, Clusters, Process, Receive, Received, Tag, Vector
from algorithms.clustersgd.sgd import GeneralSGD
from algorithms.schedule import Constant
from algorithms.streams import stream
from reproductions.clustersgd import moments
from reproductions.clustersgd.schedules import Hears, agree, alone, diameter
from reproductions.clustersgd.two_camps import ETA, iterates

TIGHTER = 100


def share(q: float) -> float:
    """Return s, which leaves q-contraction."""
    inner = sqrt(q / TIGHTER)
    return (sqrt(q) - inner) / (1 - inner)


@dataclass(frozen=True)
class LooseAgreement(ClusterAgreement):
    """The agreement of this module; `q` is its contraction."""

    def process(self, i: int, x: Vector, instance: Tag = ()) -> Process:
        """Run process `i` with input `x`, (d,)."""
        inner = ClusterAgreement(self.clusters, self.q / TIGHTER, self.rule, self.failed_clusters)
        z = yield from inner.process(i, x, instance)
        tag = (*instance, inner.rounds + 1)
        yield Broadcast(tag, x)
        received: Received = yield Receive(tag, clusters=self.clusters.majority)
        heard = sorted(received.values(), key=tuple)
        s = share(self.q)
        return (1 - s) * z + s * heard[-(i % 2)]


@dataclass(frozen=True, kw_only=True)
class LooseSGD(GeneralSGD):
    """Algorithm 2 with this agreement."""

    @property
    def agreement(self) -> ClusterAgreement:
        """MAA_t of line 8."""
        return LooseAgreement(self.clusters, self.contraction, self.rule, self.failed_clusters)


def over_lemma21(n: int, p: float, eta: float) -> float:
    """Return E |x_i - x_j|^2 after one iteration over 2 sigma^2 eta^3/N, closed form."""
    split = 1 - p**n - (1 - p) ** n
    return share(eta / 4) ** 2 * split / (2 * p * (1 - p) * eta)


def left(n: int, rare: tuple[int, ...]) -> float:
    """Return |x_1 - x_0|^2/eta^2 after an iteration at q = eta/4 in which `rare` have noise 1, by an execution."""
    noise = np.zeros((n, 2, 1))
    noise[list(rare), 1] = 1.0
    algorithm = LooseSGD(Clusters.even(n, n), 1, 1, Constant(ETA), contraction=ETA / 4, output=1)
    values = iterates(moments.run(algorithm, Hears((alone(n),)), noise, np.zeros(1)), 1)[0]
    return float((values[1] - values[0])[0] ** 2 / ETA**2)


def contractions(q: float = ETA / 4, executions: int = 4) -> tuple[list[float], list[bool]]:
    """Return by what it contracts, over q, and whether outputs lie within the inputs, d = 1, in random schedules."""
    found, inside = [], []
    for seed in range(executions):
        algorithm = LooseAgreement(Clusters.even(5, 3 + 2 * (seed % 2)), q)
        inputs = list(stream(seed, "clustersgd/loose").standard_normal((5, 1)))
        outputs = agree(algorithm, inputs, Uniform(), seed).outputs
        found.append(diameter(dict(outputs)) / diameter(dict(enumerate(inputs))) / q)
        inside += [bool(min(inputs) <= o <= max(inputs)) for o in outputs.values()]
    return found, inside
