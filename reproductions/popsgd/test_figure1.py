"""Figure 1: test loss of a fixed node for n = 1 to 10,000, learning rates tuned for each n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from reproductions.harness.decisions import all_of, close
from reproductions.harness.figures import FigureFolder, curves, draw, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import increasing, within
from reproductions.harness.store import Run, select
from reproductions.harness.verdicts import Decider
from reproductions.popsgd import grids
from reproductions.popsgd.convex import Array, Convex, settled

PANELS = {"year": "Year Prediction, least squares", "gisette": "gisette, logistic regression"}
CLEAR = 0.98  # of the loss with a tenth of the nodes: what a plot can show
PRINTED = {"year": (0.05, 0.2), "gisette": (0.0005, 0.015)}


def experiments(settings: Settings) -> list[Convex]:
    """Return all runs of this module."""
    return [run for panel in PANELS for run in _grid(settings, panel)]


@decides("popsgd-fig1-left-year")
def test_least_squares_falls_with_nodes(
    claim: Decider, settings: Settings, runs: list[Run], figures: FigureFolder
) -> None:
    found = tuned(settings, runs, "year")
    _draw(found, "year", settings, figures)
    ends = [_final(group) for group in found.values()]
    claim.decide(increasing([-end for end in ends], paired=False), _text(ends), _all(found))


@decides("popsgd-fig1-right-gisette")
def test_every_power_of_ten_lowers_the_loss(
    claim: Decider, settings: Settings, runs: list[Run], figures: FigureFolder
) -> None:
    found = tuned(settings, runs, "gisette")
    _draw(found, "gisette", settings, figures)
    ends = [_final(group) for group in found.values()]
    ratios = [more / fewer.mean() for fewer, more in pairwise(ends)]
    clear = all_of(*(within(ratio, 0, CLEAR, confidence=1 - 0.05 / len(ratios)) for ratio in ratios))
    falls = increasing([-end for end in ends], paired=False)
    claim.decide(falls if settings.scale == "smoke" else clear, _text(ends), _all(found))


@decides("popsgd-lr-gisette")
def test_tuned_rates_are_in_the_printed_intervals(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    if settings.scale == "smoke":
        claim.not_run("needs YearPredictionMSD and gisette: the rates of stand-ins say nothing about theirs")
    decisions, texts = [], []
    for panel, (low, high) in PRINTED.items():
        rates = [_eta(run) for run in tuned(settings, runs, panel)]
        decisions.append(close(np.clip(rates, low / 2, 2 * high), rates, rtol=1e-9, atol=0))
        texts.append(f"{panel} {min(rates):g} to {max(rates):g}")
    claim.decide(all_of(*decisions), ", ".join(texts), runs)


@decides("popsgd-powers-of-10")
def test_all_numbers_of_nodes_converge(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    found = {panel: tuned(settings, runs, panel) for panel in PANELS}
    ran = close([[run.nodes for run in panel] for panel in found.values()], 2 * [list(grids.POWERS)], 0, 0)
    # the zero model: log 2 for labels of +-1, and half the second moment of the targets, 1/2 once standardised
    zero = {"year": 0.5, "gisette": float(np.log(2))}
    ratios = {name: [_final(group) / zero[name] for group in panel.values()] for name, panel in found.items()}
    lower = [within(ratio, 0, 1, diverged_fails=True) for panel in ratios.values() for ratio in panel]
    text = "; ".join(f"{name} {min(map(np.min, r)):.2f} to {max(map(np.max, r)):.2f}" for name, r in ratios.items())
    claim.decide(all_of(ran, *lower), f"test loss over that of the zero model: {text}", runs)


# ---------------------------------------------------------------------------------------------------- measurement


def _grid(settings: Settings, panel: str) -> list[Convex]:
    return grids.search(settings, panel).grid(len(settings.fewer_seeds()))


def tuned(settings: Settings, runs: Sequence[Run], panel: str) -> dict[Convex, list[Run]]:
    """Return the runs of each n at the learning rate with the lowest mean test loss at the end."""
    seeds, search = len(settings.fewer_seeds()), grids.search(settings, panel)
    found = {}
    for n in grids.POWERS:
        tried = [select(runs, search.tried(n, eta, seeds)) for eta in search.rates]
        means = [np.nan_to_num(_final(group).mean(), nan=np.inf) for group in tried]
        best = int(np.argmin(means))
        found[search.run(n, search.rates[best])] = tried[best]
    return found


def _final(group: Sequence[Run]) -> Array:
    return settled(group, 0.75, metric="test_loss")


def _eta(run: Convex) -> float:
    return run.rate(0)


def _all(found: Mapping[Convex, list[Run]]) -> list[Run]:
    return [run for group in found.values() for run in group]


def _text(ends: Sequence[Array]) -> str:
    return "test loss " + ", ".join(f"{end.mean():.4f}" for end in ends)


def _draw(found: Mapping[Convex, list[Run]], panel: str, settings: Settings, figures: FigureFolder) -> None:
    """Draw test loss against SGD steps of the fixed node for every n, mean and range of seeds, and its end."""
    figure, (left, right) = panels(2, width=4.6)
    labels = [f"n = {run.nodes:,}, eta_0 = {_eta(run):g}" for run, group in found.items() for _ in group]
    frame = curves(_all(found), labels, "test_loss")
    workload = next(iter(found)).workload.name
    name = PANELS[panel] if settings.scale != "smoke" else f"{workload}, stand-in for {PANELS[panel]}"
    draw(left, frame)
    medians = frame.groupby(["label", "step"], as_index=False, sort=False).agg({"value": "median"})
    draw(right, medians)  # without bands, which would hide it
    for axis in (left, right):
        axis.set(xlabel="SGD steps of the fixed node (2 x parallel time)")
    left.set(yscale="log", ylabel="test loss of the fixed node")
    end = frame["step"].max()
    tail = frame[frame["step"] > 0.7 * end].groupby(["label", "step"])["value"].median()
    margin = 0.2 * (tail.max() - tail.min())
    right.set(
        xlim=(0.7 * end, end), ylim=(tail.min() - margin, tail.max() + margin), title="the end, medians of the seeds"
    )
    left.set_title(name, fontsize=9)
    left.legend(fontsize=7)
    figures.save(f"figure1-{panel}", figure, frame)
