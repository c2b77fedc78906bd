"""Asynchronous crash-tolerant SGD in the cluster model: algorithms 1 and 2.

Attiya and Schiller, "Asynchronous Fully-Decentralized SGD in the Cluster-Based Model". Both wait for N messages in
every iteration, N <= n - f, and ignore stale ones. Algorithm 1 averages parameters, for strongly convex Q and any
number of failures; algorithm 2 averages gradients and ends each iteration with approximate agreement, for any smooth
Q, as long as a majority of the clusters keep a nonfaulty process.

After each iteration t a process says ``Computed((t,), x_{t+1}^i)``: it is in V_t.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from algorithms.clustersgd.agreement import MID_EXTREMES, ClusterAgreement, Rule
from algorithms.clustersgd.model import (
    Broadcast,
    Clusters,
    Computed,
    Process,
    Receive,
    Received,
    Tag,
    Vector,
    check_received,
    check_vector,
    mean,
)
from algorithms.schedule import Schedule
from algorithms.streams import stream

Gradient = Callable[[int, int, Vector], Vector]
"""G(x_t^i, z): takes process i, iteration t and x (d,); draws z from a stream of (i, t), returns a new (d,) vector."""


@dataclass(frozen=True)
class ClusterSGD:
    """What both algorithms are given.

    Parameters
    ----------
    clusters
        The n processes.
    iterations
        T >= 1.
    messages
        N: how many messages a process waits for in every iteration, itself possibly among the senders.
    rate
        Learning rate eta_t as a function of t = 1..T.
    failures
        f, the largest number of processes that may crash.

    Raises
    ------
    ValueError
        Unless 1 <= N <= n - f, 0 <= f < n and T >= 1.
    """

    clusters: Clusters
    iterations: int
    messages: int
    rate: Schedule
    failures: int = 0

    def __post_init__(self) -> None:
        n = self.clusters.n
        if not 0 <= self.failures < n:
            raise ValueError(f"f is {self.failures} of n = {n} processes, but at least one must not fail: 0 <= f < n")
        if not 1 <= self.messages <= n - self.failures:
            raise ValueError(
                f"N is {self.messages}, but with n = {n} processes of which f = {self.failures} may crash no process "
                f"can count on more than n - f messages: 1 <= N <= {n - self.failures}"
            )
        if self.iterations < 1:
            raise ValueError(f"T is {self.iterations}, but SGD needs at least one iteration")


@dataclass(frozen=True)
class StronglyConvexSGD(ClusterSGD):
    """Algorithm 1: average the parameters of exactly N processes in every iteration."""

    @property
    def arrays(self) -> Tag:
        """How many arrays of shared memory it uses: none."""
        return ()

    def process(self, i: int, x: Vector, gradient: Gradient) -> Process:
        """Run process `i` from the initial point `x`, (d,), the same for all; its output is x_{T+1}^i."""
        check_vector("the initial point", x)  # line 1
        for t in range(1, self.iterations + 1):  # line 2
            g = gradient(i, t, x)  # lines 3 and 4
            check_vector(f"the gradient of process {i} in iteration {t}", g, x)
            y = x - self.rate.lr(t) * g  # line 5
            yield Broadcast((t,), y)  # line 6
            received: Received = yield Receive((t,), messages=self.messages, exactly=True)  # line 7
            check_received(i, (t,), received, y)
            x = mean(list(received.values()))  # line 8
            yield Computed((t,), x)
        return x  # line 9


@dataclass(frozen=True, kw_only=True)
class GeneralSGD(ClusterSGD):
    """Algorithm 2: average at least N gradients, make a local step, agree.

    Parameters
    ----------
    contraction
        q, the same q_t in every iteration.
    output
        tau, the iteration whose parameters every process outputs, 1 <= tau <= T; see `draw_output`.
    rule
        Aggregation of the agreement.
    failed_clusters
        f_c, the largest number of clusters in which every process may crash.

    Raises
    ------
    ValueError
        Also if f_c leaves no majority of clusters, q is not in (0, 1], or tau not in [1, T].
    """

    contraction: float
    output: int
    rule: Rule = MID_EXTREMES
    failed_clusters: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.agreement  # refuses a bad f_c or q
        if not 1 <= self.output <= self.iterations:
            raise ValueError(f"tau is {self.output}, but T = {self.iterations} iterations need 1 <= tau <= T")

    @property
    def agreement(self) -> ClusterAgreement:
        """MAA_t of line 8."""
        return ClusterAgreement(self.clusters, self.contraction, self.rule, self.failed_clusters)

    @property
    def arrays(self) -> Tag:
        """How many arrays of shared memory it uses: T times those of algorithm 3."""
        return (self.iterations, *self.agreement.arrays)

    def process(self, i: int, x: Vector, gradient: Gradient) -> Process:
        """Run process `i` from the initial point `x`, (d,), the same for all; its output is x_tau^i."""
        check_vector("the initial point", x)  # line 1
        output = x
        for t in range(1, self.iterations + 1):  # line 2
            output = x if t == self.output else output
            yield Broadcast((t,), gradient(i, t, x))  # lines 3 and 4
            received: Received = yield Receive((t,), messages=self.messages)  # line 5
            check_received(i, (t,), received, x)
            g = mean(list(received.values()))  # line 6
            y = x - self.rate.lr(t) * g  # line 7
            x = yield from self.agreement.process(i, y, (t,))  # line 8
            yield Computed((t,), x)
        return output  # line 9


def draw_output(seed: int, iterations: int) -> int:
    """Return tau, uniform on 1..T: a global input of algorithm 2, the same for all processes."""
    return 1 + int(stream(seed, "clustersgd/tau").integers(iterations))
