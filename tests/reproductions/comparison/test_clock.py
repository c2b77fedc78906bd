"""Clocks: what a phase takes, who waits for whom, and what is counted."""

import numpy as np
import pytest
import torch

from algorithms.algorithm import Algorithm
from algorithms.network import Link
from reproductions.comparison.clock import Clock
from reproductions.comparison.conditions import COMPUTE, OVERHEAD, NetworkCondition
from reproductions.comparison.contestants import CONTESTANTS
from reproductions.comparison.rounds import TimedWorld

N, D = 4, 4096
PLAIN = NetworkCondition("plain", latency=0.0, workers=N)
MADE = {
    who.name: who.make(N, {name: values[0] for name, values in who.knobs.items()})
    for who in CONTESTANTS
}  # fmt: skip
IN_ROUNDS = {name: made for name, made in MADE.items() if isinstance(made, Algorithm)}


def clock(condition: NetworkCondition = PLAIN, workers: int = N) -> Clock:
    return Clock([condition], workers, steps=16, seed=0)


def everywhere(nbytes: float = 1e6) -> np.ndarray:
    return np.full((N, N), nbytes) * ~np.eye(N, dtype=bool)


def all_arrive(workers: int = N) -> np.ndarray:
    return np.ones((workers, workers), dtype=bool)


@pytest.mark.parametrize("name", IN_ROUNDS)
def test_seconds_and_bytes_of_a_round_are_those_of_the_ledger(name: str) -> None:
    """Where all start together, nothing is lost and the latency is that of a message on its sender."""
    algorithm = IN_ROUNDS[name]
    workers = N + algorithm.auxiliaries
    time = clock(workers=workers)
    world, x = TimedWorld(workers, time), torch.randn(workers, D)
    state = algorithm.state(world, x)
    for t in range(16):
        algorithm.step(world, x, torch.randn(workers, D), state, t, 0.1)
        if world.traffic.busiest_bytes:
            break
    assert time.sent[0].tolist() == world.traffic.sent_bytes.tolist()
    ledger = Link(PLAIN.bandwidth, OVERHEAD).seconds(world.traffic.busiest_messages, world.traffic.busiest_bytes)
    assert time.now[0].max() == pytest.approx(ledger, rel=1e-9)


def test_everybody_waits_for_the_last() -> None:
    time = clock()
    time.now[0, 2] = 1.0
    time.phase(everywhere(), all_arrive(), 0, reliable=True)
    busy = 3 * (OVERHEAD + 8e6 / PLAIN.bandwidth)
    assert time.now[0] == pytest.approx([1.0 + busy] * N)


def test_nobody_waits_for_whom_it_does_not_hear() -> None:
    time = clock()
    time.now[0, 2] = 1.0
    pairs = np.zeros((N, N))
    pairs[0, 1] = pairs[1, 0] = pairs[2, 3] = pairs[3, 2] = 1e6
    time.phase(pairs, all_arrive(), 0, reliable=True)
    assert time.now[0][:2].max() < 0.1
    assert time.now[0][2:].min() > 1.0


def test_the_link_into_a_server_is_as_narrow_as_that_out_of_it() -> None:
    to_server, from_server = clock(), clock()
    one = np.zeros((N, N))
    one[1:, 0] = 1e6
    to_server.phase(one, all_arrive(), 0, reliable=True)
    from_server.phase(one.T, all_arrive(), 0, reliable=True)
    assert to_server.now[0][0] == pytest.approx(from_server.now[0][0])
    assert to_server.now[0][0] >= 3 * 8e6 / PLAIN.bandwidth


def test_latency_counts_once_a_phase() -> None:
    far = NetworkCondition("far", latency=0.1, workers=N)
    near, time = clock(), clock(far)
    for each in (near, time):
        each.phase(everywhere(), all_arrive(), 0, reliable=True)
    assert time.now[0] - near.now[0] == pytest.approx([0.1] * N)


def test_a_lost_message_costs_its_receiver_the_timeout() -> None:
    far = NetworkCondition("far", latency=0.1, loss=0.5, workers=N)
    time, arrives = clock(far), all_arrive()
    arrives[1, 0] = False
    time.phase(everywhere(), arrives, 0, reliable=False)
    busy = 3 * (OVERHEAD + 8e6 / far.bandwidth)
    assert time.now[0] == pytest.approx([busy + far.timeout, *[busy + 0.1] * 3])


def test_what_is_lost_is_sent_again_until_it_arrives() -> None:
    lossy = NetworkCondition("lossy", loss=0.5, workers=N)
    time, free = clock(lossy), clock()
    for t in range(400):
        time.phase(everywhere(), all_arrive(), t, reliable=True)
        free.phase(everywhere(), all_arrive(), t, reliable=True)
    assert time.sent[0].sum() / free.sent[0].sum() == pytest.approx(2, rel=0.05)
    assert time.now[0].min() > 2 * free.now[0].max()


def test_who_goes_on_meanwhile_waits_only_before_the_next_phase() -> None:
    background = Clock([PLAIN], N, 16, 0, background=True)
    background.phase(everywhere(), all_arrive(), 0, reliable=True)
    assert background.now[0].tolist() == [0.0] * N
    background.phase(everywhere(), all_arrive(), 1, reliable=True)
    background.phase(everywhere(0.0), all_arrive(), 2, reliable=True)
    waited = clock()
    for t in range(2):
        waited.phase(everywhere(), all_arrive(), t, reliable=True)
    assert background._arrived[0] == pytest.approx(waited.now[0])


def test_a_slow_worker_takes_as_many_times_as_long() -> None:
    time = clock(NetworkCondition("slow", slowest=5.0, workers=N))
    for worker in range(N):
        time.compute(worker, 0)
    assert time.now[0] == pytest.approx([5 * COMPUTE, *[COMPUTE] * 3])


def test_tails_keep_the_mean() -> None:
    seconds = NetworkCondition("tails", tail=1.5, workers=N).gradient_seconds(1, 200_000, 0)
    assert seconds.mean() == pytest.approx(COMPUTE, rel=0.05)
    assert seconds.max() > 50 * COMPUTE


def test_a_crashed_worker_never_comes_back_and_holds_up_who_waits() -> None:
    time = clock(NetworkCondition("crash", crashes=0.25, workers=N))
    for step in range(16):
        for worker in range(N):
            time.compute(worker, step)
    assert np.isinf(time.now[0]).sum() == 1
    assert time.present()[0].sum() == N - 1
    time.phase(everywhere(), all_arrive(), 0, reliable=True)
    assert np.isinf(time.now[0]).all()


def test_who_leaves_goes_on_when_it_is_back() -> None:
    where = NetworkCondition("leaves", leaves=0.25, workers=N)
    [(worker, start, end)] = where.outages(160, 0)
    time = Clock([where], N, 160, 0)
    for step in range(160):
        time.compute(worker, step)
    assert time.now[0][worker] == pytest.approx(160 * COMPUTE + end - start)
    other = (worker + 1) % N
    for step in range(160):
        time.compute(other, step)
    assert time.now[0][other] == pytest.approx(160 * COMPUTE)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"workers": 1}, "at least two workers"),
        ({"bandwidth": 0.0}, "bandwidth > 0"),
        ({"loss": 1.0}, "0 <= loss < 1"),
        ({"crashes": 0.5}, "crashes < 0.5"),
        ({"slowest": 0.5}, "slowest >= 1"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        NetworkCondition("wrong", **values)  # type: ignore[arg-type]


def test_conditions_that_are_timed_together_do_not_touch_each_other() -> None:
    lossy, slow = NetworkCondition("lossy", loss=0.3, workers=N), NetworkCondition("slow", slowest=3.0, workers=N)
    bursts = NetworkCondition("bursts", loss=0.3, burst=5, bandwidth=1e7, latency=0.01, workers=N)
    crash = NetworkCondition("crash", crashes=0.25, workers=N)
    conditions = [PLAIN, lossy, slow, bursts, crash]
    together, alone = Clock(conditions, N, 16, 0), [Clock([each], N, 16, 0) for each in conditions]
    for step in range(12):
        for time in (together, *alone):
            for worker in range(N):
                time.compute(worker, step)
            time.phase(everywhere(), all_arrive(), step, reliable=True)
    assert together.now.tolist() == [time.now[0].tolist() for time in alone]
    assert together.sent.tolist() == [time.sent[0].tolist() for time in alone]
    assert len({tuple(row) for row in together.now.tolist()}) == len(conditions)
