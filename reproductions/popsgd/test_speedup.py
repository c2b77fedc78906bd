"""Section 4, discussion: linear speed-up in n thanks to averaging, none without, and the effect of the local batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from reproductions.harness.decisions import all_of
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import slope_interval, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.popsgd import grids
from reproductions.popsgd.convex import Array, Convex, groups, over_seeds, settled, slope_in

BATCHES = (1, 4, 16, 64)


def experiments(settings: Settings) -> list[Convex]:
    """Return all runs of this module."""
    together = [grids.SPEEDUP.run("speed-up", n) for n in grids.SPEEDUP_NODES]
    alone = [replace(run, role="alone", averaging="none") for run in together]
    batches = [grids.FIGURE3.run("batch", 4, batch) for batch in BATCHES]
    return over_seeds([*together, *alone, *batches], settings.seeds)


@decides("popsgd-linear-speedup")
def test_linear_speedup(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    fit = slope_in("nodes", _excess(runs, "speed-up"))
    _draw(runs, figures)
    claim.decide(within(fit, -1.1, -0.9), f"slope {fit.estimate:.3f} in n", runs)


@decides("popsgd-no-averaging-rate")
def test_no_speedup_without_averaging(claim: Decider, runs: list[Run]) -> None:
    in_n = slope_in("nodes", _excess(runs, "alone"))
    in_time = [_slope_in_time(run) for run in list(groups(runs, "alone").values())[-1]]
    decision = all_of(within(in_n, -0.1, 0.1), within(in_time, -1.15, -0.85))
    claim.decide(decision, f"slope {in_n.estimate:.3f} in n, {np.mean(in_time):.3f} in T_p", runs)


@decides("popsgd-batch-generalisation")
def test_local_batch_divides_the_variance(claim: Decider, runs: list[Run]) -> None:
    found = {run: settled(group, grids.FIGURE3.settled) for run, group in groups(runs, "batch").items()}
    fit = slope_in("batch", found)
    claim.decide(within(fit, -1.1, -0.9), f"slope {fit.estimate:.3f} in b", runs)


# ---------------------------------------------------------------------------------------------------- measurement


def _excess(runs: list[Run], role: str) -> dict[Convex, Array]:
    """Return the mean excess loss over the second half of every run."""
    metric = "excess" if role == "speed-up" else "nodes_excess"  # nodes on their own are as good as seeds
    return {run: settled(group, 0.5, metric=metric) for run, group in groups(runs, role).items()}


def _slope_in_time(run: Run) -> float:
    """Return the slope of the mean excess of all nodes in the steps of one of them, from a quarter of them on."""
    series = run.series("nodes_excess")
    late = series[series.index >= series.index.max() / 4]
    return slope_interval(np.log(late.index.to_numpy()), np.log(late.to_numpy())).interval.estimate


# --------------------------------------------------------------------------------------------------------- figure


def _draw(runs: list[Run], figures: FigureFolder) -> None:
    """Draw the excess of a fixed node against its SGD steps, and at the end against n, with and without averaging."""
    figure, (left, right) = panels(2, width=4.6)
    together, alone = groups(runs, "speed-up"), groups(runs, "alone")
    most = list(alone)[-1]  # without averaging a fixed node's curve hardly depends on n
    curves = [(f"PopSGD, n = {run.nodes}", "-", group) for run, group in together.items()]
    means = {}
    for (label, style, group), colour in zip(
        [*curves, ("without averaging", "--", alone[most])], COLOURS, strict=False
    ):
        means[label] = pd.concat([each.series("excess") for each in group]).groupby(level=0).mean()
        left.loglog(means[label].index, means[label], style, color=colour, lw=1, label=label)
    for role, marker, colour in (("speed-up", "s", COLOURS[0]), ("alone", "o", COLOURS[4])):
        ends = _excess(runs, role)
        nodes = [run.nodes for run in ends]
        label = "PopSGD" if role == "speed-up" else "without averaging"
        lines = right.loglog(nodes, np.array(list(ends.values())), marker, ms=4, mfc="none", color=colour, label="_")
        lines[0].set_label(label)
    right.loglog(nodes, next(iter(_excess(runs, "speed-up").values())).mean() / np.array(nodes), "k:", label="1/n")
    left.set(xlabel="SGD steps of the fixed node", title="f(x) - f*, mean of seeds")
    right.set(xlabel="n", title="mean over the second half, each seed")
    for axis in (left, right):
        axis.legend(fontsize=8)
    frame = pd.concat([mean.rename("value").reset_index().assign(label=label) for label, mean in means.items()])
    figures.save("speedup", figure, frame)
