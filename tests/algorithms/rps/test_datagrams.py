"""Datagrams: what arrives is what was sent, whole and in time, and all else is lost; wrong systems are caught."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from algorithms.rps import datagrams
from algorithms.rps.averaging import ModelAveraging
from algorithms.rps.datagrams import HEADER, PAYLOAD, Datagrams, _Arrival, block_loss, parts
from algorithms.streams import stream
from algorithms.world import World

N, LENGTH, PART, LOSS = 4, 100, 100, 0.1  # 400 bytes are four parts


class Lossy(Datagrams):
    """Loses every datagram with probability 0.1, and holds some back until much later."""

    sent = 0
    loss, held_every = LOSS, 0

    def _send(self, datagram: bytes, target: int) -> None:
        self.sent += 1
        if stream(self.seed, "loss", step=self.sent).random() < self.loss:
            return
        if self.held_every and self.sent % self.held_every == 0:
            held, self.held = getattr(self, "held", None), (datagram, target)
            if held is not None:
                super()._send(*held)
            return
        super()._send(datagram, target)


class Late(Lossy):
    """Loses nothing; every fifth datagram comes when the next fifth one is sent, often a phase later."""

    loss, held_every = 0.0, 5


take_in = Datagrams._take_in


def careless(world: Datagrams, datagram: bytes, arrivals: dict, name: tuple[int, int]) -> None:
    """Take in a datagram of any step and phase."""
    take_in(world, HEADER.pack(*name, *HEADER.unpack_from(datagram)[2:]) + datagram[HEADER.size :], arrivals, name)


def block(step: int, source: int, target: int) -> torch.Tensor:
    """Return a block that no other step, source or target has."""
    return torch.full((LENGTH,), float(step * 100 + source * 10 + target)) + torch.linspace(0, 0.5, LENGTH)


def arrived(world: Datagrams, steps: int) -> int:
    """Return how many of the blocks of some steps arrived, all of which have to be what was sent."""
    found = 0
    for step in range(steps):
        blocks = [torch.stack([block(step, source, target) for source in range(N)]) for target in range(N)]
        for target, inbox in enumerate(world.alltoall(blocks, step, "reduce-scatter")):
            assert inbox[target] is not None, "what a worker keeps does not cross the network"
            for source, received in enumerate(inbox):
                if received is not None:
                    assert torch.equal(received, block(step, source, target)), (step, source, target)
                    found += source != target
    return found


def test_without_losses_it_is_the_world_bit_by_bit() -> None:
    for n, d, payload in ((3, 10_001, PAYLOAD), (4, 103, 7), (5, 3, PAYLOAD)):  # the last has empty blocks
        ours, simulated = Datagrams(None, n, seed=1, payload=payload), World(None, n, seed=1)
        x = torch.randn(n, d, generator=torch.Generator().manual_seed(0))
        y = x.clone()
        for t in range(3):
            ModelAveraging().step(ours, x, x.sin(), {}, t, lr=0.5)
            ModelAveraging().step(simulated, y, y.sin(), {}, t, lr=0.5)
        assert torch.equal(x, y)
        assert ours.traffic.totals() == simulated.traffic.totals()


def test_a_block_arrives_whole_or_not_at_all_and_its_loss_is_as_stated() -> None:
    world, steps = Lossy(None, N, payload=PART), 100
    found, sent = arrived(world, steps), steps * N * (N - 1)
    interval = binomtest(sent - found, sent).proportion_ci(0.999)
    assert interval.low < block_loss(LOSS, 4 * LENGTH, PART) < interval.high
    assert world.traffic.totals()["received_messages"] == found
    assert world.traffic.totals()["sent_messages"] == sent


def test_late_data_is_dropped_by_its_step() -> None:
    assert 0 < arrived(Late(None, N, payload=PART), 20) < 20 * N * (N - 1)


def test_a_block_that_counts_although_a_part_is_missing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    some = property(lambda self: len(self.missing) < len(parts(len(self.content), self.payload)))
    monkeypatch.setattr(_Arrival, "complete", some)
    with pytest.raises(AssertionError):
        arrived(Lossy(None, N, payload=PART), 20)


def test_late_data_that_is_accepted_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Datagrams, "_take_in", careless)
    with pytest.raises(AssertionError):
        arrived(Late(None, N, payload=PART), 20)


def test_what_nobody_expects_changes_nothing() -> None:
    world = Datagrams(None, N, payload=PART)
    strays = [b"", b"short", HEADER.pack(0, 1, 2, 3, 4), HEADER.pack(2**64 - 1, *(4 * [2**32 - 1])) + bytes(900)]
    for stray in strays:
        world.socket.sendto(stray, world.addresses[0])
    assert arrived(world, 2) == 2 * N * (N - 1)


def test_parts_that_come_twice_or_with_another_length_do_not_complete_a_block() -> None:
    arrival = _Arrival(np.zeros(250, np.uint8), 100)
    for number, length in ((0, 100), (0, 100), (1, 99), (2, 100), (3, 100), (2, 50)):
        arrival.add(number, memoryview(bytes([number + 1] * length)))
    assert not arrival.complete
    arrival.add(1, memoryview(bytes([2] * 100)))
    assert arrival.complete
    assert arrival.content.tolist() == [1] * 100 + [2] * 100 + [3] * 50


def test_memory_is_that_of_the_blocks_of_one_phase() -> None:
    world = Late(None, N, payload=PART)
    arrived(world, 1)
    before = {key: memory.numel() for key, memory in world.buffer._memory.items()}
    arrived(world, 30)
    assert {key: memory.numel() for key, memory in world.buffer._memory.items()} == before
    assert sum(before.values()) == N * (N - 1) * LENGTH


def test_the_loss_of_a_block_is_a_function_of_the_loss_of_a_datagram() -> None:
    assert block_loss(0.1, PAYLOAD) == pytest.approx(0.1)
    assert block_loss(0.1, PAYLOAD + 1) == pytest.approx(0.19)
    assert block_loss(0.1, 0) == pytest.approx(0.1)
    assert block_loss(0.5, 10 * PAYLOAD) == pytest.approx(1 - 2**-10)
    assert parts(250, 100) == [slice(0, 100), slice(100, 200), slice(200, 250)]


def test_a_part_has_to_fit_a_datagram() -> None:
    for payload in (0, PAYLOAD + 1):
        with pytest.raises(ValueError, match=f"a part of {payload} bytes does not fit: a datagram carries 1 to 1448"):
            Datagrams(None, 2, payload=payload)
    assert 1500 - 20 - 8 - HEADER.size == datagrams.PAYLOAD  # IP and UDP headers
