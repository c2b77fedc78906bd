"""Figure 1: test loss of a fixed node for n = 1 to 10,000, learning rates tuned for each n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from reproductions.paper import (
    Decider,
    FigureFolder,
    Label,
    Run,
    Runs,
    Settings,
    all_of,
    close,
    decides,
    draw,
    increasing,
    less,
    panels,
    unfolded,
    within,
)
from reproductions.popsgd import recipes
from reproductions.popsgd.convex import Array, Convex
from reproductions.popsgd.readings import settled

Group = list[Run[Convex]]  # one run a seed

PANELS = {"year": "least squares", "gisette": "logistic regression"}
NAMES = {"year": "Year Prediction", "gisette": "gisette"}
TAIL = 0.75  # of the steps: an end is what comes after
CLEAR = 0.98  # of the loss with a tenth of the nodes: what a plot can show
PRINTED = {"year": (0.05, 0.2), "gisette": (0.0005, 0.015)}


def experiments(settings: Settings) -> dict[tuple[str, str, int, float], list[Convex]]:
    """Return all runs of the line searches by panel, what they are for, n and eta_0."""
    seeds = len(settings.fewer_seeds())
    grids = {panel: recipes.search(settings, panel).grid(seeds) for panel in PANELS}
    return {(panel, *tried): group for panel, grid in grids.items() for tried, group in grid.items()}


@decides("popsgd-fig1-left-year")
def test_least_squares_falls_with_nodes(
    claim: Decider, settings: Settings, runs: Runs[Convex], figures: FigureFolder
) -> None:
    found = tuned(runs, "year")
    _draw(found, "year", settings, figures)
    ends = [_final(group) for group in found.values()]
    falls = increasing([-end for end in ends], paired=False, alpha=claim.alpha)
    claim.decide(falls, _text(ends), _all(found))


@decides("popsgd-fig1-right-gisette")
def test_every_power_of_ten_lowers_the_loss(
    claim: Decider, settings: Settings, runs: Runs[Convex], figures: FigureFolder
) -> None:
    found = tuned(runs, "gisette")
    _draw(found, "gisette", settings, figures)
    ends = [_final(group) for group in found.values()]
    steps = list(pairwise(ends))
    clear = [less(more, CLEAR * fewer, paired=False, alpha=claim.alpha / len(steps)) for fewer, more in steps]
    claim.decide(all_of(*clear), _text(ends), _all(found))


@decides("popsgd-lr-gisette")
def test_tuned_rates_are_in_the_printed_intervals(claim: Decider, settings: Settings, runs: Runs[Convex]) -> None:
    if settings.scale == "smoke":
        claim.not_run("needs YearPredictionMSD and gisette: the rates of stand-ins say nothing about theirs")
    decisions, texts = [], []
    for panel, (low, high) in PRINTED.items():
        rates = [group[0].experiment.rate(0) for group in tuned(runs, panel).values()]
        decisions.append(close(np.clip(rates, low / 2, 2 * high), rates, rtol=1e-9, atol=0))
        texts.append(f"{panel} {min(rates):g} to {max(rates):g}")
    claim.decide(all_of(*decisions), ", ".join(texts), runs)


@decides("popsgd-powers-of-10")
def test_all_numbers_of_nodes_converge(claim: Decider, settings: Settings, runs: Runs[Convex]) -> None:
    found = {panel: tuned(runs, panel) for panel in PANELS}
    ran = close([list(panel) for panel in found.values()], 2 * [list(recipes.POWERS)], 0, 0)
    # the zero model: log 2 for labels of +-1, and half the second moment of the targets, 1/2 once standardised
    zero = {"year": 0.5, "gisette": float(np.log(2))}
    ratios = {name: [_final(group) / zero[name] for group in panel.values()] for name, panel in found.items()}
    lower = [within(ratio, -np.inf, 1, diverged_fails=True) for panel in ratios.values() for ratio in panel]
    text = "; ".join(f"{name} {min(map(np.min, r)):.2f} to {max(map(np.max, r)):.2f}" for name, r in ratios.items())
    claim.decide(all_of(ran, *lower), f"test loss over that of the zero model: {text}", runs)


# ---------------------------------------------------------------------------------------------------- measurement


def tuned(runs: Runs[Convex], panel: str) -> dict[int, Group]:
    """Return the runs of each n at the learning rate with which others, of other seeds, end at the lowest test loss.

    That of a run is the median over its last quarter: now and then a node averages with one of few steps.
    """
    losses: dict[int, dict[Label, float]] = {n: {} for n in recipes.POWERS}
    for label, group in runs.items():
        if isinstance(label, tuple) and label[:2] == (panel, "tuning"):
            ends = settled(group, TAIL, np.median, metric="test_loss")
            loss = float(np.nan_to_num(ends.mean(), nan=np.inf))
            losses[group[0].experiment.nodes][panel, "test", *label[2:]] = loss
    return {n: runs[min(found, key=found.__getitem__)] for n, found in losses.items()}


def _final(group: Group) -> Array:
    return settled(group, TAIL, metric="test_loss")


def _all(found: Mapping[int, Group]) -> Group:
    return [run for group in found.values() for run in group]


def _text(ends: Sequence[Array]) -> str:
    return "test loss " + ", ".join(f"{end.mean():.4f}" for end in ends)


def _draw(found: Mapping[int, Group], panel: str, settings: Settings, figures: FigureFolder) -> None:
    """Draw test loss against SGD steps of the fixed node for every n, mean and range of seeds, and its end."""
    figure, (left, right) = panels(2, width=4.6, epochs=True)
    rates = {n: group[0].experiment.rate(0) for n, group in found.items()}
    named: dict[Label, Group] = {n: found[n] for n in found}
    frame = Runs(named).curves("test_loss")
    workload = found[1][0].experiment.workload.name
    name = workload if settings.scale != "smoke" else f"{workload}, stand-in for {NAMES[panel]}"
    shown = frame.assign(label=[f"n = {n:,}, eta_0 = {rates[n]:g}" for n in frame["label"]])
    draw(left, shown)
    medians = shown.groupby(["label", "step"], as_index=False, sort=False).agg({"value": "median"})
    draw(right, medians)  # without bands, which would hide it
    for axis in (left, right):
        axis.set(xlabel="SGD steps of the fixed node (2 x parallel time)", ylabel="test loss of the fixed node")
    left.set(yscale="log")
    end = frame["step"].max()
    tail = frame[frame["step"] > 0.7 * end].groupby(["label", "step"])["value"].median()
    margin = 0.2 * (tail.max() - tail.min())
    right.set(
        xlim=(0.7 * end, end), ylim=(tail.min() - margin, tail.max() + margin), title="the end, medians of the seeds"
    )
    figure.suptitle(f"{PANELS[panel]}: {name} ({settings.scale})")
    left.legend(fontsize=7)
    figures.save(f"figure1-{panel}", figure, unfolded(frame, lambda n: {"n": n, "eta_0": rates[n]}))
