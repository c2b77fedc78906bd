"""Section 4, discussion: linear speed-up in n thanks to averaging, none without, and the effect of the local batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reproductions.paper import (
    COLOURS,
    Decider,
    FigureFolder,
    Label,
    Run,
    Runs,
    Settings,
    all_of,
    decides,
    panels,
    slope_interval,
    unfolded,
    within,
)
from reproductions.popsgd import recipes
from reproductions.popsgd.convex import Array, Convex
from reproductions.popsgd.readings import seeded, settled, slope_in

BATCHES = (1, 4, 16, 64)
ALONE = "without averaging"


def experiments(settings: Settings) -> dict[Label, list[Convex]]:
    """Return all runs of this module: with and without averaging by n, and by batch."""
    together = {n: recipes.SPEEDUP.run(n) for n in recipes.SPEEDUP_NODES}
    drafts: dict[Label, Convex] = {
        **{("together", n): run for n, run in together.items()},
        **{("alone", n): replace(run, averaging="none") for n, run in together.items()},
        **{("batch", batch): recipes.FIGURE3.run(4, batch) for batch in BATCHES},
    }
    return {label: seeded(draft, len(settings.fewer_seeds())) for label, draft in drafts.items()}


@decides("popsgd-linear-speedup")
def test_linear_speedup(claim: Decider, runs: Runs[Convex], figures: FigureFolder) -> None:
    fit = slope_in(_excess(runs, "together"))
    _draw(runs, figures)
    claim.decide(claim.within(fit), f"slope {fit.estimate:.3f} in n", part(runs, "together"))


@decides("popsgd-no-averaging-rate")
def test_no_speedup_without_averaging(claim: Decider, runs: Runs[Convex]) -> None:
    in_n = slope_in(_excess(runs, "alone"))
    in_time = [_slope_in_time(run) for run in runs["alone", recipes.SPEEDUP_NODES[-1]]]
    decision = all_of(within(in_n, -0.1, 0.1), within(in_time, -1.15, -0.85))
    claim.decide(decision, f"slope {in_n.estimate:.3f} in n, {np.mean(in_time):.3f} in T_p", part(runs, "alone"))


@decides("popsgd-batch-generalisation")
def test_local_batch_divides_the_variance(claim: Decider, runs: Runs[Convex]) -> None:
    fit = slope_in({batch: settled(runs["batch", batch], recipes.FIGURE3.settled) for batch in BATCHES})
    claim.decide(claim.within(fit), f"slope {fit.estimate:.3f} in b", part(runs, "batch"))


# ---------------------------------------------------------------------------------------------------- measurement


def part(runs: Runs[Convex], kind: str) -> Runs[Convex]:
    """Return the runs that are for one of the claims."""
    return runs.where(lambda label: isinstance(label, tuple) and label[0] == kind)


def _excess(runs: Runs[Convex], kind: str) -> dict[int, Array]:
    """Return the mean excess loss over the second half of every run, by n."""
    metric = "excess" if kind == "together" else "nodes_excess"  # nodes on their own are as good as seeds
    return {n: settled(runs[kind, n], 0.5, metric=metric) for n in recipes.SPEEDUP_NODES}


def _slope_in_time(run: Run[Convex]) -> float:
    """Return the slope of the mean excess of all nodes in the steps of one of them, from a quarter of them on."""
    series = run.series("nodes_excess")
    late = series[series.index >= series.index.max() / 4]
    return slope_interval(np.log(late.index.to_numpy()), np.log(late.to_numpy())).interval.estimate


# --------------------------------------------------------------------------------------------------------- figure


def _draw(runs: Runs[Convex], figures: FigureFolder) -> None:
    """Draw the excess of a fixed node against its SGD steps, and at the end against n, with and without averaging."""
    figure, (left, right) = panels(2, width=4.6)
    nodes = recipes.SPEEDUP_NODES
    # without averaging a fixed node's curve hardly depends on n
    labels: dict[Label, str] = {**{("together", n): f"PopSGD, n = {n}" for n in nodes}, ("alone", nodes[-1]): ALONE}
    frame = runs.only(*labels).curves("excess")
    for (label, name), colour in zip(labels.items(), COLOURS, strict=False):
        mean = frame[frame["label"] == label].groupby("step")["value"].mean()
        width = 6 if label == ("together", 1) else 1.5  # a node by itself lies under the one that never averages
        left.loglog(mean.index, mean, "--" if name == ALONE else "-", color=colour, lw=width, label=name)
    for kind, marker, colour in (("together", "s", COLOURS[0]), ("alone", "o", COLOURS[4])):
        label = "PopSGD" if kind == "together" else ALONE
        lines = right.loglog(
            nodes, np.array(list(_excess(runs, kind).values())), marker, ms=4, mfc="none", color=colour, label="_"
        )
        lines[0].set_label(label)
    right.loglog(nodes, _excess(runs, "together")[nodes[0]].mean() / np.array(nodes), "k:", label="1/n")
    left.set(xlabel="SGD steps of the fixed node", ylabel="f(x) - f*", title="mean of seeds")
    right.set(xlabel="n", ylabel="f(x) - f*", title="mean over the second half, each seed")
    for axis in (left, right):
        axis.legend(fontsize=8)
    figures.save("speedup", figure, unfolded(frame, lambda label: {"averaging": label[0] == "together", "n": label[1]}))
