"""Figure 3: convergence and variance against n, and against mini-batch SGD, on synthetic least squares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

from reproductions.paper import (
    COLOURS,
    Decider,
    FigureFolder,
    Label,
    Runs,
    Settings,
    all_of,
    decides,
    draw,
    increasing,
    less,
    panels,
    unfolded,
    within,
)
from reproductions.popsgd import exact, recipes
from reproductions.popsgd.convex import Array, Convex
from reproductions.popsgd.readings import Statistic, seeded, settled, slope_in

FASTER = 0.95  # of the steps of one node: less cannot be seen in a plot


def experiments(settings: Settings) -> dict[Label, list[Convex]]:
    """Return PopSGD by n, and mini-batch SGD with a batch as large as the largest n."""
    nodes, setting = recipes.FIGURE3_NODES, recipes.FIGURE3
    drafts: dict[Label, Convex] = {n: setting.run(n) for n in nodes}
    drafts["mini-batch"] = setting.run(1, batch=nodes[-1])
    return {label: seeded(draft, settings.seeds) for label, draft in drafts.items()}


@decides("popsgd-fig3a-convergence")
def test_convergence_improves_with_nodes(claim: Decider, runs: Runs[Convex]) -> None:
    start = float(recipes.SQUARES.load().excess(np.zeros((1, recipes.SQUARES.d)))[0])
    nodes = (1, recipes.FIGURE3_NODES[-1])
    steps = [np.array([run.steps_to("excess", start / 10) for run in runs[n]]) for n in nodes]
    alone, many = (some / steps[0].mean() for some in steps)
    losses = list(_measured(runs, np.mean).values())
    lower = [less(np.log(b), np.log(a), paired=False, alpha=claim.alpha) for a, b in pairwise(losses)]
    readings = {
        "level": all_of(*lower),
        "speed": less(many, FASTER * alone, paired=False, alpha=claim.alpha),
    }
    ends = ", ".join(f"{loss.mean():.2g}" for loss in losses)
    text = f"f - f* {ends} for n = {recipes.FIGURE3_NODES}; {many.mean():.3f} of the steps of n = 1 to a tenth"
    claim.decide_readings(readings, text, runs.only(*recipes.FIGURE3_NODES))


@decides("popsgd-fig3a-floor")
def test_loss_and_its_variance_fall_with_nodes(claim: Decider, runs: Runs[Convex]) -> None:
    means, variances = (list(_measured(runs, statistic).values()) for statistic in (np.mean, np.var))
    # logarithms: variances of excess losses are far from normal
    falls = [
        increasing([-np.log(sample) for sample in samples], paired=False, alpha=claim.alpha)
        for samples in (means, variances)
    ]
    (first, *_, last), (wide, *_, narrow) = means, variances
    text = f"loss {first.mean():.2g} to {last.mean():.2g}, variance {wide.mean():.2g} to {narrow.mean():.2g}"
    claim.decide(all_of(*falls), text, runs.only(*recipes.FIGURE3_NODES))


@decides("popsgd-fig3a-variance-1-over-n")
def test_variance_is_one_over_n(claim: Decider, runs: Runs[Convex], figures: FigureFolder) -> None:
    found = _measured(runs, np.mean)
    fit, values = slope_in(found), slope_in(_measured(runs, np.var))
    follows = [within(measured / _exact(runs.experiment(n)), 0.9, 1.15) for n, measured in found.items()]
    _draw_nodes(runs, found, figures)
    readings = {"model": all_of(claim.within(fit), *follows), "loss values": claim.within(values)}
    text = f"slope {fit.estimate:.3f}; of the variance of loss values {values.estimate:.2f}"
    claim.decide_readings(readings, text, runs.only(*recipes.FIGURE3_NODES))


@decides("popsgd-fig3b-vs-minibatch")
def test_more_variance_than_a_mini_batch(claim: Decider, runs: Runs[Convex], figures: FigureFolder) -> None:
    used = runs.only(recipes.FIGURE3_NODES[-1], "mini-batch")
    ours, theirs = used.values()
    popsgd = ours[0].experiment
    fixed, batch = (settled(group, recipes.FIGURE3.settled) for group in (ours, theirs))
    nodes, mean = (settled(ours, recipes.FIGURE3.settled, metric=name) for name in ("nodes_excess", "mean_excess"))
    expected = _exact(popsgd) / _exact(popsgd, exact.mean_excess)
    _draw_batch(used, figures)
    over_mean = within(nodes / mean / expected, 0.95, 1.05)
    decision = all_of(claim.within(fixed / batch), over_mean)
    text = (
        f"{(fixed / batch).mean():.2f} of mini-batch, {(nodes / mean).mean():.3f} of the mean model, "
        f"exact {expected:.3f}"
    )
    claim.decide(decision, text, used)


# ---------------------------------------------------------------------------------------------------- measurement


def _measured(runs: Runs[Convex], statistic: Statistic) -> dict[int, Array]:
    """Return a statistic of the settled excess losses of each n, one for every seed."""
    return {n: settled(runs[n], recipes.FIGURE3.settled, statistic) for n in recipes.FIGURE3_NODES}


def _exact(run: Convex, of: Callable[..., float] = exact.excess) -> float:
    return of(run.nodes, recipes.SQUARES.d, run.rate.b, recipes.SQUARES.noise**2, run.batch)


# -------------------------------------------------------------------------------------------------------- figures


def _draw_nodes(runs: Runs[Convex], found: Mapping[int, Array], figures: FigureFolder) -> None:
    """Draw panel (a): losses of one seed over steps, the end of it enlarged, and the mean excess against n."""
    figure, (left, middle, right) = panels(3, width=4.2)
    frame = runs.where(lambda n: n in (1, 8, 32, 128)).curves("train_loss").query("seed == 0")
    end = frame["step"].max()
    tail = frame[frame["step"] >= 0.9 * end]
    for axis, part in ((left, frame), (middle, tail)):
        draw(axis, part.assign(label=[f"n = {n}" for n in part["label"]]), lw=0.9)
        axis.set(xlabel="SGD steps of the fixed node", ylabel="train loss of the fixed node")
        axis.locator_params(axis="x", nbins=5)
    left.set(yscale="log", title="(a) synthetic least squares, one seed")
    middle.set(title="the end, enlarged")
    nodes, wanted = list(found), [_exact(runs.experiment(n)) for n in found]
    right.loglog(nodes, wanted, "k-", label="exact second moments")
    right.loglog(nodes, wanted[0] / np.array(nodes), "k:", label="1/n")
    for n, values in found.items():
        right.loglog([n] * len(values), values, "o", ms=4, mfc="none", color=COLOURS[0], label="_")
    right.plot([], [], "o", ms=4, mfc="none", color=COLOURS[0], label="each seed")
    right.set(xlabel="n", ylabel="mean excess loss", title=f"after step {recipes.FIGURE3.settled * end:,.0f}")
    for axis in (left, right):
        axis.legend(fontsize=8)
    means = [(n, seed, "settled_excess", v) for n, values in found.items() for seed, v in enumerate(values)]
    extra = pd.DataFrame(means, columns=["n", "seed", "metric", "value"])
    figures.save("figure3a", figure, pd.concat([frame.rename(columns={"label": "n"}), extra], ignore_index=True))


def _draw_batch(runs: Runs[Convex], figures: FigureFolder) -> None:
    """Draw panel (b): excess losses of PopSGD and of mini-batch SGD, mean and range of the seeds."""
    figure, (left, right) = panels(2, width=4.6)
    n = recipes.FIGURE3_NODES[-1]
    names = {n: f"PopSGD, n = {n}", "mini-batch": f"mini-batch SGD, batch {n}"}
    frame = runs.curves("excess")
    frame = frame[frame["step"] % (2 * frame["step"].min()) == 0]  # every second look: what is kept has to be small
    for axis in (left, right):
        draw(axis, frame.replace({"label": names}), lw=0.9)
        axis.set(xlabel="SGD steps of a model", ylabel="train loss less its minimum")
        axis.locator_params(axis="x", nbins=5)
    end = frame["step"].max()
    left.set(yscale="log", title="(b) synthetic least squares")
    settled_values = frame[frame["step"] > 0.8 * end]["value"]
    right.set(xlim=(0.8 * end, end), ylim=(0, 1.1 * settled_values.max()), title="the end; mean and range of seeds")
    left.legend(fontsize=8)
    sizes = {n: {"n": n, "batch": 1}, "mini-batch": {"n": 1, "batch": n}}
    figures.save("figure3b", figure, unfolded(frame, sizes.__getitem__))
