"""Properties of agreement and SGD in the cluster model under schedules that hypothesis searches and shrinks.

``REPRO_SCHEDULES`` sets how many schedules each property is tried on; a failure prints the shortest one.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from algorithms.clustersgd.adversaries import Adversary, Faults, Uniform, scripted
from algorithms.clustersgd.agreement import (
    APPROACH_EXTREME,
    MID_EXTREMES,
    ClusterAgreement,
    Rule,
    SharedMemoryAgreement,
)
from algorithms.clustersgd.model import Clusters, Vector
from algorithms.clustersgd.scheduler import Deadlock, Execution, describe
from algorithms.clustersgd.sgd import GeneralSGD, StronglyConvexSGD
from algorithms.clustersgd.state import Mailbox
from algorithms.schedule import Constant, InverseTime
from algorithms.streams import stream
from tests.algorithms.clustersgd import wrong
from tests.algorithms.clustersgd.checks import (
    STRATEGIES,
    agreement_contracts,
    contracted,
    execute,
    in_hull,
    inputs,
    nested,
    shares_a_value,
)

SCHEDULES = int(os.environ.get("REPRO_SCHEDULES", "500"))
NONE = Faults()
Check = Callable[[Adversary, int], None]

events = st.integers(0, 250).flatmap(lambda k: st.binary(min_size=k, max_size=k))
PARTITIONS = tuple(
    Clusters(members) for members in (((0, 1), (2, 3), (4,)), ((0,), (1,), (2,)), ((0, 1, 2), (3,)), ((0, 1, 2),))
)


def search(check: Check, schedules: int = SCHEDULES, faults: Faults = NONE, shrink: bool = True) -> None:
    """Let hypothesis look for a schedule on which a check fails, and for the shortest such."""

    @settings(
        max_examples=schedules,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(events, st.sampled_from(STRATEGIES), st.sampled_from((0, 7)), st.integers(0, 1 << 16))
    def schedule(choices: bytes, strategy: Uniform, copies: int, seed: int) -> None:
        check(Adversary(scripted(choices), strategy, faults, copies), seed)

    schedule()


def shown(execution: Execution) -> Execution:
    """Print the schedule of a failure."""
    note(describe(execution.schedule))
    return execution


Points = Callable[[int, int], NDArray[np.float64]]


def one_against_all(n: int, seed: int) -> NDArray[np.float64]:
    """Return one input at 0 and all others at (1, 1)."""
    return np.minimum(np.arange(n), 1)[:, None] * np.ones(2)


def shared_memory(
    rule: Rule,
    n: int = 4,
    kind: type[SharedMemoryAgreement] = SharedMemoryAgreement,
    points: Points = inputs,
    rounds: int = 3,
) -> Check:
    """Algorithm 4 in one cluster: a common value, convexity, contraction in every round."""
    clusters = Clusters.even(n, 1)
    agreement = kind(clusters, rule.shared**rounds, rule)

    def check(adversary: Adversary, seed: int) -> None:
        x = points(n, seed)
        execution = shown(execute(clusters, lambda i: agreement.process(i, x[i]), adversary))
        history = execution.history
        assert history is not None
        assert shares_a_value(history, clusters)
        for r in range(1, agreement.rounds + 1):
            after = history.written.get((r + 1,), {}).values()
            assert in_hull(after, x)
            assert contracted(history.written[(r,)].values(), after, rule.shared)

    return check


def clustered(
    rule: Rule,
    clusters: Clusters,
    kind: type[ClusterAgreement] = ClusterAgreement,
    mailbox: Callable[[Clusters], Mailbox] = Mailbox,
    rounds: int = 2,
) -> Check:
    """Algorithm 3: convexity, contraction in every round, an output of everyone who lives."""
    agreement = kind(clusters, rule.clustered**rounds, rule, failed_clusters=(clusters.m - 1) // 2)

    def check(adversary: Adversary, seed: int) -> None:
        x = inputs(clusters.n, seed)
        execution = shown(execute(clusters, lambda i: agreement.process(i, x[i]), adversary, mailbox))
        history = execution.history
        assert history is not None
        assert shares_a_value(history, clusters)
        before = list(x)
        for r in range(1, rounds + 1):
            after = list(history.computed.get((r,), {}).values())
            assert in_hull(after, x)
            assert contracted(before, after, rule.clustered)
            before = after

    return check


def noisy(i: int, t: int, x: Vector) -> Vector:
    """Gradient of |x|^2/2 with unit noise."""
    return x + stream(3, "noise", i, t).normal(size=x.shape)


def strongly_convex(clusters: Clusters, mailbox: Callable[[Clusters], Mailbox] = Mailbox) -> Check:
    """Algorithm 1 with N = 1 whoever crashes: termination, nested V_t, and averages of the same iteration."""
    sgd = StronglyConvexSGD(clusters, 4, messages=1, rate=InverseTime(2.0, 2.0), failures=clusters.n - 1)

    def check(adversary: Adversary, seed: int) -> None:
        x1 = inputs(1, seed)[0]
        execution = shown(execute(clusters, lambda i: sgd.process(i, x1, noisy), adversary, mailbox))
        history = execution.history
        assert history is not None
        assert nested(history)
        for tag, received in history.received.items():
            for messages in received.values():
                assert all(value is history.sent[tag].get(sender) for sender, value in messages.items())

    return check


def general(clusters: Clusters, kind: type[GeneralSGD] = GeneralSGD) -> Check:
    """Algorithm 2: termination, nested V_t, parameters that agree within q after every iteration."""
    rate, q = 0.25, 23 / 24
    sgd = kind(clusters, 2, 1, Constant(rate), contraction=q, output=2, failed_clusters=(clusters.m - 1) // 2)

    def check(adversary: Adversary, seed: int) -> None:
        x1 = inputs(1, seed)[0]
        execution = shown(execute(clusters, lambda i: sgd.process(i, x1, noisy), adversary))
        history = execution.history
        assert history is not None
        assert nested(history)
        assert agreement_contracts(history, x1, rate, q, clusters.n)

    return check


@pytest.mark.parametrize("rule", [MID_EXTREMES, APPROACH_EXTREME])
def test_shared_memory_agreement(rule: Rule) -> None:
    search(shared_memory(rule), faults=Faults(processes=3, clusters=1))


@pytest.mark.parametrize("clusters", PARTITIONS, ids=str)
def test_cluster_agreement(clusters: Clusters) -> None:
    most = Faults(processes=clusters.n, clusters=(clusters.m - 1) // 2)
    search(clustered(MID_EXTREMES, clusters), SCHEDULES // len(PARTITIONS), most)


def test_cluster_agreement_by_approaching() -> None:
    search(clustered(APPROACH_EXTREME, PARTITIONS[1], rounds=1), SCHEDULES // 4, Faults(2, 1))


def test_algorithm_1_with_any_number_of_failures() -> None:
    search(strongly_convex(PARTITIONS[0]), faults=Faults(processes=4, clusters=3))


def test_algorithm_2_with_a_minority_of_clusters_crashed() -> None:
    search(general(PARTITIONS[1]), faults=Faults(processes=1, clusters=1))


WRONG = {
    "collect before write": (shared_memory(MID_EXTREMES, kind=wrong.CollectFirst), Faults()),
    "mean instead of MidExtremes": (shared_memory(wrong.Mean(), 20, points=one_against_all, rounds=1), Faults()),
    "majority of processes": (clustered(MID_EXTREMES, PARTITIONS[2], wrong.ProcessMajority), Faults(2, 0)),
    "no majority of clusters": (clustered(MID_EXTREMES, PARTITIONS[1], wrong.AnyCluster), Faults()),
    "stale messages in agreement": (
        clustered(MID_EXTREMES, PARTITIONS[1], mailbox=wrong.StaleMailbox, rounds=3),
        Faults(),
    ),
    "stale messages in SGD": (strongly_convex(PARTITIONS[0], wrong.StaleMailbox), Faults()),
    "agreement skipped": (general(PARTITIONS[1], wrong.Disagreeing), Faults()),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_algorithms_are_found(name: str) -> None:
    check, faults = WRONG[name]
    with pytest.raises((AssertionError, Deadlock)):
        search(check, 500, faults, shrink=False)


def test_a_failure_prints_the_shortest_schedule() -> None:
    with pytest.raises(AssertionError) as failure:
        search(shared_memory(MID_EXTREMES, 2, wrong.CollectFirst, rounds=1), 500, Faults(1, 1))
    printed = "\n".join(failure.value.__notes__)
    assert printed.count("Step(process=") == 8  # each of the two reads twice and writes twice
    assert "Crash" not in printed
