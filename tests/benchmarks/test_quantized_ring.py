"""The quantized ring of QPRSGD against the dense one: seconds on a slow link, and memory a round."""

import time
from typing import Any

import torch

from algorithms.network import Link
from algorithms.qprsgd.messages import Codec, Dense
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import ring_sum
from algorithms.world import World
from tests.benchmarks.conftest import Speed

M, D = 4, 4_000_000
LINK = Link(bandwidth=20e6, latency=1e-3)


def seconds(codec: Codec, repeats: int = 3) -> float:
    """Return what a round takes: messages by the ledger over the link, the rest by the clock, as if one after another.

    All M workers share this process, so that what each does at the same time elsewhere is counted M times here.
    """
    world, rows, spent = World(None, M), torch.randn(M, D), []
    for t in range(repeats + 1):
        before = world.traffic.busiest_messages, world.traffic.busiest_bytes
        start = time.thread_time()
        ring_sum(world, rows.clone(), codec, t)
        sent = LINK.seconds(world.traffic.busiest_messages - before[0], world.traffic.busiest_bytes - before[1])
        spent.append(sent + (time.thread_time() - start) / M)
    return min(spent[1:])


def test_quantized_ring_on_20_megabits(benchmark: Any, speed: Speed) -> None:
    quantized = benchmark.pedantic(seconds, args=(Quantizer(),), rounds=3)
    ratio = seconds(Dense()) / quantized
    name = f"dense / quantized ring, 4 workers, {D // 1_000_000}M floats, modelled 20 Mbit/s"
    speed(name, ratio, "at least 2.4", "bits: 32 against 12")
    assert ratio >= 2.4


def test_a_round_allocates_no_messages() -> None:
    world, rows = World(None, M), torch.randn(M, 1000)
    ring_sum(world, rows, Quantizer(), 0)
    before = {key: buffer.data_ptr() for key, buffer in world.buffer._memory.items()}
    for t in range(1, 4):
        ring_sum(world, rows, Quantizer(), t)
    assert {key: buffer.data_ptr() for key, buffer in world.buffer._memory.items()} == before
