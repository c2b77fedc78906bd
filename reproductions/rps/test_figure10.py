"""Figure 10: ResNet-20 on CIFAR-10, extreme arrival probabilities on 16 nodes, down to 0 %."""

from __future__ import annotations

import numpy as np

from reproductions.harness.decisions import all_of, exactly
from reproductions.harness.experiment import Experiment
from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run, select
from reproductions.harness.verdicts import Decider
from reproductions.rps.grids import final, grid
from reproductions.rps.plots import loss_and_accuracy
from reproductions.rps.single_node import SingleNode

EXTREMES = (1.0, 0.6, 0.0)
ALPHA = 0.05 / 2  # two statements decide the one random claim of the figure


def experiments(settings: Settings) -> list[Experiment]:
    """Return the extremes, and single nodes on the shards of the runs where nothing arrives."""
    return [*grid(settings, "ResNet20", EXTREMES), *_single_nodes(settings)]


def _single_nodes(settings: Settings) -> list[SingleNode]:
    return [SingleNode(run) for run in grid(settings, "ResNet20", [0.0])]


@decides("rps-fig10-zero-arrival-train")
def test_trains_but_generalizes_badly(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    reliable, isolated = (select(runs, grid(settings, "ResNet20", [a])) for a in (1.0, 0.0))
    half = [0.5 * float(run.series("train_loss").iloc[0]) for run in isolated]
    converges = less(final(isolated, "train_loss"), half, alpha=ALPHA)
    low, high = (100 * np.array(final(part, "test_accuracy")) for part in (isolated, reliable))
    bad = less(low, high, margin=-5.0, alpha=ALPHA)
    text = f"loss {np.mean(final(isolated, 'train_loss')):.3f}, accuracy {low.mean():.1f} against {high.mean():.1f}"
    claim.decide(all_of(converges, bad), text, [*reliable, *isolated])


@decides("rps-fig10-identity-single-node")
def test_is_a_single_node_on_its_shard(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    isolated = select(runs, grid(settings, "ResNet20", [0.0]))
    alone = [run for run in runs if isinstance(run.experiment, SingleNode)]
    got, wanted = (np.array([final(part, m) for m in ("test_loss", "test_accuracy")]) for part in (isolated, alone))
    claim.decide(exactly(got, wanted), f"equal in {len(alone)} runs", [*isolated, *alone])


def test_figure10(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    chosen = select(runs, grid(settings, "ResNet20", EXTREMES))
    labels = [f"{arrival:.0%}" for arrival in EXTREMES for _ in range(settings.seeds)]
    loss_and_accuracy(settings, figures, "figure10", chosen, labels, "arrival")
