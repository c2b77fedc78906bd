"""Experiments on hosts: not run unless asked for, and then over links that really limit and really lose."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from algorithms.qprsgd.messages import Dense
from algorithms.qprsgd.ring import RingQPRSGD
from reproductions.experiments.link_figures import CLOSE, measured, modelled
from reproductions.experiments.link_rounds import Rounds
from reproductions.harness.runs import real_links
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.harness.runs.runner import NetworkError, Runner
from reproductions.harness.runs.settings import Settings
from reproductions.harness.verdicts.intervals import proportion_interval
from reproductions.rps.datagrams import DatagramMixing
from tests.harness.toy_session import Session

ROUND = Rounds(RingQPRSGD(1, Dense()), 1, models=2, floats=50_000, mbit=5.0)
MIXING = DatagramMixing(nodes=2, loss=0.2, rounds=40, payload=8)

ON_HOSTS = """
from tests.harness.runs.test_on_hosts import ROUND

def experiments(settings):
    return {"round": [ROUND]}

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
    if reason := real_links.unavailable():
        pytest.skip(reason)
    runner = Runner(Settings(network="real", results=tmp_path, device="cpu", run_timeout=60))
    ring, mixing = runner.run([ROUND, MIXING])
    assert ring.provenance["ranks"] == 2
    assert modelled(ring) == pytest.approx(200_000 * 8 / 5e6 / real_links.CONTENT)  # two turns of half a model
    assert CLOSE[0] < measured(ring) / modelled(ring) < CLOSE[1]

    sent, received = int(mixing.final("sent_messages")), int(mixing.final("received_messages"))
    interval = proportion_interval(sent - received, sent, 0.9999)
    assert interval.low < MIXING.p < interval.high
    assert mixing.series("column_error").max() == 0


@dataclass(frozen=True)
class Reading(Experiment):
    """Every rank reads what the next one holds, over a link."""

    placement: ClassVar[Placement] = Placement.HOST_WINDOWS

    @property
    def workers(self) -> int:
        return 3

    def execute(self, context: Context) -> None:
        from mpi4py import MPI

        comm: Any = context.comm
        window = MPI.Win.Allocate(8, 8, comm=comm)
        memory = np.frombuffer(window.tomemory(), np.float64)
        window.Lock_all()
        memory[0] = 10.0 + context.rank
        window.Sync()
        comm.Barrier()
        found = np.zeros(1)
        window.Get(found, (context.rank + 1) % 3)
        window.Flush_all()
        window.Unlock_all()
        context.log(0, {"read": float(np.sum(comm.allgather(found[0])))})
        window.Free()


def test_windows_between_hosts_need_an_mpich(tmp_path: Path) -> None:
    for settings in (Settings(results=tmp_path), Settings(results=tmp_path, network="real")):
        with pytest.raises(NetworkError, match="run it with --network real and --mpich"):
            Runner(settings).run([Reading()])


def test_ranks_read_the_memory_of_other_hosts(tmp_path: Path) -> None:
    mpich = os.environ.get("REPRO_MPICH")
    if reason := real_links.unavailable() or (None if mpich else "REPRO_MPICH names no environment with an MPICH"):
        pytest.skip(reason)
    assert mpich is not None
    settings = Settings(network="real", mpich=Path(mpich), results=tmp_path, device="cpu", run_timeout=60)
    (run,) = Runner(settings).run([Reading()])
    assert run.final("read") == 10 + 11 + 12
    assert run.provenance["ranks"] == 3
