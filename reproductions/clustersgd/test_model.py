"""Figures 1 and 2: the cluster model, as an execution shows it."""

from __future__ import annotations

from itertools import product
from math import cos, pi, sin

import numpy as np
import pandas as pd

from algorithms.clustersgd.agreement import ClusterAgreement
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.scheduler import Execution
from reproductions.clustersgd import schedules
from reproductions.paper import COLOURS, Decider, FigureFolder, all_of, decides, exactly, panels

CLUSTERS = Clusters(((0, 1, 2, 3), (4, 5), (6, 7, 8)))
EXECUTIONS = 8  # in a single one a fast process may miss what a slow one writes


@decides("clustersgd-fig1-model")
def test_model(claim: Decider, figures: FigureFolder) -> None:
    shared, heard = _executed()
    within = {(i, j) for members in CLUSTERS.members for i, j in product(members, members)}
    everyone = set(product(range(CLUSTERS.n), range(CLUSTERS.n)))
    _draw(shared, heard, figures)
    text = f"{len(shared)} pairs share registers, within clusters; {len(heard)} of {CLUSTERS.n**2} exchange messages"
    claim.decide(all_of(exactly([shared == within], [True]), exactly([heard == everyone], [True])), text)


@decides("clustersgd-fig2-architectures")
def test_architectures(claim: Decider) -> None:
    _, heard = _executed()
    senders = [len({j for i, j in heard if i == receiver} - {receiver}) for receiver in range(CLUSTERS.n)]
    text = f"decentralized: each of {CLUSTERS.n} processes hears the {min(senders)} others, and none is a server"
    claim.decide(exactly(senders, [CLUSTERS.n - 1] * CLUSTERS.n), text)


Pairs = set[tuple[int, int]]


def _executed() -> tuple[Pairs, Pairs]:
    """Return who read whose register, and who received messages of whom, in executions of algorithm 3."""
    algorithm = ClusterAgreement(CLUSTERS, 23 / 24)
    shared: Pairs = set()
    heard: Pairs = set()
    for seed in range(EXECUTIONS):
        _add(schedules.agree(algorithm, list(np.eye(CLUSTERS.n)), schedules.Hears(), seed), shared, heard)
    return shared, heard


def _add(done: Execution, shared: Pairs, heard: Pairs) -> None:
    """Add who read a value from whose register, and who received a message of whom."""
    history = done.history
    assert history is not None
    shared |= {(i, j) for seen in history.read.values() for i, owners in seen.items() for j in owners}
    heard |= {(i, j) for got in history.received.values() for i, senders in got.items() for j in senders}


def _draw(shared: Pairs, heard: Pairs, figures: FigureFolder) -> None:
    """Draw processes as the execution connects them: registers within clusters, messages between all."""
    figure, (axis,) = panels(1, width=4.6, height=4.2)
    at: dict[int, tuple[float, float]] = {}
    for c, members in enumerate(CLUSTERS.members):
        angle = pi / 2 + 2 * pi * c / CLUSTERS.m
        for k, i in enumerate(members):
            turn = 2 * pi * k / len(members)
            at[i] = (2.2 * cos(angle) + 0.6 * cos(turn), 2.2 * sin(angle) + 0.6 * sin(turn))
    for pairs, colour, width in ((heard - shared, "0.75", 0.6), (shared, COLOURS[0], 2.0)):
        for i, j in sorted(pairs):
            axis.plot([at[i][0], at[j][0]], [at[i][1], at[j][1]], zorder=1, color=colour, lw=width)
    for i, (x, y) in at.items():
        axis.plot(x, y, "o", ms=15, color="white", mec="black", zorder=2)
        axis.annotate(str(i + 1), (x, y), ha="center", va="center", fontsize=8, zorder=3)
    axis.plot([], [], color=COLOURS[0], lw=2, label="registers read")
    axis.plot([], [], color="0.75", lw=0.6, label="messages received")
    axis.set_axis_off()
    axis.set_aspect("equal")
    axis.set_title(f"algorithm 3, {CLUSTERS.n} processes in {CLUSTERS.m} clusters")
    axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=2)
    rows = [(i + 1, j + 1, "registers" if (i, j) in shared else "messages") for i, j in sorted(heard)]
    figures.save("model", figure, pd.DataFrame(rows, columns=["process", "of", "by"]))
