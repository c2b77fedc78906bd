"""Figure 8: ResNet-20 on CIFAR-10, varying arrival probability on 16 nodes: training loss and test accuracy."""

from __future__ import annotations

import numpy as np

from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, all_of, decides, increasing, less
from reproductions.rps.delivered import as_labelled
from reproductions.rps.plots import loss_and_accuracy
from reproductions.rps.recipes import by_arrival

WIDER = (1.0, 0.95, 0.9, 0.8, 0.6)
COMPARED = (0.95, 0.9, 0.8)


def experiments(settings: Settings) -> dict[float, list[Training]]:
    """Return the runs of figure 4(b) at four arrival probabilities and a lower one."""
    return by_arrival(settings, "ResNet20", WIDER)


@decides("rps-fig8-train-loss")
def test_training_loss_rises_as_arrival_falls(claim: Decider, runs: Runs[Training]) -> None:
    losses = list(runs.final("train_loss").values())
    text = " ".join(f"{np.mean(group):.3f}" for group in losses)
    claim.decide(all_of(increasing(losses, alpha=claim.alpha), as_labelled(runs)), text, runs)


@decides("rps-fig8-test-acc-gap")
def test_accuracy_gap_is_below_one_point(claim: Decider, runs: Runs[Training]) -> None:
    points = {arrival: 100 * np.array(runs.final("test_accuracy", arrival)) for arrival in (1.0, *COMPARED)}
    decisions = [less(points[1.0], points[a], margin=1.0, alpha=claim.alpha / len(COMPARED)) for a in COMPARED]
    gaps = " ".join(f"{np.mean(points[1.0] - points[a]):+.2f}" for a in COMPARED)
    used = runs.only(1.0, *COMPARED)
    claim.decide(all_of(*decisions, as_labelled(used)), gaps, used)


def test_figure8(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    loss_and_accuracy(settings, figures, "figure8", runs, printed=(1.0, 1.0, "less than 1 point below 100%"))
