"""Section 4.2 over UDP datagrams that kernels really lose: the measured moments against the exact alpha_1 and alpha_2.

It decides no claim, since lemmas 6 to 8 are decided exactly. It checks that real losses are what they are taken to be.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from algorithms import rps_mixing
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import mean_interval, proportion_interval
from reproductions.harness.store import Run
from reproductions.rps.datagrams import DatagramMixing

NODES, LOSSES, ROUNDS = 4, (0.025, 0.1, 0.25), 400
CONFIDENCE = 0.999
MOMENTS = ("alpha1", "alpha2")


def experiments(settings: Settings) -> list[DatagramMixing]:
    """Return rounds on four hosts for three probabilities of losing a datagram; the same at every scale."""
    return [DatagramMixing(NODES, loss, ROUNDS) for loss in LOSSES]


def _asked(run: Run) -> float:
    assert isinstance(run.experiment, DatagramMixing)
    return run.experiment.p


def _lost(run: Run) -> tuple[int, int]:
    sent, received = int(run.final("sent_messages")), int(run.final("received_messages"))
    return sent - received, sent


def _frame(runs: list[Run]) -> pd.DataFrame:
    rows = []
    for run in runs:
        lost, sent = _lost(run)
        for name in MOMENTS:
            interval = mean_interval(run.series(name).to_numpy(), CONFIDENCE)
            exact = float(getattr(rps_mixing, name)(NODES, lost / sent))
            rows.append((name, _asked(run), lost / sent, interval.low, interval.high, exact))
    return pd.DataFrame(rows, columns=["moment", "p", "measured_p", "low", "high", "exact"])


def test_blocks_are_lost_as_often_as_their_datagrams_say(runs: list[Run]) -> None:
    for run in runs:
        interval = proportion_interval(*_lost(run), CONFIDENCE)
        assert interval.low <= _asked(run) <= interval.high, f"asked for {_asked(run):.4f}, found {interval}"


def test_moments_are_those_of_the_lemmas_at_the_measured_loss(runs: list[Run]) -> None:
    frame = _frame(runs)
    assert ((frame["low"] <= frame["exact"]) & (frame["exact"] <= frame["high"])).all(), frame.to_string()


def test_every_average_is_of_whole_blocks_of_its_own_step(runs: list[Run]) -> None:
    for run in runs:  # columns of W sum to one only if every block that counts is there in full
        assert run.series("column_error").max() < 1e-12


def test_datagrams(runs: list[Run], figures: FigureFolder) -> None:
    frame, p = _frame(runs), np.linspace(0, 0.6, 200)
    figure, (axis,) = panels(1, width=5)
    for name, colour in zip(MOMENTS, COLOURS, strict=False):
        rows = frame[frame["moment"] == name]
        middle, half = (rows["low"] + rows["high"]) / 2, (rows["high"] - rows["low"]) / 2
        axis.plot(p, getattr(rps_mixing, name)(NODES, p), color=colour, label=f"exact {name}")
        axis.errorbar(rows["measured_p"], middle, half, fmt="o", color=colour, capsize=3, label=f"{name}, 4 hosts, UDP")
    axis.set(xlabel="share of blocks that were lost", ylabel="moment of the mixing matrix")
    axis.legend(fontsize=7)
    figures.save("datagrams", figure, frame)
