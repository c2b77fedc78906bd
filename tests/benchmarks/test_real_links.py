"""The quantized ring of QPRSGD against the dense one on a link that really has 20 Mbit/s, one host a worker."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from algorithms.qprsgd.messages import Codec, Dense
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import RingQPRSGD
from reproductions.experiments.link_figures import measured
from reproductions.experiments.link_rounds import Rounds
from reproductions.harness.runs import real_links
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from tests.benchmarks.conftest import Speed

M, FLOATS, MBIT = 4, 500_000, 20.0


def ring(codec: Codec) -> Rounds:
    return Rounds(RingQPRSGD(1, codec), 1, M, FLOATS, MBIT)


def test_quantized_ring_on_a_real_link(tmp_path: Path, benchmark: Any, speed: Speed) -> None:
    if reason := real_links.unavailable():
        pytest.skip(reason)
    folders = count()

    def runner() -> tuple[tuple[Runner], dict[str, Any]]:
        results = tmp_path / str(next(folders))  # what is stored is not made again
        return (Runner(Settings(network="real", results=results, device="cpu", run_timeout=120)),), {}

    rings = [ring(Dense()), ring(Quantizer())]
    runs = benchmark.pedantic(lambda runner: runner.run(rings), setup=runner, rounds=3)
    dense, quantized = (measured(run) for run in runs)
    name = f"dense / quantized ring, {M} hosts, {FLOATS / 1e6:g}M floats, real {MBIT:g} Mbit/s"
    speed(name, dense / quantized, "at least 2.4", "bits: 32 against 12")
    assert dense / quantized >= 2.4
