"""The simulator where theory is exact, and against a second one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from algorithms.streams import stream
from reproductions.harness.verdicts.intervals import mean_interval
from reproductions.rps.colocation import simulation
from reproductions.rps.colocation.ports import LEARNING, LOWER, NONE, UPPER, WEB, State
from reproductions.rps.colocation.simulation import SECOND, Fabric, Messages, Outcome, simulate
from reproductions.rps.colocation.traffic import Learning, Web
from tests.reproductions.rps.colocation import reference

UNLIMITED = Fabric(switch_queue=1 << 40, host_queue=1 << 40)
SERVICE = 12_000  # nanoseconds of a full packet
PACKETS = 60_000
SEEDS = range(8)


def packets(start, queue=LOWER, source=0, destination=1, nbytes=1500) -> Messages:
    """Return unreliable messages of one packet each."""
    path = {"source": source, "destination": destination, "queue": queue}
    return Messages.of(start=start, kind=LEARNING, nbytes=nbytes, reliable=False, gap=0, jitter=0, **path)


def poisson(load: float, seed: int, count: int = PACKETS) -> np.ndarray:
    """Return the arrival times of a Poisson process that loads a link so much."""
    gaps = stream(seed, "test/arrivals").exponential(SERVICE / load, count)
    return np.cumsum(gaps).astype(np.int64)


def waits(messages: Messages, outcome: Outcome) -> np.ndarray:
    """Return how long packets waited at the only server that sends; the switch then adds no more than its service."""
    return outcome.delivered - messages.start - 2 * SERVICE


def covers(samples: list[float], exact: float) -> bool:
    interval = mean_interval(samples, 0.999)
    assert interval.high - interval.low < 0.3 * exact, "an interval that covers anything shows nothing"
    return interval.low <= exact <= interval.high


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_mean_wait_of_an_m_d_1_queue(load: float) -> None:
    means = []
    for seed in SEEDS:
        messages = packets(poisson(load, seed))
        means.append(waits(messages, simulate(UNLIMITED, messages)).mean())
    assert covers(means, load * SERVICE / (2 * (1 - load)))


def test_mean_waits_of_two_classes_without_preemption() -> None:
    high, low = 0.3, 0.4
    means: dict[int, list[float]] = {UPPER: [], LOWER: []}
    for seed in SEEDS:
        start = poisson(high + low, seed)
        queue = np.where(stream(seed, "test/class").random(PACKETS) < high / (high + low), UPPER, LOWER)
        messages = packets(start, queue)
        waited = waits(messages, simulate(UNLIMITED, messages))
        for chosen, into in means.items():
            into.append(waited[queue == chosen].mean())
    residual = (high + low) * SERVICE / 2
    assert covers(means[UPPER], residual / (1 - high))
    assert covers(means[LOWER], residual / ((1 - high) * (1 - high - low)))


def test_departures_are_those_of_lindley_whatever_the_scheduler() -> None:
    start = poisson(0.9, 0)
    departures = [int(start[0]) + SERVICE]
    for arrival in start[1:]:
        departures.append(max(departures[-1], int(arrival)) + SERVICE)
    queue = np.arange(PACKETS) % 2
    for share in (1.0, 0.25):
        outcome = simulate(replace(UNLIMITED, share=share), packets(start, queue))
        assert (np.sort(outcome.delivered) - SERVICE == departures).all()


def test_a_link_with_two_backlogged_classes_is_divided_by_their_shares() -> None:
    queue = np.arange(4000) % 2
    outcome = simulate(replace(UNLIMITED, share=0.7), packets(np.zeros(4000), queue))
    first = np.argsort(outcome.delivered)[:2000]
    assert (queue[first] == UPPER).sum() == pytest.approx(1400, abs=2)


def random_packets(seed: int, count: int = 3000, load: float = 40.0) -> Messages:
    """Return packets of different sizes between random servers, more than their links can carry for a while."""
    draws = stream(seed, "test/random")
    source = draws.integers(16, size=count)
    destination = (source + draws.integers(1, 16, size=count)) % 16
    start = np.cumsum(draws.exponential(SERVICE / load, count))
    return packets(start, draws.integers(2, size=count), source, destination, draws.integers(500, 1500, size=count))


@pytest.mark.parametrize("queues", [3_000, 20_000])
def test_a_second_simulator_gives_the_same_nanoseconds(queues: int) -> None:
    fabric = Fabric(switch_queue=queues, host_queue=2 * queues)
    for seed in range(3):
        messages = random_packets(seed)
        outcome = simulate(fabric, messages)
        assert outcome.lost.sum() > 0
        assert outcome.delivered.tolist() == reference.delivered(fabric, messages)


def test_packets_of_a_class_keep_their_order() -> None:
    messages = random_packets(4)
    outcome = simulate(Fabric(switch_queue=3_000), messages)
    path = 1000 * messages.source + 10 * messages.destination + messages.queue
    for each in np.unique(path):
        times = outcome.delivered[(path == each) & (outcome.delivered >= 0)]
        assert (np.diff(times) > 0).all()


def test_little() -> None:
    messages = random_packets(5)
    outcome = simulate(UNLIMITED, messages)
    assert outcome.area.sum() == (outcome.delivered - messages.start).sum()


def colocated(seed: int = 0, marked: float = 0.5, learning: Learning | None = None) -> Messages:
    fabric, chosen = Fabric(), learning or Learning(parameters=200_000)
    web = Web(5000, marked=marked).messages(fabric, chosen.period(16), seed, 0)
    return chosen.messages(fabric, seed, 0) + web


def test_bytes_in_are_bytes_out_and_lost_and_queued() -> None:
    messages = colocated()
    half = int(Learning(parameters=200_000).period(16) * SECOND / 2)
    for until in (half - SECOND // 200, half, half + SECOND // 200, None):
        outcome = simulate(Fabric(), messages, **({} if until is None else {"until": until}))
        assert (outcome.entered == outcome.arrived + outcome.lost.sum(axis=0) + outcome.held).all()
        assert outcome.held.any() == (until is not None)
    assert outcome.lost[:, LEARNING].sum() > 0


def test_a_message_alone_takes_the_time_of_its_bytes() -> None:
    one = Web(2000, marked=0.0).messages(Fabric(), 1e-2, 0, 0)
    alone = Messages(*(column[:1] for column in vars(one).values()))
    # its last packet is of 1000 bytes: the switch ends with the packet before 12 us after that one has left its server
    assert simulate(Fabric(), alone).seconds[0] == pytest.approx(99_000 * 8e-9 + 12e-6 + 8e-6 + 25e-6, abs=1e-9)


def test_reliable_messages_arrive_whole_through_queues_of_a_few_packets() -> None:
    messages = colocated(marked=0.0)
    outcome = simulate(Fabric(switch_queue=6_000, host_queue=6_000), messages)
    assert (outcome.received[messages.reliable] == outcome.packets[messages.reliable]).all()
    assert outcome.transmissions[messages.reliable].sum() > outcome.packets[messages.reliable].sum()
    assert outcome.lost[1, WEB] > 0
    assert outcome.lost[0, WEB] == 0


def test_learning_alone_loses_nothing_and_seeds_repeat() -> None:
    learning = Learning(parameters=200_000)
    alone = simulate(Fabric(), learning.messages(Fabric(), 0, 0))
    assert (alone.received == alone.packets).all()
    first, again, other = (simulate(Fabric(), colocated(seed)).delivered for seed in (0, 0, 1))
    assert (first == again).all()
    assert len(first) != len(other) or (first != other).any()


def test_with_full_priority_the_service_hardly_sees_the_learning() -> None:
    fabric, learning = Fabric(), Learning(parameters=200_000)
    rounds = learning.messages(fabric, 0, 0)

    def seconds(marked: float, beside: bool) -> float:
        web = Web(2000, marked=marked).messages(fabric, learning.period(16), 0, 0)
        taken = simulate(fabric, rounds + web if beside else web).seconds
        return float(taken[-len(web.start) :].mean())

    alone = seconds(1.0, beside=False)
    # every time the upper class starts anew, it waits for no more than the packet of learning that is in service
    assert alone < seconds(1.0, beside=True) < alone + 3 * 2 * SERVICE / SECOND
    assert seconds(0.0, beside=True) > 1.5 * alone


def test_too_many_packets_on_their_way_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = simulation._network

    def few_nodes(*arguments: Any) -> State:
        net = whole(*arguments)
        net.nodes["next"][5] = NONE
        return net

    monkeypatch.setattr(simulation, "_network", few_nodes)
    with pytest.raises(MemoryError, match="more packets are on their way"):
        simulate(Fabric(), colocated())


def test_wrong_shares_and_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="from 2 to 62 servers, not 63"):
        Fabric(servers=63)
    with pytest.raises(ValueError, match="share of the upper class is 0"):
        Fabric(share=0.0)
    with pytest.raises(ValueError, match="whole number of nanoseconds"):
        Fabric(bandwidth=3e9)
