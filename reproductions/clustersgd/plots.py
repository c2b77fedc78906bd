"""Figures: contraction factors against the printed ones, diameters against rounds, and the rates of Theorem 1."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reproductions.clustersgd import agreements, midpoints, moments
from reproductions.clustersgd.agreements import RULES, Agreement, of_rule
from reproductions.clustersgd.descents import Descents
from reproductions.paper import COLOURS, FigureFolder, Label, Runs, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = tuple[int, str, str, str, float]


def draw_factors(runs: Runs[Agreement], figures: FigureFolder) -> None:
    """Draw the contraction of one round: printed, worst possible, and what adversaries reached."""
    figure, (axis,) = panels(1, width=6.4, height=3.6)
    rows: list[Row] = []
    for x, (shared, name) in enumerate((s, n) for s in (True, False) for n in RULES):
        rule = RULES[name]
        printed = rule.shared if shared else rule.clustered
        algorithm = 4 if shared else 3
        worst = (agreements.worst_shared if shared else agreements.worst_clustered)(rule)
        most = worst if shared else (midpoints.midext_bound(1 / 6), midpoints.approach_bound(1 / 10))[name[0] == "A"]
        reached = [
            (str(label[-1]), float(run.series("contraction").max()))
            for label, group in of_rule(runs, 4 if shared else 3, name).items()
            for run in group
            if isinstance(label, tuple)
        ]
        axis.hlines(printed, x - 0.35, x + 0.35, color=COLOURS[0], lw=2)
        axis.fill_between([x - 0.35, x + 0.35], worst, most, color=COLOURS[1], alpha=0.25, lw=0)
        axis.plot(x, worst, "D", ms=6, color=COLOURS[1])
        spots = x + np.linspace(-0.25, 0.25, len(reached))
        axis.plot(spots, [value for _, value in reached], "o", ms=4, mfc="none", color=COLOURS[2])
        axis.annotate(f"{printed:.4f}", (x + 0.37, printed), fontsize=7, va="center")
        axis.annotate(f"{worst:.4f}", (x + 0.06, worst - 0.035), fontsize=7, va="center")
        limits = {"printed": printed, "worst execution": worst, "geometry": most}
        rows += [(algorithm, name, kind, "", value) for kind, value in limits.items()]
        rows += [(algorithm, name, "adversary", adversary, value) for adversary, value in reached]
    axis.set_xticks(range(4), [f"algorithm {a}\n{n}" for a in (4, 3) for n in RULES])
    axis.set(ylim=(0, 1.05), xlim=(-0.5, 3.75), ylabel="diam(x_{r+1}) / diam(x_r)")
    _legend(axis)
    columns = ["algorithm", "rule", "kind", "adversary", "contraction"]
    figures.save("contraction", figure, pd.DataFrame(rows, columns=columns))


def _legend(axis: Axes) -> None:
    axis.plot([], [], color=COLOURS[0], lw=2, label="printed")
    axis.plot([], [], "D", ms=6, color=COLOURS[1], label="worst execution found, shaded: up to what geometry allows")
    axis.plot([], [], "o", ms=4, mfc="none", color=COLOURS[2], label="adversaries of the scheduler, worst of all runs")
    axis.legend(fontsize=7, loc="lower left")


def draw_rounds(runs: Runs[Agreement], figures: FigureFolder) -> None:
    """Draw the diameter after every round of algorithm 3, relative to that of the inputs, under its bound."""
    figure, axes = panels(2, width=4.8, epochs=True)
    rows: list[tuple[str, str, int, float]] = []
    for axis, (name, rule) in zip(axes, RULES.items(), strict=True):
        most, against_all = 1, of_rule(runs, 3, name)
        # some lie on each other: thinner and thinner, so that all can be seen
        for adversary, colour, marker, width in zip(
            agreements.STRATEGIES, COLOURS[1:], "osvx^", (6, 5, 3.5, 2, 1), strict=False
        ):
            against = against_all.where(partial(_ends_with, adversary))
            sizes = np.array([[1.0, *run.series("diameter")] for run in against.all]).max(axis=0)
            most = len(sizes) - 1
            shown = np.where(sizes > 1e-12, sizes, np.nan)
            axis.semilogy(shown, marker=marker, ms=3 + width, lw=width, color=colour, label=adversary)
            rows += [(name, adversary, r, float(size)) for r, size in enumerate(sizes)]
        attained = agreements.worst_clustered(rule)
        axis.semilogy([0, 1], [1.0, attained], "k:D", ms=4, label="worst execution of one round")
        axis.semilogy(
            rule.clustered ** np.arange(most + 1), "--", color=COLOURS[0], label=f"bound {rule.clustered:.4f}^r"
        )
        axis.set(xlabel="round r", ylabel="largest diam(x_{r+1}) / diam(x_1)", title=f"algorithm 3, {name}")
        axis.legend(fontsize=7)
    figures.save("diameter", figure, pd.DataFrame(rows, columns=["rule", "adversary", "round", "diameter"]))


def draw_theorem1(runs: Runs[Descents], s: moments.Theorem1Constants, figures: FigureFolder) -> None:
    """Draw the error against T and against N: groups that hear each other only, runs, and the bound."""
    figure, (left, right) = panels(2, width=4.6)
    rows: list[tuple[str, int, int, float]] = []
    steps, sizes = [2**k for k in range(15)], (1, 2, 4, 8)
    for N, colour in zip(sizes, COLOURS, strict=False):
        errors = moments.group_errors(s, N, steps[-1])[steps]
        left.loglog(steps, errors, color=colour, label=f"N = {N}")
        left.loglog(steps, [s.theorem1(T, N) for T in steps], "--", lw=1, color=colour)
        rows += [("groups of N", N, T, e) for T, e in zip(steps, errors, strict=True)]
    for kind, marker, label in (("rate", "o", "uniform schedule"), ("dying", "x", "8 - N processes die")):
        chosen = runs.where(partial(_begins_with, kind)).all
        found = [
            (r.experiment.algorithm.messages, r.experiment.algorithm.iterations, r.final("mean_error")) for r in chosen
        ]
        for N, T, error in found:
            for axis, x in ((left, T), (right, N)):
                axis.plot(x, error, marker, ms=5, mfc="none", color=COLOURS[sizes.index(N)], alpha=0.5)
        left.plot([], [], marker, color="k", mfc="none", ms=5, label=f"{label}, each seed")
        rows += [(label, N, T, error) for N, T, error in found]
        T = found[0][1]
    left.plot([], [], "k--", lw=1, label="bound of Theorem 1")
    right.loglog(sizes, [moments.group_errors(s, N, T)[-1] for N in sizes], "k-", label="groups of N, exact")
    right.loglog(sizes, [s.theorem1(T, N) for N in sizes], "k--", lw=1, label="bound of Theorem 1")
    right.loglog(sizes, [0.05 / N for N in sizes], "k:", label="slope -1")
    left.set(xlabel="T", title="algorithm 1, n = 8")
    right.set(xlabel="N", title=f"T = {T}, by what a process hears", xticks=sizes, xticklabels=sizes)
    right.minorticks_off()
    for axis in (left, right):
        axis.set_ylabel("E |x - x*|^2")
        axis.legend(fontsize=7)
    figures.save("theorem1", figure, pd.DataFrame(rows, columns=["schedule", "N", "T", "error"]))


def _begins_with(word: str, label: Label) -> bool:
    return isinstance(label, tuple) and label[0] == word


def _ends_with(word: str, label: Label) -> bool:
    return isinstance(label, tuple) and label[-1] == word
