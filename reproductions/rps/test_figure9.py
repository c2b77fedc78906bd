"""Figure 9: ResNet-20 on CIFAR-10, 2 to 16 nodes at 80 % arrival; 32 samples a worker, so the global batch grows."""

from __future__ import annotations

import numpy as np

from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import increasing, less, within
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.rps.grids import final, grid
from reproductions.rps.plots import loss_and_accuracy

NODES = (2, 4, 8, 16)
ARRIVAL = 0.8
ALPHA = 0.05 / 2  # Bonferroni over the claims of the figure


def experiments(settings: Settings) -> list[Training]:
    """Return all numbers of nodes."""
    return grid(settings, "ResNet20", [ARRIVAL], nodes=NODES)


def _at(runs: list[Run], settings: Settings, nodes: int, metric: str) -> np.ndarray:
    return np.array(final(select(runs, grid(settings, "ResNet20", [ARRIVAL], nodes=[nodes])), metric))


@decides("rps-fig9-similar-train-effect")
def test_training_loss_rises_with_nodes(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    groups = [_at(runs, settings, n, "train_loss") for n in NODES]
    text = " ".join(f"{group.mean():.3f}" for group in groups)
    claim.decide(increasing(groups, alpha=ALPHA), text, runs)


@decides("rps-fig9-nodes-test-acc")
def test_accuracy_falls_with_nodes(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    few, many = (100 * _at(runs, settings, n, "test_accuracy") for n in (NODES[0], NODES[-1]))
    gap = few - many
    decision = within(gap, 1.0, 3.0) if settings.scale == "paper" else less(many, few, alpha=ALPHA)
    claim.decide(decision, f"{gap.mean():+.2f} points", runs)


def test_figure9(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    labels = [f"{n} nodes" for n in NODES for _ in range(settings.seeds)]
    loss_and_accuracy(settings, figures, "figure9", runs, labels, "80% arrival")
