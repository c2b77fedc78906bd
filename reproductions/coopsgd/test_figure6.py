"""Figure 6 and section 6.3: groups that meet only through auxiliary variables, which talk beside local updates."""

from __future__ import annotations

import numpy as np

from algorithms.cooperative import CooperativeSGD
from algorithms.topology import check_mixing, zeta
from reproductions.coopsgd.lanes import chart, concurrency
from reproductions.coopsgd.setups import HIERARCHY, timeline
from reproductions.coopsgd.timeline import Timeline
from reproductions.harness.decisions import Decision, all_of, exactly
from reproductions.harness.figures import FigureFolder
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider

GROUPS = ((0, 1, 4), (2, 3, 5))  # workers and auxiliary variable
BETWEEN = {(4, 5), (5, 4)}


def experiments(settings: Settings) -> list[Timeline]:
    """Return runs of the hierarchy of figure 6."""
    return [timeline(HIERARCHY, seed) for seed in range(min(3, settings.seeds))]


@decides("coopsgd-fig6-hierarchical")
def test_hierarchy(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    figures.save("figure6b", *chart(runs[:1], ["two groups of two workers, τ = 4 (thin: in the background)"]))
    algorithm = runs[0].experiment.algorithm  # type: ignore[attr-defined]
    shares = [concurrency(run) for run in runs]
    decision = all_of(_structure(algorithm), _messages(algorithm, runs), less([0.5] * len(shares), shares))
    claim.decide(decision, f"zeta = {zeta(algorithm.W):.3f}; {np.mean(shares):.0%} of the workers compute", runs)


def _structure(algorithm: CooperativeSGD) -> Decision:
    """Decide who has a weight at whom, and that W is symmetric and stochastic with zeta < 1."""
    check_mixing(algorithm.W, connected=True)
    pairs = {(i, j) for i, j in np.argwhere(algorithm.W).tolist() if i != j}
    allowed = BETWEEN | {(i, j) for *members, hub in GROUPS for w in members for i, j in ((w, hub), (hub, w))}
    return exactly([pairs == allowed], [True])


def _messages(algorithm: CooperativeSGD, runs: list[Run]) -> Decision:
    """Decide that messages of the runs are those of the figure: models up, auxiliary variables across and down."""
    averagings = runs[0].experiment.iterations // algorithm.tau  # type: ignore[attr-defined]
    return exactly([run.final("sent_messages") for run in runs], [averagings * (4 + 2 + 4)] * len(runs))
