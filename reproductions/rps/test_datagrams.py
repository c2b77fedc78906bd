"""Section 4.2 over UDP datagrams that kernels really lose: the measured moments against the exact alpha_1 and alpha_2.

It decides no claim, since lemmas 6 to 8 are decided exactly. It checks that real losses are what they are taken to be.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from reproductions.paper import COLOURS, FigureFolder, Run, Runs, Settings, mean_interval, panels, proportion_interval
from reproductions.rps import exact
from reproductions.rps.datagrams import DatagramMixing

NODES, LOSSES, ROUNDS = 4, (0.025, 0.1, 0.25), 400
CONFIDENCE = 0.999
MOMENTS = ("alpha1", "alpha2")


def experiments(settings: Settings) -> dict[float, list[DatagramMixing]]:
    """Return rounds on four hosts by the probability of losing a datagram; the same at every scale."""
    return {loss: [DatagramMixing(NODES, loss, ROUNDS)] for loss in LOSSES}


def _lost(run: Run) -> tuple[int, int]:
    sent, received = int(run.final("sent_messages")), int(run.final("received_messages"))
    return sent - received, sent


def _frame(runs: Runs[DatagramMixing]) -> pd.DataFrame:
    rows = []
    for run in runs.all:
        lost, sent = _lost(run)
        for name in MOMENTS:
            interval = mean_interval(run.series(name).to_numpy(), CONFIDENCE)
            closed = float(getattr(exact, name)(NODES, lost / sent))
            rows.append((name, run.experiment.p, lost / sent, interval.low, interval.high, closed))
    return pd.DataFrame(rows, columns=["moment", "p", "measured_p", "low", "high", "exact"])


def test_blocks_are_lost_as_often_as_their_datagrams_say(runs: Runs[DatagramMixing]) -> None:
    for run in runs.all:
        interval = proportion_interval(*_lost(run), CONFIDENCE)
        assert interval.low <= run.experiment.p <= interval.high, f"asked for {run.experiment.p:.4f}, found {interval}"


def test_moments_are_those_of_the_lemmas_at_the_measured_loss(runs: Runs[DatagramMixing]) -> None:
    frame = _frame(runs)
    assert ((frame["low"] <= frame["exact"]) & (frame["exact"] <= frame["high"])).all(), frame.to_string()


def test_every_average_is_of_whole_blocks_of_its_own_step(runs: Runs[DatagramMixing]) -> None:
    for run in runs.all:  # columns of W sum to one only if every block that counts is there in full
        assert run.series("column_error").max() < 1e-12


def test_datagrams(runs: Runs[DatagramMixing], figures: FigureFolder) -> None:
    frame, p = _frame(runs), np.linspace(0, 0.6, 200)
    figure, (axis,) = panels(1, width=5)
    for name, colour in zip(MOMENTS, COLOURS, strict=False):
        rows = frame[frame["moment"] == name]
        middle, half = (rows["low"] + rows["high"]) / 2, (rows["high"] - rows["low"]) / 2
        axis.plot(p, getattr(exact, name)(NODES, p), color=colour, label=f"exact {name}")
        axis.errorbar(rows["measured_p"], middle, half, fmt="o", color=colour, capsize=3, label=f"{name}, 4 hosts, UDP")
    axis.set(xlabel="share of blocks that were lost", ylabel="moment of the mixing matrix")
    axis.legend(fontsize=7)
    figures.save("datagrams", figure, frame)
