"""The one import line of a paper's test: claims, runs, decisions, intervals and figures.

A test module names its runs by label, reads them by label and ends with a decision::

    from reproductions.paper import Decider, Runs, Settings, decides, increasing

    def experiments(settings: Settings) -> dict[float, list[Training]]:
        return {arrival: resnet20(settings, arrival) for arrival in ARRIVALS}  # one run a seed under each label

    @decides("rps-fig8-train-loss")
    def test_training_loss_rises_as_arrival_falls(claim: Decider, runs: Runs[Training]) -> None:
        claim.decide(increasing(list(runs.final("train_loss").values())), runs=runs)
"""

from reproductions.harness.figures import COLOURS, FigureFolder, draw, name_of, panels, unfolded
from reproductions.harness.plugin import decides
from reproductions.harness.runs.labelled import Label, Runs
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run
from reproductions.harness.verdicts.bands import difference_of_rounded, rounding
from reproductions.harness.verdicts.claims import Claim, load_claims
from reproductions.harness.verdicts.convergence import flat_tail, reached, sooner
from reproductions.harness.verdicts.decisions import Decision, Interval, agree, all_of, close, exactly, point, searched
from reproductions.harness.verdicts.intervals import (
    Slope,
    mean_interval,
    paired_difference,
    proportion_interval,
    slope_interval,
    welch_difference,
)
from reproductions.harness.verdicts.statistics import at_most_one, increasing, less, within
from reproductions.harness.verdicts.verdict import Decider

__all__ = [
    "COLOURS", "Claim", "Decider", "Decision", "FigureFolder", "Interval", "Label", "Run", "Runs", "Settings", "Slope",
    "agree", "all_of", "at_most_one", "close", "decides", "difference_of_rounded", "draw", "exactly", "flat_tail",
    "increasing", "less", "load_claims", "mean_interval", "name_of", "paired_difference", "panels", "point",
    "proportion_interval", "reached", "rounding", "searched", "slope_interval", "sooner", "unfolded",
    "welch_difference", "within",
]  # fmt: skip
