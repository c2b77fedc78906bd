"""Figure 8: ResNet-20 on CIFAR-10, varying arrival probability on 16 nodes: training loss and test accuracy."""

from __future__ import annotations

import numpy as np

from reproductions.harness.decisions import all_of
from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import increasing, less
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.rps.grids import final, grid
from reproductions.rps.plots import loss_and_accuracy

WIDER = (1.0, 0.95, 0.9, 0.8, 0.6)
ALPHA = 0.05 / 2  # Bonferroni over the claims of the figure


def experiments(settings: Settings) -> list[Training]:
    """Return the runs of figure 4(b) at three arrival probabilities and a wider one."""
    return grid(settings, "ResNet20", WIDER)


@decides("rps-fig8-train-loss")
def test_training_loss_rises_as_arrival_falls(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    groups = [final(select(runs, grid(settings, "ResNet20", [a])), "train_loss") for a in WIDER]
    claim.decide(increasing(groups, alpha=ALPHA), " ".join(f"{np.mean(group):.3f}" for group in groups), runs)


@decides("rps-fig8-test-acc-gap")
def test_accuracy_gap_is_below_one_point(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    points = {a: 100 * np.array(final(select(runs, grid(settings, "ResNet20", [a])), "test_accuracy")) for a in WIDER}
    decisions = [less(points[1.0], points[a], margin=1.0, alpha=ALPHA / 3) for a in (0.95, 0.9, 0.8)]
    gaps = " ".join(f"{np.mean(points[1.0] - points[a]):+.2f}" for a in (0.95, 0.9, 0.8))
    claim.decide(all_of(*decisions), gaps, runs)


def test_figure8(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    labels = [f"{arrival:.0%}" for arrival in WIDER for _ in range(settings.seeds)]
    loss_and_accuracy(settings, figures, "figure8", runs, labels, "arrival")
