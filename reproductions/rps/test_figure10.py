"""Figure 10: ResNet-20 on CIFAR-10, extreme arrival probabilities on 16 nodes, down to 0 %."""

from __future__ import annotations

import numpy as np

from reproductions.experiments.tiny import one_by_one
from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, all_of, decides, exactly, less
from reproductions.rps.convergence import halves
from reproductions.rps.delivered import as_labelled
from reproductions.rps.plots import loss_and_accuracy
from reproductions.rps.recipes import by_arrival, recipe, seeds_of
from reproductions.rps.single_node import SingleNode

EXTREMES = (1.0, 0.6, 0.0)
ALONE, SAME = "single node", "the same sums in the same order"


def experiments(settings: Settings) -> dict[float | str, list[Training] | list[SingleNode]]:
    """Return the extremes, and single nodes on the shards of the runs where nothing arrives."""
    chosen = recipe(settings, "ResNet20")
    same = [one_by_one(run) for run in seeds_of(settings, "ResNet20", 0.0)]
    alone = [SingleNode(run, chosen.base_lr, chosen.base_batch) for run in same]
    pairs: dict[float | str, list[Training] | list[SingleNode]] = {SAME: same, ALONE: alone}
    return pairs | by_arrival(settings, "ResNet20", EXTREMES)


@decides("rps-fig10-zero-arrival-train")
def test_trains_but_generalizes_badly(claim: Decider, runs: Runs[Training]) -> None:
    used = runs.only(1.0, 0.0)
    low, high = (100 * np.array(runs.final("test_accuracy", arrival)) for arrival in (0.0, 1.0))
    bad = less(low, high, margin=-5.0, alpha=claim.alpha)
    text = f"loss {np.mean(runs.final('train_loss', 0.0)):.3f}, accuracy {low.mean():.1f} against {high.mean():.1f}"
    claim.decide(all_of(halves(runs, 0.0, claim.alpha), bad, as_labelled(used)), text, used)


@decides("rps-fig10-identity-single-node")
def test_is_a_single_node_on_its_shard(claim: Decider, runs: Runs) -> None:
    metrics = ("test_loss", "test_accuracy")
    got, wanted = (np.array([runs.final(metric, label) for metric in metrics]) for label in (SAME, ALONE))
    claim.decide(
        exactly(got, wanted), f"off by {abs(got - wanted).max():.1g} in {got.shape[1]} runs", runs.only(SAME, ALONE)
    )


def test_figure10(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    loss_and_accuracy(settings, figures, "figure10", runs.only(*EXTREMES))
