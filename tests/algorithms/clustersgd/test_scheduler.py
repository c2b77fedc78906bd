"""Scheduler: replay, saved schedules, stale and duplicate messages, deadlocks, bad input, speed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from algorithms.clustersgd.adversaries import Adversary, CrashExtremes, Faults, Partition, Strategy, Uniform, uniform
from algorithms.clustersgd.agreement import ClusterAgreement, SharedMemoryAgreement
from algorithms.clustersgd.model import Clusters, Process, Read, Receive, Vector
from algorithms.clustersgd.scheduler import Crash, Deadlock, Deliver, Step, System, load_schedule, replay, run
from algorithms.clustersgd.sgd import GeneralSGD, StronglyConvexSGD
from algorithms.clustersgd.state import Mailbox, Registers
from algorithms.schedule import Constant
from tests.algorithms.clustersgd.checks import STRATEGIES, diameter, execute, inputs

CLUSTERS = Clusters(((0, 1), (2, 3), (4,)))


def agreeing(clusters: Clusters = CLUSTERS, rounds: int = 2) -> list[Process]:
    agreement = ClusterAgreement(clusters, (23 / 24) ** rounds)
    return [agreement.process(i, x) for i, x in enumerate(inputs(clusters.n, seed=1))]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: type(strategy).__name__)
def test_schedules_are_seeded_saved_and_replayed_exactly(strategy: Strategy, tmp_path: Path) -> None:
    adversaries = [Adversary(uniform(5), strategy, Faults(2, 1), copies=9) for _ in range(2)]
    executions = [run(System(CLUSTERS, agreeing()), adversary.choose) for adversary in adversaries]
    assert executions[0].schedule == executions[1].schedule
    executions[0].save(tmp_path / "schedule.json")
    again = replay(System(CLUSTERS, agreeing()), load_schedule(tmp_path / "schedule.json"))
    assert again.crashed == executions[0].crashed
    assert again.outputs.keys() == executions[0].outputs.keys()
    for i, output in again.outputs.items():
        assert output.tobytes() == executions[0].outputs[i].tobytes()


def test_different_seeds_give_different_schedules() -> None:
    schedules = {run(System(CLUSTERS, agreeing()), Adversary(uniform(seed)).choose).schedule for seed in range(20)}
    assert len(schedules) == 20


def test_a_partition_that_leaves_no_majority_ends_late_but_ends() -> None:
    execution = run(System(CLUSTERS, agreeing()), Adversary(uniform(0), Partition(frozenset({0, 1}))).choose)
    first = next(k for k, event in enumerate(execution.schedule) if isinstance(event, Deliver) and crosses(event))
    within = [event for event in execution.schedule[:first] if isinstance(event, Step)]
    assert {event.process for event in within} == {0, 1, 2, 3, 4}
    assert len(execution.outputs) == 5


def crosses(event: Deliver) -> bool:
    return (event.sender in {0, 1}) != (event.process in {0, 1})


def test_a_crash_in_the_middle_of_a_broadcast_reaches_some_recipients() -> None:
    execution = run(System(CLUSTERS, agreeing()), Adversary(uniform(2), CrashExtremes(), Faults(1, 1)).choose)
    (crash,) = [event for event in execution.schedule if isinstance(event, Crash)]
    assert len(crash.recipients) == 1
    heard = [event for event in execution.schedule if isinstance(event, Deliver) and event.sender == crash.process]
    assert {event.process for event in heard if event.tag == (1,)} <= set(crash.recipients)


def test_mailboxes_drop_stale_and_duplicate_messages() -> None:
    mailbox, one, two = Mailbox(CLUSTERS), np.array([1.0]), np.array([2.0])
    mailbox.put(3, (1,), one)
    mailbox.put(3, (1,), two)  # a duplicate: the first counts
    mailbox.put(3, (2,), two)  # of a later round: kept for it
    assert not mailbox.has(Receive((1,), messages=2))
    mailbox.put(0, (1,), two)
    assert not mailbox.has(Receive((1,), clusters=3))
    mailbox.put(4, (1,), two)
    assert mailbox.has(Receive((1,), clusters=3))
    assert mailbox.take(Receive((1,), messages=2, exactly=True)) == {0: two, 3: one}
    mailbox.put(1, (1,), one)  # stale
    assert mailbox.arrived == {(2,): {3: two}}
    mailbox.put(2, (2,), one)
    assert [*mailbox.take(Receive((2,)))] == [2, 3]


def test_registers_forget_what_everyone_has_passed_and_nothing_else() -> None:
    memory, value = Registers((0, 1, 2)), np.array([1.0])
    for tag in ((1, 1), (1, 2), (2, 1)):
        memory.write(0, tag, value)
    memory.write(1, (1, 1), value)
    assert memory.read(0, (1, 1)) is value
    assert memory.read(2, (1, 1)) is None
    memory.leave(2)
    memory.write(1, (1, 2), value)
    assert [*memory.arrays] == [(1, 2), (2, 1)]


def test_nobody_reads_registers_of_another_cluster() -> None:
    def curious() -> Process:
        yield Read((1,), 4)
        return np.zeros(1)

    system = System(CLUSTERS, [curious() for _ in range(5)])
    with pytest.raises(ValueError, match="process 0 cannot read a register of process 4 in another cluster"):
        system.apply(Step(0))


def test_a_deadlock_is_reported_with_its_schedule() -> None:
    with pytest.raises(Deadlock, match=r"process 3 waits for Receive(?s:.*)Crash\(process=4"):
        run(System(CLUSTERS, agreeing()), Adversary(uniform(0), Uniform(3), Faults(4, 2)).choose)


def test_impossible_events_are_refused() -> None:
    system = System(CLUSTERS, agreeing())
    with pytest.raises(ValueError, match="no such message on its way"):
        system.apply(Deliver(0, 1, (1,)))
    system.apply(Crash(2))
    with pytest.raises(ValueError, match="done or has crashed"):
        system.apply(Step(2))


def unit(i: int, t: int, x: Vector) -> Vector:
    return x


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Clusters(((0, 1), ())), "cluster 1 of 2 is empty"),
        (lambda: Clusters(((0, 1), (1,))), "no partition of processes"),
        (lambda: Clusters(()), "no partition of processes"),
        (lambda: Clusters.even(3, 4), "3 processes cannot form 4 clusters"),
        (lambda: StronglyConvexSGD(CLUSTERS, 1, 4, Constant(1), failures=2), r"N is 4(?s:.*)1 <= N <= 3"),
        (lambda: StronglyConvexSGD(CLUSTERS, 1, 0, Constant(1)), "N is 0"),
        (lambda: StronglyConvexSGD(CLUSTERS, 1, 1, Constant(1), failures=5), "f is 5 of n = 5"),
        (lambda: StronglyConvexSGD(CLUSTERS, 0, 1, Constant(1)), "T is 0"),
        (
            lambda: GeneralSGD(CLUSTERS, 2, 1, Constant(1), contraction=0.5, output=1, failed_clusters=2),
            r"f_c is 2 of m = 3(?s:.*)majority(?s:.*)floor\(\(m-1\)/2\) = 1",
        ),
        (lambda: GeneralSGD(CLUSTERS, 2, 1, Constant(1), contraction=0.0, output=1), "q is 0.0"),
        (lambda: GeneralSGD(CLUSTERS, 2, 1, Constant(1), contraction=0.5, output=3), "tau is 3"),
        (lambda: SharedMemoryAgreement(CLUSTERS, 1.5), "q is 1.5"),
        (lambda: start(np.zeros(0)), "at least one coordinate"),
        (lambda: start(np.zeros((2, 2))), r"shape \(2, 2\)"),
        (lambda: start(np.array([1.0, np.nan])), "the initial point holds nan at coordinate 1"),
        (lambda: System(CLUSTERS, []), "0 processes were given"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def start(x: Vector) -> System:
    sgd = StronglyConvexSGD(CLUSTERS, 1, 1, Constant(1))
    return System(CLUSTERS, [sgd.process(i, x, unit) for i in range(5)])


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (np.array([np.inf, 0.0]), "process 0 received from process 3 .* holds inf at coordinate 0"),
        (np.zeros(3), "process 0 received from process 3 .* has 3 coordinates, but all vectors of this run have 2"),
    ],
)
def test_bad_messages_are_refused(sent: Vector, sentence: str) -> None:
    system = start(np.zeros(2))
    system.messages[Deliver(0, 3, (1,))] = sent
    system.apply(Step(0))
    system.apply(Deliver(0, 3, (1,)))
    with pytest.raises(ValueError, match=sentence):
        system.apply(Step(0))


def test_bad_gradients_are_refused() -> None:
    sgd = StronglyConvexSGD(CLUSTERS, 1, 1, Constant(1))
    with pytest.raises(ValueError, match="the gradient of process 0 in iteration 1 holds nan"):
        System(CLUSTERS, [sgd.process(i, np.ones(2), lambda i, t, x: x * np.nan) for i in range(5)])


def test_algorithm_1_is_minibatch_sgd_where_everyone_hears_everyone() -> None:
    """N = n leaves the adversary no choice: every process averages the same n steps."""
    centres = inputs(5, seed=3)
    sgd = StronglyConvexSGD(CLUSTERS, 3, 5, Constant(0.5))
    execution = execute(
        CLUSTERS, lambda i: sgd.process(i, np.zeros(2), lambda j, t, x: x - centres[j]), Adversary(uniform(1))
    )
    for output in execution.outputs.values():
        np.testing.assert_allclose(output, (1 - 0.5**3) * centres.mean(axis=0), atol=1e-15)


def test_algorithm_2_outputs_the_parameters_of_iteration_tau() -> None:
    for tau in (1, 2, 3):
        sgd = GeneralSGD(CLUSTERS, 3, 5, Constant(0.5), contraction=0.9, output=tau)
        execution = execute(CLUSTERS, lambda i, sgd=sgd: sgd.process(i, np.ones(2), unit), Adversary(uniform(1)))
        for output in execution.outputs.values():
            np.testing.assert_allclose(output, 0.5 ** (tau - 1))


def test_diameters_of_close_values_far_from_the_origin_are_exact() -> None:
    values = [np.full(3, 1e8), np.full(3, 1e8) + np.array([2.0**-20, 0, 0])]
    assert diameter(values) == 2.0**-40
