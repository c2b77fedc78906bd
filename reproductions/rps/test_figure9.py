"""Figure 9: ResNet-20 on CIFAR-10, 2 to 16 nodes at 80 % arrival; 32 samples a worker, so the global batch grows."""

from __future__ import annotations

import numpy as np

from reproductions.experiments.training import Training
from reproductions.paper import Decider, Decision, FigureFolder, Runs, Settings, all_of, decides, increasing, less
from reproductions.rps.delivered import as_labelled
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
    rising = increasing([losses[n] for n in NODES], alpha=claim.alpha)
    claim.decide(all_of(rising, _at_arrival(runs)), text, runs)


@decides("rps-fig9-nodes-test-acc")
def test_accuracy_falls_with_nodes(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    few, many = (100 * np.array(runs.final("test_accuracy", n)) for n in (NODES[0], NODES[-1]))
    gap = few - many
    decision = claim.within(gap) if settings.scale == "paper" else less(many, few, alpha=claim.alpha)
    used = runs.only(NODES[0], NODES[-1])
    claim.decide(all_of(decision, _at_arrival(used)), f"{gap.mean():+.2f} points", used)


def _at_arrival(runs: Runs[Training]) -> Decision:
    """Decide that runs by number of nodes lost as many messages as the figure says."""
    return as_labelled(Runs({(n, ARRIVAL): group for n, group in runs.items()}))


def test_figure9(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    loss_and_accuracy(settings, figures, "figure9", runs, "nodes", str, (2, 2.0, "16 nodes around 2 points below 2"))
