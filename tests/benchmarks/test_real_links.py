"""The quantized ring of QPRSGD against the dense one on a link that really has 20 Mbit/s, one host a worker."""

from pathlib import Path
from typing import Any

import pytest

from algorithms.qprsgd import Codec, Dense, RingQPRSGD
from algorithms.quantize import Quantizer
from reproductions.harness import links
from reproductions.harness.rounds import Rounds, measured
from reproductions.harness.runner import Runner
from reproductions.harness.settings import Settings
from tests.benchmarks.conftest import Speed

M, FLOATS, MBIT = 4, 500_000, 20.0


def ring(codec: Codec) -> Rounds:
    return Rounds(RingQPRSGD(1, codec), 1, M, FLOATS, MBIT)


def test_quantized_ring_on_a_real_link(tmp_path: Path, benchmark: Any, speed: Speed) -> None:
    if reason := links.unavailable():
        pytest.skip(reason)
    runner = Runner(Settings(network="real", results=tmp_path, device="cpu", run_timeout=120))
    runs = benchmark.pedantic(runner.run, args=([ring(Dense()), ring(Quantizer())],), rounds=1)
    dense, quantized = (measured(run) for run in runs)
    name = f"dense / quantized ring, {M} hosts, {FLOATS / 1e6:g}M floats, real {MBIT:g} Mbit/s"
    speed(name, dense / quantized, "at least 2.4", "bits: 32 against 12")
    assert dense / quantized >= 2.4
