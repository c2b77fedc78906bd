"""Figures 1 and 2: the cluster model, as an execution shows it, and other architectures, as real steps show them."""

from __future__ import annotations

from itertools import product
from math import pi

import numpy as np
import pandas as pd
import torch

from algorithms.clustersgd.agreement import ClusterAgreement
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.scheduler import Execution
from algorithms.coopsgd.cooperative import decentralized, hierarchical_averaging
from algorithms.rps.servers import ServerAveraging
from algorithms.topology import ring, uniform
from reproductions.clustersgd import schedules
from reproductions.experiments.patterns import circle, draw_nodes, messages, row
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
def test_architectures(claim: Decider, figures: FigureFolder) -> None:
    _draw_architectures(figures)
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
    centres = circle(CLUSTERS.m, 2.2, start=pi / 2)
    places = [circle(len(members), 0.6, centre) for members, centre in zip(CLUSTERS.members, centres, strict=True)]
    at = {str(i + 1): place for i, place in enumerate(place for cluster in places for place in cluster)}
    edges = {
        "messages received": (heard - shared, {"arrowstyle": "-", "color": "0.75", "lw": 0.6}),
        "registers read": ({(i, j) for i, j in shared if i != j}, {"arrowstyle": "-", "color": COLOURS[0], "lw": 2.0}),
    }
    draw_nodes(axis, at, edges)
    axis.set_title(f"algorithm 3, {CLUSTERS.n} processes in {CLUSTERS.m} clusters")
    rows = [(i + 1, j + 1, "registers" if (i, j) in shared else "messages") for i, j in sorted(heard)]
    figures.save("model", figure, pd.DataFrame(rows, columns=["process", "of", "by"]))


def _draw_architectures(figures: FigureFolder) -> None:
    """Draw who sends to whom in a step of algorithms of other papers, with servers and without."""
    figure, axes = panels(3, width=3.2, height=2.8)
    workers = [f"w{i}" for i in range(1, 5)]
    kinds = {
        "centralized: one server": (ServerAveraging(1), [*row(4, 0.0), (0.0, 1.5)]),
        "decentralized: a ring": (decentralized(uniform(ring(4))), circle(4, start=pi / 4)),
        "hybrid: servers of groups": (hierarchical_averaging([2, 2], 0.3, 0.2), [*row(4, 0.0), *row(2, 1.5)]),
    }
    rows: list[tuple[str, str, str]] = []
    for axis, (title, (algorithm, places)) in zip(axes, kinds.items(), strict=True):
        names = [*workers, *(f"s{i}" for i in range(1, len(places) - 3))]
        x = torch.zeros(len(places), 8)
        phases = messages(len(x), lambda world: algorithm.step(world, x, torch.zeros_like(x), {}, 0, 0.0))  # noqa: B023
        pairs = sorted({pair for phase in phases for pair in phase})
        style = {"color": COLOURS[0], "lw": 1.0, "connectionstyle": "arc3,rad=0.12"}
        draw_nodes(axis, dict(zip(names, places, strict=True)), {"messages of a step": (pairs, style)}, legend=False)
        axis.set_title(title)
        rows += [(title.split(":", maxsplit=1)[0], names[i], names[j]) for i, j in pairs]
    axes[1].legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 0.02))
    figures.save("architectures", figure, pd.DataFrame(rows, columns=["architecture", "sender", "receiver"]))
