"""What runs contestants: rounds, meetings and processes, each against what it has to agree with."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from algorithms.algorithm import Algorithm
from algorithms.rps.averaging import GradientAveraging, ModelAveraging, ReliableAveraging
from reproductions.comparison import rounds, tuning
from reproductions.comparison.conditions import (
    COMPUTE,
    CONDITIONS,
    IDEAL,
    MODEL,
    OVERHEAD,
    PATIENCE,
    NetworkCondition,
    condition,
)
from reproductions.comparison.contestants import CONTESTANTS, Pairs, Waiting, contestant
from reproductions.comparison.log import RaceLog
from reproductions.comparison.meetings import Meetings
from reproductions.comparison.processes import Processes
from reproductions.comparison.tasks import TASKS, SquaresTask
from reproductions.comparison.tuning import Choice

TASK, STEPS, LR = SquaresTask(), 24, 0.4
SMALL = tuple(replace(each, workers=4) for each in CONDITIONS)
BY_NAME = {each.name: each for each in SMALL}
FREE = BY_NAME["ideal"]


def logs(algorithm: Algorithm, *conditions: NetworkCondition) -> list[RaceLog]:
    return rounds.race(algorithm, LR, conditions, TASK, STEPS, 0)


def seconds(log: RaceLog) -> float:
    return log.rows[-1].seconds


@pytest.mark.parametrize("who", [each.name for each in CONTESTANTS])
def test_every_contestant_learns(who: str) -> None:
    knobs = tuple((name, values[0]) for name, values in contestant(who).knobs.items())
    (log,) = tuning.run(contestant(who), Choice(LR, knobs), (FREE,), TASK, STEPS, 0)
    first, last = log.rows[0], log.rows[-1]
    assert last.step == STEPS
    assert last.seen.loss < min(first.seen.loss, 0.25)
    assert 0 < first.seconds < last.seconds < np.inf
    assert (last.sent > 0) == (who != "local SGD, nobody meets")


@pytest.mark.parametrize(
    ("algorithm", "wanted"), [(ModelAveraging(), True), (GradientAveraging(), True), (ReliableAveraging(), False)]
)
def test_what_does_without_messages_is_found_by_trying(algorithm: Algorithm, wanted: bool) -> None:
    assert rounds.tolerant(algorithm, 4) is wanted


def test_a_run_shared_by_conditions_is_that_of_each_alone() -> None:
    made = contestant("EASGD").make(4, {"tau": 2, "elasticity": 1.0})
    assert isinstance(made, Algorithm)
    together = rounds.shared(made, FREE, SMALL)
    assert len(together) == len(SMALL) - 1  # not with other data
    for one, log in zip(together, logs(made, *together), strict=True):
        assert logs(made, one)[0].rows == log.rows, one.name


def test_rps_shares_only_what_loses_the_same_messages() -> None:
    shared = rounds.shared(ModelAveraging(), BY_NAME["20 Mbit/s, 10 % loss"], SMALL)
    assert {each.name for each in shared} == {"10 % loss", "20 Mbit/s, 10 % loss", "between continents, 10 % loss"}
    assert rounds.shared(ModelAveraging(), BY_NAME["a quarter crashes"], SMALL) == [BY_NAME["a quarter crashes"]]


def test_without_losses_rps_is_synchronous_sgd() -> None:
    lossless, reliable = logs(ModelAveraging(), FREE)[0], logs(ReliableAveraging(), FREE)[0]
    assert [row.seen.loss for row in lossless.rows] == pytest.approx([row.seen.loss for row in reliable.rows], rel=1e-4)
    assert seconds(lossless) == pytest.approx(seconds(reliable))


def test_rps_goes_on_without_the_crashed_and_who_waits_does_not() -> None:
    where = BY_NAME["a quarter crashes"]
    assert np.isfinite(seconds(logs(ModelAveraging(), where)[0]))
    assert np.isinf(seconds(logs(ReliableAveraging(), where)[0]))


def test_who_comes_back_has_the_model_of_the_others_again() -> None:
    where = NetworkCondition("leaves", leaves=0.25, workers=8)
    last = rounds.race(ModelAveraging(), LR, [where], TASK, 200, 0)[0].rows[-1]
    assert last.seen.disagreement < 1e-9


def test_the_bytes_of_a_quantized_model_are_those_of_its_real_size() -> None:
    """At 4 bits an element, a norm of 32 bits for 64 elements and 8 bytes a message: 4.5 of 32 bits."""
    sent = [
        rounds.race(made, LR, [FREE], TASK, 8, 0)[0].rows[-1].sent
        for made in (contestant("PSGD on a ring").make(4, {}), contestant("QSGD on a ring").make(4, {"s": 7}))
        if isinstance(made, Algorithm)
    ]
    assert sent[1] / sent[0] == pytest.approx(4.5 / 32, rel=0.01)


# ------------------------------------------------------------------------------------------------------- meetings


def meet(rule: Pairs, where: NetworkCondition = FREE, steps: int = STEPS) -> Meetings:
    meetings = Meetings(rule, LR, where, TASK, steps, 0)
    meetings.run()
    return meetings


def test_nodes_that_never_meet_are_sequential_sgd() -> None:
    alone = meet(Pairs("none"))
    x = TASK.start()
    for t in range(STEPS):
        x = x - LR * TASK.gradients(x[None], alone.samples[2, t][None])[0]
    made = int(alone.own[2])
    assert made >= STEPS - 1
    if made == STEPS:
        assert torch.allclose(alone.x[2], x, atol=1e-5)


def test_a_node_that_is_slow_makes_fewer_steps_where_nobody_waits() -> None:
    where = NetworkCondition("slow", slowest=5.0, workers=4)
    free = meet(Pairs("one-sided"), where)
    assert free.own[0] * 3 < free.own[1:].min()
    assert seconds(free.log) < 0.7 * seconds(meet(Pairs("symmetric"), where).log)


def test_a_meeting_of_two_leaves_them_with_one_model_unless_a_message_is_lost() -> None:
    assert meet(Pairs("symmetric"), NetworkCondition("two", workers=2)).log.rows[-1].seen.disagreement < 1e-9
    assert meet(Pairs("symmetric"), NetworkCondition("two", workers=2, loss=0.99)).log.rows[-1].seen.disagreement > 1e-3


def test_nobody_meets_the_crashed() -> None:
    assert np.isfinite(seconds(meet(Pairs("symmetric"), BY_NAME["a quarter crashes"]).log))


@pytest.mark.parametrize("there", [True, False])
def test_who_waits_for_a_partner_in_vain_waits_that_long_and_gets_nothing(there: bool) -> None:
    meetings = Meetings(Pairs("symmetric"), LR, NetworkCondition("two", workers=2), TASK, STEPS, 0)
    meetings.now[1] = meetings.now[0] + 2 * PATIENCE if there else np.inf
    before, late = float(meetings.now[0]), float(meetings.now[1])
    alone = meetings.x[0] - LR * TASK.gradients(meetings.x[:1], meetings.samples[0, 0][None])[0]
    meetings._meet(0)
    assert meetings.now.tolist() == pytest.approx([before + PATIENCE + COMPUTE, late])
    assert meetings.sent.tolist() == [0, 0]
    assert torch.equal(meetings.x[0], alone)


@pytest.mark.parametrize(("asked", "answered"), [(True, True), (True, False), (False, True)])
def test_a_read_takes_a_request_and_a_model_and_either_may_be_lost(asked: bool, answered: bool) -> None:
    where = NetworkCondition("two", workers=2, latency=0.05, bandwidth=1e8)
    meetings = Meetings(Pairs("one-sided"), LR, where, TASK, STEPS, 0)
    before, models = float(meetings.now[0]), meetings.x.clone()
    models[0] = torch.arange(TASK.d)
    meetings.x[0] = models[0]
    meetings._read(0, 1, asked, answered)
    travels = 2 * where.latency + OVERHEAD + 32 * MODEL / where.bandwidth
    lost = where.timeout * (not (asked and answered))
    assert meetings.now[0] - before == pytest.approx(travels * asked + lost)
    assert meetings.sent.tolist() == [0, 4 * MODEL * asked]
    assert torch.equal(meetings.x[0], models.mean(dim=0) if asked and answered else models[0])


# ------------------------------------------------------------------------------------------------------ processes


def processes(rule: Waiting, where: NetworkCondition = FREE) -> RaceLog:
    return Processes(rule, LR, where, TASK, STEPS, 0).run()


def test_who_waits_for_all_messages_is_synchronous_sgd() -> None:
    waiting, reliable = processes(Waiting(False, 1.0)), logs(ReliableAveraging(), FREE)[0]
    assert [row.seen.loss for row in waiting.rows] == pytest.approx([row.seen.loss for row in reliable.rows], rel=1e-3)


def test_who_waits_for_fewer_is_not_held_up_by_the_slow() -> None:
    slow = NetworkCondition("slow", bandwidth=1e12, slowest=5.0, workers=4)
    assert _middle(processes(Waiting(False, 0.75), slow)) < 0.5 * _middle(processes(Waiting(False, 1.0), slow))


def _middle(log: RaceLog) -> float:
    """Return when most of the processes are half way: the slow one comes later."""
    return log.rows[len(log.rows) // 2].seconds


@pytest.mark.parametrize("agrees", [False, True])
def test_processes_go_on_without_the_crashed(agrees: bool) -> None:
    assert processes(Waiting(agrees), BY_NAME["a quarter crashes"]).rows[-1].step == STEPS


# ----------------------------------------------------------------------------------------------------------- names


def test_unknown_names_are_told_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"no condition 'rain', only ideal, 1 % loss"):
        condition("rain")
    with pytest.raises(ValueError, match=r"no contestant 'SGD', only synchronous SGD"):
        contestant("SGD")
    assert condition("ideal") == IDEAL


def test_names_are_unique() -> None:
    for names in ([each.name for each in CONDITIONS], [each.name for each in CONTESTANTS], list(TASKS)):
        assert len(set(names)) == len(names)


def test_gradients_are_those_of_the_losses() -> None:
    for task in TASKS.values():
        check_gradients(task, task.start() + 0.1)


def check_gradients(task: object, x: torch.Tensor) -> None:
    """Compare with differences of the loss on the training part, along random directions."""
    task = TASKS[task.name]  # type: ignore[attr-defined]
    samples: Sequence[np.ndarray] = [np.arange(len(task.targets()))[None]]
    g = task.gradients(x[None], samples[0])[0].double()
    direction = torch.randn(len(x), generator=torch.Generator().manual_seed(0))
    direction /= direction.norm()
    h = 1e-2
    ahead, behind = (task.losses((x + sign * h * direction)[None], "train")[0] for sign in (1, -1))
    assert (ahead - behind) / (2 * h) == pytest.approx(float(g @ direction.double()), rel=0.02, abs=2e-4)
