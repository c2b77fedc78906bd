"""Figure 9: ResNet-20 on CIFAR-10, 2 to 16 nodes at 80 % arrival; 32 samples a worker, so the global batch grows."""

from __future__ import annotations

import numpy as np

from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, decides, increasing, less
from reproductions.rps.plots import loss_and_accuracy
from reproductions.rps.recipes import seeds_of

NODES = (2, 4, 8, 16)
ARRIVAL = 0.8


def experiments(settings: Settings) -> dict[int, list[Training]]:
    """Return the runs by number of nodes."""
    return {n: seeds_of(settings, "ResNet20", ARRIVAL, n) for n in NODES}


@decides("rps-fig9-similar-train-effect")
def test_training_loss_rises_with_nodes(claim: Decider, runs: Runs[Training]) -> None:
    losses = runs.final("train_loss")
    text = " ".join(f"{np.mean(losses[n]):.3f}" for n in NODES)
    claim.decide(increasing([losses[n] for n in NODES], alpha=claim.alpha), text, runs)


@decides("rps-fig9-nodes-test-acc")
def test_accuracy_falls_with_nodes(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    few, many = (100 * np.array(runs.final("test_accuracy", n)) for n in (NODES[0], NODES[-1]))
    gap = few - many
    decision = claim.within(gap) if settings.scale == "paper" else less(many, few, alpha=claim.alpha)
    claim.decide(decision, f"{gap.mean():+.2f} points", runs.only(NODES[0], NODES[-1]))


def test_figure9(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    loss_and_accuracy(settings, figures, "figure9", runs, "nodes", str, (2, 2.0, "16 nodes around 2 points below 2"))
