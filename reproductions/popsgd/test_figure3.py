"""Figure 3: convergence and variance against n, and against mini-batch SGD, on synthetic least squares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from reproductions.harness.decisions import all_of
from reproductions.harness.figures import COLOURS, FigureFolder, curves, draw, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import increasing, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.popsgd import grids, stationary
from reproductions.popsgd.convex import Array, Convex, Statistic, groups, over_seeds, settled, slope_in


def experiments(settings: Settings) -> list[Convex]:
    """Return all runs of this module."""
    nodes, setting = grids.FIGURE3_NODES, grids.FIGURE3
    drafts = [setting.run("nodes", n) for n in nodes]
    return over_seeds([*drafts, setting.run("mini-batch", 1, batch=nodes[-1])], settings.seeds)


@decides("popsgd-fig3a-convergence")
def test_loss_and_its_variance_fall_with_nodes(claim: Decider, runs: list[Run]) -> None:
    means, variances = (list(_measured(runs, "nodes", statistic).values()) for statistic in (np.mean, np.var))
    # logarithms: variances of excess losses are far from normal
    falls = [increasing([-np.log(sample) for sample in samples], paired=False) for samples in (means, variances)]
    (first, *_, last), (wide, *_, narrow) = means, variances
    text = f"loss {first.mean():.2g} to {last.mean():.2g}, variance {wide.mean():.2g} to {narrow.mean():.2g}"
    claim.decide(all_of(*falls), text, runs)


@decides("popsgd-fig3a-variance-1-over-n")
def test_variance_is_one_over_n(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    found = _measured(runs, "nodes", np.mean)
    fit, values = slope_in("nodes", found), slope_in("nodes", _measured(runs, "nodes", np.var))
    follows = [within(measured / _exact(run), 0.9, 1.15) for run, measured in found.items()]
    _draw_nodes(runs, found, figures)
    text = f"slope {fit.estimate:.3f}; of the variance of loss values {values.estimate:.2f}"
    claim.decide(all_of(within(fit, -1.1, -0.9), *follows), text, runs)


@decides("popsgd-fig3b-vs-minibatch")
def test_more_variance_than_a_mini_batch(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    *_, (popsgd, ours) = groups(runs, "nodes").items()
    (theirs,) = groups(runs, "mini-batch").values()
    fixed, batch = (settled(group, grids.FIGURE3.settled) for group in (ours, theirs))
    nodes, mean = (settled(ours, grids.FIGURE3.settled, metric=name) for name in ("nodes_excess", "mean_excess"))
    exact = _exact(popsgd) / _exact(popsgd, stationary.mean_excess)
    _draw_batch([run for role in ("nodes", "mini-batch") for run in list(groups(runs, role).values())[-1]], figures)
    over_mean = within(nodes / mean / exact, 0.95, 1.05)
    decision = all_of(within(fixed / batch, 1.1, 2.0), over_mean)
    text = (
        f"{(fixed / batch).mean():.2f} of mini-batch, {(nodes / mean).mean():.3f} of the mean model, exact {exact:.3f}"
    )
    claim.decide(decision, text, runs)


# ---------------------------------------------------------------------------------------------------- measurement


def _measured(runs: Sequence[Run], role: str, statistic: Statistic) -> dict[Convex, Array]:
    """Return a statistic of the settled excess losses of each n, one for every seed."""
    return {run: settled(group, grids.FIGURE3.settled, statistic) for run, group in groups(runs, role).items()}


def _exact(run: Convex, of: Callable[..., float] = stationary.excess) -> float:
    return of(run.nodes, grids.SQUARES.d, run.rate.b, grids.SQUARES.noise**2, run.batch)


# -------------------------------------------------------------------------------------------------------- figures


def _draw_nodes(runs: Sequence[Run], found: Mapping[Convex, Array], figures: FigureFolder) -> None:
    """Draw panel (a): losses of one seed over steps, the end of it enlarged, and the mean excess against n."""
    figure, (left, middle, right) = panels(3, width=4.2)
    shown = [group[0] for run, group in groups(runs, "nodes").items() if run.nodes in (1, 8, 32, 128)]
    frame = curves(shown, [f"n = {_nodes(run)}" for run in shown], "train_loss")
    for axis in (left, middle):
        draw(axis, frame, lw=0.9)
        axis.set(xlabel="SGD steps of the fixed node")
        axis.locator_params(axis="x", nbins=5)
    end = frame["step"].max()
    tail = frame[frame["step"] > 0.9 * end]["value"]
    left.set(yscale="log", title="(a) train loss of the fixed node, one seed")
    middle.set(xlim=(0.9 * end, end), ylim=(tail.min() - 5e-4, tail.max() + 5e-4), title="the end, enlarged")
    nodes = [run.nodes for run in found]
    right.loglog(nodes, [_exact(run) for run in found], "k-", label="exact second moments")
    right.loglog(nodes, _exact(next(iter(found))) / np.array(nodes), "k:", label="1/n")
    for values in zip(*found.values(), strict=True):
        right.loglog(nodes, values, "o", ms=4, mfc="none", color=COLOURS[0], label="_")
    right.plot([], [], "o", ms=4, mfc="none", color=COLOURS[0], label="each seed")
    right.set(xlabel="n", title=f"mean excess loss after step {grids.FIGURE3.settled * end:,.0f}")
    for axis in (left, right):
        axis.legend(fontsize=8)
    means = [("excess", run.nodes, seed, v) for run, values in found.items() for seed, v in enumerate(values)]
    extra = pd.DataFrame(means, columns=["metric", "step", "seed", "value"]).assign(label="mean excess against n")
    figures.save("figure3a", figure, pd.concat([frame, extra], ignore_index=True))


def _draw_batch(runs: Sequence[Run], figures: FigureFolder) -> None:
    """Draw panel (b): excess losses of PopSGD and of mini-batch SGD, mean and range of the seeds."""
    figure, (left, right) = panels(2, width=4.6)
    n = grids.FIGURE3_NODES[-1]
    labels = [f"PopSGD, n = {n}" if _nodes(run) == n else f"mini-batch SGD, batch {n}" for run in runs]
    frame = curves(runs, labels, "excess")
    for axis in (left, right):
        draw(axis, frame, lw=0.9)
        axis.set(xlabel="SGD steps of a model")
        axis.locator_params(axis="x", nbins=5)
    end = frame["step"].max()
    left.set(yscale="log", title="(b) train loss less its minimum")
    settled_values = frame[frame["step"] > 0.8 * end]["value"]
    right.set(xlim=(0.8 * end, end), ylim=(0, 1.1 * settled_values.max()), title="the end; mean and range of seeds")
    left.legend(fontsize=8)
    figures.save("figure3b", figure, frame)


def _nodes(run: Run) -> int:
    assert isinstance(run.experiment, Convex)
    return run.experiment.nodes
