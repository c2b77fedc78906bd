"""Experiments on hosts: not run unless asked for, and then over links that really limit and really lose."""

from pathlib import Path

import pytest

from algorithms.qprsgd import Dense, RingQPRSGD
from reproductions.harness import links
from reproductions.harness.rounds import CLOSE, Rounds, measured, modelled
from reproductions.harness.runner import NetworkError, Runner
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import proportion_interval
from reproductions.rps.datagrams import DatagramMixing
from tests.harness.toy_session import Session

ROUND = Rounds(RingQPRSGD(1, Dense()), 1, models=2, floats=50_000, mbit=5.0)
MIXING = DatagramMixing(nodes=2, loss=0.2, rounds=40, payload=8)

ON_HOSTS = """
from tests.harness.test_on_hosts import ROUND

def experiments(settings):
    return [ROUND]

def test_seconds(runs):
    assert runs
"""


def test_without_the_option_they_are_not_run(tmp_path: Path, session: Session) -> None:
    with pytest.raises(NetworkError, match="run it with --network real"):
        Runner(Settings(results=tmp_path, device="cpu")).run([ROUND])
    session.write_test(ON_HOSTS, claims="")
    output = session.run().stdout
    assert "test_toy: 1 runs, for --network real only" in output
    assert "1 skipped" in output


def test_rounds_take_what_the_ledger_says_and_blocks_are_lost_with_their_datagrams(tmp_path: Path) -> None:
    if reason := links.unavailable():
        pytest.skip(reason)
    runner = Runner(Settings(network="real", results=tmp_path, device="cpu", run_timeout=60))
    ring, mixing = runner.run([ROUND, MIXING])
    assert ring.provenance["ranks"] == 2
    assert modelled(ring) == pytest.approx(200_000 * 8 / 5e6 / links.CONTENT)  # two turns of half a model
    assert CLOSE[0] < measured(ring) / modelled(ring) < CLOSE[1]

    sent, received = int(mixing.final("sent_messages")), int(mixing.final("received_messages"))
    interval = proportion_interval(sent - received, sent, 0.9999)
    assert interval.low < MIXING.p < interval.high
    assert mixing.series("column_error").max() == 0
