"""Agreement under adversaries: frames of many executions, and the executions that attain the worst of one round."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import sqrt
from typing import ClassVar

import numpy as np

from algorithms.clustersgd.adversaries import CrashExtremes, Faults, SlowestCluster, SplitValues, Strategy, Uniform
from algorithms.clustersgd.agreement import (
    APPROACH_EXTREME,
    MID_EXTREMES,
    ClusterAgreement,
    Rule,
    SharedMemoryAgreement,
)
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.scheduler import Execution, Step, System, replay
from algorithms.streams import stream
from reproductions.clustersgd.midpoints import Points
from reproductions.clustersgd.schedules import Hears, agree, contractions, diameter, execute, rounds
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.harness.runs.labelled import Label, Runs
from reproductions.harness.runs.settings import Settings

Algorithm = ClusterAgreement | SharedMemoryAgreement

RULES: dict[str, Rule] = {"MidExtremes": MID_EXTREMES, "ApproachExtreme": APPROACH_EXTREME}
STRATEGIES = {
    "uniform": Uniform(),
    "uniform, with crashes": Uniform(30),
    "slowest cluster": SlowestCluster(0),
    "split the values": SplitValues(),
    "crash the extremes": CrashExtremes(),
}
SIZES = ((5, 5), (6, 3), (9, 3))  # n and m
COORDINATES = 3
FEWER = 3  # executions with ApproachExtreme: its 73 rounds inside each round take long


@dataclass(frozen=True)
class Agreement(Experiment):
    """Executions of one agreement under one adversary, on inputs of three kinds in turn.

    Logged at each round r: ``contraction``, the largest diam(x_{r+1})/diam(x_r) of all executions, and ``diameter``,
    the largest diam(x_{r+1})/diam(x_1); at the end ``outside``, how far an output is off the convex hull of the inputs
    at most, relative to their size, and ``missing``, how many processes that did not crash have no output.

    Parameters
    ----------
    algorithm, strategy, faults
        What is run, against whom.
    d
        Number of coordinates.
    executions
        How many; the key of inputs and adversary is the number of the execution.
    """

    placement: ClassVar[Placement] = Placement.ALONE
    algorithm: Algorithm
    strategy: Strategy
    faults: Faults = field(default_factory=Faults)
    d: int = COORDINATES
    executions: int = 8

    @property
    def workers(self) -> int:
        """n."""
        return self.algorithm.clusters.n

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        inside = self.algorithm.inside.rounds if isinstance(self.algorithm, ClusterAgreement) else 1
        return 2e-5 * self.executions * self.workers**2 * self.algorithm.rounds * inside

    def execute(self, context: Context) -> None:
        """Run all executions and log the worst of every round."""
        context.notes["workload"] = "random vectors"
        factors, sizes = np.zeros((2, self.executions, self.algorithm.rounds))
        outside, missing = 0.0, 0
        for e in range(self.executions):
            start = inputs(e, self.workers, self.d)
            done = self._run(start, e)
            values = rounds(self.algorithm, list(start), done)
            factors[e], sizes[e] = contractions(values), [diameter(v) / diameter(values[0]) for v in values[1:]]
            outside = max([outside, *(off_hull(start, y) for y in done.outputs.values())])
            missing += self.workers - len(done.crashed) - len(done.outputs)
        for r, (factor, size) in enumerate(zip(factors.max(axis=0), sizes.max(axis=0), strict=True), 1):
            context.log(r, {"contraction": factor, "diameter": size})
        context.log(self.algorithm.rounds, {"outside": outside, "missing": missing})

    def _run(self, start: Points, e: int) -> Execution:
        process = lambda i: self.algorithm.process(i, start[i])  # noqa: E731
        return execute(self.algorithm.clusters, process, self.strategy, e, self.faults)


def grid(settings: Settings) -> dict[Label, list[Agreement]]:
    """Return algorithm 3 with both rules against all adversaries, with as many crashes as it tolerates.

    Labels are (3, rule, n, m, adversary).
    """
    found: dict[Label, list[Agreement]] = {}
    for (name, rule), (n, m), (adversary, strategy) in product(RULES.items(), SIZES, STRATEGIES.items()):
        mid = name == "MidExtremes"
        if not mid and (n, m) == SIZES[-1]:
            continue
        f_c = (m - 1) // 2
        algorithm = ClusterAgreement(Clusters.even(n, m), rule.clustered**4, rule, f_c)
        executions = max(settings.seeds, 8) if mid else FEWER
        faults = Faults(f_c * (n // m), f_c)
        found[3, name, n, m, adversary] = [Agreement(algorithm, strategy, faults, executions=executions)]
    return found


def shared_grid(settings: Settings) -> dict[Label, list[Agreement]]:
    """Return algorithm 4 in a cluster of five with both rules; all but one process may crash, it is wait-free.

    Labels are (4, rule, adversary).
    """
    cluster = Clusters.even(5, 1)
    adversaries = {"uniform": Uniform(), "uniform, with crashes": Uniform(100), "split the values": SplitValues()}
    return {
        (4, name, adversary): [
            Agreement(SharedMemoryAgreement(cluster, 1 / 6, rule), strategy, Faults(4, 0), executions=settings.seeds)
        ]
        for (name, rule), (adversary, strategy) in product(RULES.items(), adversaries.items())
    }


def of_rule(runs: Runs[Agreement], algorithm: int, rule: str = "") -> Runs[Agreement]:
    """Return the runs of algorithm 3 or 4, of one rule or of both."""
    return runs.where(lambda label: isinstance(label, tuple) and label[0] == algorithm and rule in ("", label[1]))


def inputs(key: int, n: int, d: int) -> Points:
    """Return (n, d) inputs: normal vectors, one far from all others, or corners of a simplex, in turn."""
    rng = stream(key, "clustersgd/inputs")
    if key % 3 == 0:
        return rng.standard_normal((n, d))
    if key % 3 == 1:
        return 1e-3 * rng.standard_normal((n, d)) + np.eye(n)[:, [int(rng.integers(n))]]
    return np.vstack([np.eye(d), np.zeros((1, d))])[rng.integers(d + 1, size=n)]


def off_hull(start: Points, output: Points) -> float:
    """Return the distance of an output from the convex hull of the inputs, relative to the size of all inputs."""
    from scipy.optimize import nnls

    size = float(np.abs(start).max())
    weights_sum_to_one = np.ones(len(start))
    _, residual = nnls(np.vstack([start.T / size, weights_sum_to_one]), np.append(output / size, 1.0))
    return float(residual)


# ------------------------------------------------------------------------------------------- the worst of one round


def worst_clustered(rule: Rule, n: int = 5) -> float:
    """Return diam(x_2)/diam(x_1) of algorithm 3 with singleton clusters: some hear {a, b, c}, the others {a', b', c}.

    It attains a constant of `midpoints`, as `worst_shared` does.
    """
    algorithm = ClusterAgreement(Clusters.even(n, n), rule.clustered, rule)
    start = _tetrahedra() if rule is MID_EXTREMES else _hinge()
    groups = ((0, 1, 2), (0, 1, 2), (0, 1, 2), (2, 3, 4), (2, 3, 4))
    done = agree(algorithm, list(start), Hears((groups,)), 0)
    return float(contractions(rounds(algorithm, list(start), done))[0])


def worst_shared(rule: Rule) -> float:
    """Return diam(x_2)/diam(x_1) of algorithm 4 in a cluster of five: process 2 collects while the others still write.

    MidExtremes: 2 writes c and misses a' and b', which are written only now; 0, with a', collects {a', b', c}; a and b
    are written; 2 goes on and collects {c, a, b}. ApproachExtreme: 2 sees itself alone, 0 then sees everyone.
    """
    algorithm = SharedMemoryAgreement(Clusters.even(5, 1), rule.shared, rule)
    start = _tetrahedra()[[3, 4, 2, 0, 1]] if rule is MID_EXTREMES else _triangle()
    collect = [0] * 6
    if rule is MID_EXTREMES:
        schedule = [2, 2, 2, 0, 1, *collect, 3, 4, 2, 2, 2, 2]
    else:
        schedule = [2, 2, 2, 2, 2, 2, 2, 0, 1, *collect, 3, 4]
    schedule += [i for i in (1, 3, 4) for _ in range(6)]
    processes = [algorithm.process(i, x) for i, x in enumerate(start)]
    done = replay(System(algorithm.clusters, processes), [Step(i) for i in schedule])
    return float(contractions(rounds(algorithm, list(start), done))[0])


def _tetrahedra() -> Points:
    """Return a, b, c, a', b': c sees both segments at 60 degrees, at right angles to each other; u^2 = 2/7."""
    u = sqrt(2 / 7)
    h = sqrt(3) / 2 * u * (1 - 1e-9)  # so that a and b are the only farthest pair
    return np.array([[u / 2, 0, -h], [-u / 2, 0, -h], [0, 0, 0], [0, u / 2, h], [0, -u / 2, h]])


def _hinge() -> Points:
    """Return a, b, c, a', b': u = u' = 1/2, c is the middle of a and a', all other distances are 1."""
    r, cosine = sqrt(15 / 64) * (1 + 1e-8), 1 / 15
    sine = sqrt(1 - cosine**2)
    return np.array([[-0.5, 0, 0], [-3 / 8, r, 0], [0, 0, 0], [0.5, 0, 0], [3 / 8, r * cosine, r * sine]])


def _triangle() -> Points:
    """Return a', b', a of an equilateral triangle, b' a little farther from a', and two values more inside."""
    corners = np.array([[0.0, 0.0], [1 + 1e-9, 0.0], [0.5, sqrt(3) / 2]])
    return np.vstack([corners, corners[:2].mean(axis=0), corners[:2].mean(axis=0)])
