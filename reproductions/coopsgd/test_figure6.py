"""Figure 6 and section 6.3: groups that meet only through auxiliary variables, which talk beside local updates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.topology import check_mixing, zeta
from reproductions.coopsgd.timeline import BLOCKING_HIERARCHY, HIERARCHY, Timeline, timeline
from reproductions.coopsgd.timeline_chart import chart, concurrency, same_models
from reproductions.experiments.patterns import draw_nodes, messages, row
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Runs,
    Settings,
    all_of,
    decides,
    exactly,
    less,
    panels,
)

GROUPS = ((0, 1, 4), (2, 3, 5))  # workers and auxiliary variable
BETWEEN = {(4, 5), (5, 4)}


def experiments(settings: Settings) -> dict[str, list[Timeline]]:
    """Return runs of the hierarchy of figure 6, and one that blocks, for its models."""
    beside = [timeline(HIERARCHY, seed) for seed in range(min(3, settings.seeds))]
    return {"beside": beside, "blocking": [timeline(BLOCKING_HIERARCHY, 0)]}


@decides("coopsgd-fig6-hierarchical")
def test_hierarchy(claim: Decider, runs: Runs[Timeline], figures: FigureFolder) -> None:
    figures.save("figure6b", *chart(runs["beside"][:1], ["two groups of two workers, τ = 4 (thin: in the background)"]))
    algorithm = runs.experiment("beside").algorithm
    shares = [concurrency(run) for run in runs["beside"]]
    majority = less([0.5] * len(shares), shares)
    decision = all_of(_structure(algorithm), _messages(runs), majority, same_models(runs["blocking"], runs["beside"]))
    text = f"zeta = {zeta(algorithm.W):.3f}; {np.mean(shares):.0%} of the workers compute"
    claim.decide(decision, text, runs=runs.only("beside"))


def test_figure6a(figures: FigureFolder) -> None:
    """Draw who sends to whom in an average, as the ledger of a real one has it."""
    names, x = ["x1", "x2", "x3", "x4", "z1", "z2"], torch.zeros(6, 8)
    steps = messages(6, lambda world: world.mix(x, BLOCKING_HIERARCHY.W))
    pairs = {pair for step in steps for pair in step}
    figure, (axis,) = panels(1, width=3.6, height=3.0)
    style = {"color": COLOURS[0], "lw": 1.2, "connectionstyle": "arc3,rad=0.12"}
    draw_nodes(axis, dict(zip(names, [*row(4, 0.0), *row(2, 1.6)], strict=True)), {"messages": (pairs, style)})
    axis.set_title("two groups of two workers, with auxiliary variables")
    rows = [(names[i], names[j]) for i, j in sorted(pairs)]
    figures.save("figure6a", figure, pd.DataFrame(rows, columns=["sender", "receiver"]))


def _structure(algorithm: CooperativeSGD) -> Decision:
    """Decide who has a weight at whom, and that W is symmetric and stochastic with zeta < 1."""
    check_mixing(algorithm.W, connected=True)
    pairs = {(i, j) for i, j in np.argwhere(algorithm.W).tolist() if i != j}
    allowed = BETWEEN | {(i, j) for *members, hub in GROUPS for w in members for i, j in ((w, hub), (hub, w))}
    return exactly([pairs == allowed], [True])


def _messages(runs: Runs[Timeline]) -> Decision:
    """Decide that messages of the runs are those of the figure: models up, auxiliary variables across and down."""
    run = runs.experiment("beside")
    sent = runs.final("sent_messages", "beside")
    return exactly(sent, [run.iterations // run.algorithm.tau * (4 + 2 + 4)] * len(sent))
