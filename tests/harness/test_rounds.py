"""Experiments on hosts: not run unless asked for, and then what the link model says within its stated limits."""

from pathlib import Path

import pytest

from algorithms.qprsgd import Dense, RingQPRSGD
from reproductions.harness import links
from reproductions.harness.rounds import CLOSE, Rounds, measured, modelled
from reproductions.harness.runner import NetworkError, Runner
from reproductions.harness.settings import Settings

ROUND = Rounds(RingQPRSGD(1, Dense()), 1, models=2, floats=50_000, mbit=5.0)


def test_without_the_option_they_are_not_run(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="run it with --network real"):
        Runner(Settings(results=tmp_path, device="cpu")).run([ROUND])


def test_a_ring_takes_what_the_ledger_says(tmp_path: Path) -> None:
    if reason := links.unavailable():
        pytest.skip(reason)
    (run,) = Runner(Settings(network="real", results=tmp_path, device="cpu", run_timeout=60)).run([ROUND])
    assert run.provenance["ranks"] == 2
    assert modelled(run) == pytest.approx(200_000 * 8 / 5e6 / links.CONTENT)  # one part each way, half a model each
    assert CLOSE[0] < measured(run) / modelled(run) < CLOSE[1]
