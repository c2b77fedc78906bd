"""The cluster model on MPI ranks: real messages, shared windows, ranks killed with SIGKILL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from algorithms.clustersgd.agreement import ClusterAgreement
from algorithms.clustersgd.log import Note, schedule
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.ranks import Kill
from algorithms.clustersgd.scheduler import Crash, Deliver, Step
from algorithms.clustersgd.sgd import GeneralSGD, StronglyConvexSGD
from algorithms.schedule import Constant, InverseTime
from reproductions.harness.runs.launcher import RanksFailed
from tests.algorithms.clustersgd.checks import contracted, in_hull
from tests.algorithms.clustersgd.on_ranks import Job, Killer, Stopper, deploy, repeated

CLUSTERS = Clusters(((0, 1), (2, 3), (4,)))
KILLS = {1: Kill(9), 4: Kill(recipients=2, tag=())}


def check(
    job: Job, folder: Path, dead: set[int], killer: Callable[[], None] = lambda: None
) -> dict[int, NDArray[np.float64]]:
    """Every survivor has the output that the scheduler computes from the same schedule, bit by bit."""
    outputs = deploy(job, folder, killer)
    assert set(outputs) == set(range(job.n)) - dead
    execution = repeated(job, folder)
    assert execution.crashed == dead
    assert {i: output.tobytes() for i, output in execution.outputs.items()} == {
        i: output.tobytes() for i, output in outputs.items()
    }
    return outputs


def test_survivors_of_algorithm_3_agree_and_the_scheduler_repeats_them(tmp_path: Path) -> None:
    agreement = ClusterAgreement(CLUSTERS, 0.5, failed_clusters=1)
    job = Job(agreement, d=2, kills=KILLS)
    outputs = check(job, tmp_path, {1, 4})
    execution = repeated(job, tmp_path)
    assert execution.history is not None
    inputs = np.array([execution.history.written[(1, 1)][i] for i in execution.history.written[(1, 1)]])
    assert in_hull(outputs.values(), inputs)
    assert contracted(inputs, outputs.values(), 0.5)


@pytest.mark.slow
def test_large_messages_and_a_window_that_holds_one_array(tmp_path: Path) -> None:
    check(Job(ClusterAgreement(CLUSTERS, 0.9), d=5000, kills={2: Kill(50)}, capacity=1), tmp_path, {2})


def test_algorithm_2_with_a_cluster_killed(tmp_path: Path) -> None:
    sgd = GeneralSGD(CLUSTERS, 3, 2, Constant(0.5), failures=2, contraction=0.9, output=3, failed_clusters=1)
    check(Job(sgd, kills={2: Kill(30), 3: Kill(recipients=1, tag=())}), tmp_path, {2, 3})


def test_algorithm_1_with_all_but_one_killed(tmp_path: Path) -> None:
    sgd = StronglyConvexSGD(CLUSTERS, 40, 1, InverseTime(2.0, 2.0), failures=4)
    job = Job(sgd, kills={i: Kill(5 * i + 1, recipients=i) for i in range(4)})
    outputs = check(job, tmp_path, {0, 1, 2, 3})
    assert np.linalg.norm(outputs[4]) < 0.5  # from |x_1| = 1.7 to the minimum at 0


def test_processes_killed_from_outside(tmp_path: Path) -> None:
    sgd = GeneralSGD(CLUSTERS, 30, 2, Constant(0.5), failures=3, contraction=0.9, output=30, failed_clusters=1)
    killer = Killer(tmp_path, {0: 4000, 4: 9000})
    check(Job(sgd), tmp_path, {0, 4}, killer)
    assert not killer.after


@pytest.mark.parametrize("d", [pytest.param(3, marks=pytest.mark.slow), 5000])
def test_nobody_waits_for_a_stopped_process_and_it_still_finds_what_was_written(d: int, tmp_path: Path) -> None:
    """The window holds one array, so its cluster mate overwrites hundreds that the stopped process has yet to read."""
    sgd = GeneralSGD(CLUSTERS, 30, 2, Constant(0.5), failures=1, contraction=0.9, output=30, failed_clusters=0)
    stopper = Stopper(tmp_path, victim=2, others={0, 1, 3, 4}, after=4000)
    check(Job(sgd, d=d, capacity=1, limit=180), tmp_path, set(), stopper)
    assert stopper.overtaken


def test_messages_to_a_stopped_process_do_not_take_the_buffers_of_the_others(tmp_path: Path) -> None:
    """MPI's buffers hold some hundred messages, the stopped process is sent two thousand by each of the others."""
    sgd = StronglyConvexSGD(CLUSTERS, 2000, 2, InverseTime(2.0, 2.0), failures=1)
    stopper = Stopper(tmp_path, victim=2, others={0, 1, 3, 4}, after=1)
    check(Job(sgd, limit=180), tmp_path, set(), stopper)
    assert stopper.overtaken


def test_a_hang_is_found_and_shows_what_everyone_did_last(tmp_path: Path) -> None:
    two_clusters_of_three = {2: Kill(3), 3: Kill(5), 4: Kill(tag=())}
    job = Job(ClusterAgreement(CLUSTERS, 0.5, failed_clusters=1), kills=two_clusters_of_three, limit=12)
    with pytest.raises(RanksFailed, match="did not finish within the limit of 12 s") as hang:
        deploy(job, tmp_path)
    assert '"broadcast", [1]' in hang.value.__notes__[0]
    assert "clustersgd/ranks.py" in str(hang.value)  # the stack: where a survivor waits


def test_a_log_that_no_atomic_register_explains_is_refused() -> None:
    write, done = Note("write", (1,)), Note("done")
    both_missed = {0: [write, Note("read", (1,), 1, False), done], 1: [write, Note("read", (1,), 0, False), done]}
    with pytest.raises(ValueError, match="no order of atomic reads and writes"):
        schedule(both_missed)
    one_missed = both_missed | {1: [write, Note("read", (1,), 0), done]}
    assert schedule(one_missed) == (Step(0), Step(0), Step(1), Step(1))


def test_a_process_killed_while_it_broadcasts_has_sent_to_those_that_heard() -> None:
    cut = [Note("broadcast", (1,))]
    heard = [Note("broadcast", (1,)), Note("deliver", (1,), 0), Note("receive", (1,)), Note("done")]
    assert schedule({0: cut, 1: heard, 2: []}) == (Crash(2), Crash(0, (1,)), Step(1), Deliver(1, 0, (1,)), Step(1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(13))
def test_fifty_kills(seed: int, tmp_path: Path) -> None:
    """Four of eight processes die in every run, wherever they are, and a minority of the clusters with them."""
    clusters = Clusters.even(8, 4)
    random = np.random.default_rng(seed)
    survivors = {int(random.choice(clusters.members[c])) for c in range(3)} | {6 + seed % 2}
    dead = set(range(8)) - survivors
    kills = {
        i: Kill(int(random.integers(1, 150)), int(random.integers(8)), () if random.integers(2) else None) for i in dead
    }
    sgd = GeneralSGD(clusters, 4, 3, Constant(0.5), failures=4, contraction=0.93, output=4, failed_clusters=1)
    check(Job(sgd, d=int(random.choice([2, 3000])), seed=seed, kills=kills), tmp_path, dead)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_kills_from_outside(seed: int, tmp_path: Path) -> None:
    """Four of eight processes are killed at random moments: in the middle of a write, of a message, of a collect."""
    clusters, random = Clusters.even(8, 4), np.random.default_rng(100 + seed)
    dead = {0, 3, 6, 7}
    killer = Killer(tmp_path, {i: int(random.integers(1, 40_000)) for i in dead})
    sgd = GeneralSGD(clusters, 60, 4, Constant(0.5), failures=4, contraction=0.93, output=60, failed_clusters=1)
    check(Job(sgd, d=2000, seed=seed), tmp_path, dead, killer)
