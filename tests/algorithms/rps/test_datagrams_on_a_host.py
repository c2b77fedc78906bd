"""Datagrams that the kernel really loses: training over them ends as over simulated losses."""

import json
import subprocess
import sys

import numpy as np
import pytest

from algorithms.rps.datagrams import block_loss
from reproductions.harness.runs import real_links
from reproductions.harness.runs.provenance import ROOT
from reproductions.harness.verdicts.intervals import paired_difference, proportion_interval
from tests.algorithms.rps import datagram_training
from tests.algorithms.rps.test_datagrams import LENGTH, LOSS, PART, N

SEEDS = 5


ARRIVED = """
from reproductions.harness.runs import real_links as links
from tests.algorithms.rps.test_datagrams import *
links.lose(1, 0.5)
links.lose(1, LOSS)  # in its place
print(arrived(Datagrams(None, N, payload=PART), 60))
"""


def on_a_host(*command: str) -> str:
    """Return what Python writes on a host of its own."""
    if reason := real_links.unavailable():
        pytest.skip(reason)
    command = (*real_links.prefix(1), sys.executable, *command)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_kernel_loses_datagrams_as_asked_and_blocks_as_stated() -> None:
    sent = 60 * N * (N - 1)
    interval = proportion_interval(sent - int(on_a_host("-c", ARRIVED)), sent, 0.9999)
    assert interval.low < block_loss(LOSS, 4 * LENGTH, PART) < interval.high


@pytest.mark.slow
def test_training_over_udp_ends_like_simulated_losses_of_the_same_rate() -> None:
    found = json.loads(on_a_host("-m", "tests.algorithms.rps.datagram_training", str(SEEDS)))
    sent, received = (sum(round(f["real"][name]) for f in found) for name in ("sent_messages", "received_messages"))
    interval = proportion_interval(sent - received, sent, 0.999)
    assert interval.low < block_loss(datagram_training.LOSS, datagram_training.BLOCK) < interval.high

    loss = {which: [f[which]["mean_test_loss"] for f in found] for which in found[0]}
    same = paired_difference(loss["real"], loss["simulated"], 0.999)
    assert same.low < 0 < same.high, same
    assert np.mean(loss["real"]) == pytest.approx(np.mean(loss["simulated"]), rel=0.15)
    apart = paired_difference(loss["real"], loss["alone"], 0.99)
    assert apart.high < 0, f"these runs would not tell workers that talk from others: {apart}"
