"""Figures of the theory's claims: clocks, potentials, and bounds beside exact expectations and runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reproductions.paper import COLOURS, FigureFolder, Runs, panels
from reproductions.popsgd import bounds, exact
from reproductions.popsgd.bounds import CLOCK
from reproductions.popsgd.descent import Clocks, PopulationDescent
from reproductions.popsgd.problems import Bowl, Problem
from reproductions.popsgd.readings import over_time
from reproductions.popsgd.strongly_convex import conditions, expected

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = list[tuple[Any, ...]]


def clocks(runs: Runs[Clocks], complete: Mapping[int, int], cycle: Mapping[int, int], figures: FigureFolder) -> None:
    """Draw how far clocks are off, against n and as it grows with time; T by n on the complete graph and the cycle."""
    figure, (left, right) = panels(2, width=4.4)
    rows: Rows = []
    for (graph, sizes), colour in zip((("complete", complete), ("cycle", cycle)), COLOURS, strict=False):
        found = {n: runs.final("deviation", (graph, n)) for n in sizes if (graph, n) in runs}
        for n, values in found.items():
            rows += [(graph, n, sizes[n], value) for value in values]
            left.loglog([n] * len(values), values, "o", ms=4, mfc="none", color=colour)
        left.plot([], [], "o", ms=4, mfc="none", color=colour, label=f"{graph} graph, each seed")
        limits = [CLOCK * log(sizes[n]) for n in found]
        left.plot(list(found), limits, "--", color=colour, label=f"c log T, c = {CLOCK:g}, {graph}")
        rows += _clocks_over_time(right, runs, graph, list(found))
    left.set(xlabel="nodes n", ylabel="largest |V - t/n|, all nodes and times")
    right.set(xlabel="parallel time t/n", ylabel="mean over seeds", ylim=(0, None))
    right.set_title("largest deviation until t; complete graph: solid")
    for axis in (left, right):
        axis.legend(fontsize=7)
    figures.save("clock", figure, pd.DataFrame(rows, columns=["graph", "n", "t", "deviation"]))


def _clocks_over_time(axis: Axes, runs: Runs[Clocks], graph: str, nodes: Sequence[int]) -> Rows:
    rows: Rows = []
    for n, colour in zip(nodes, COLOURS, strict=False):
        found = over_time(runs[graph, n], "deviation")
        means = [float(np.mean(values)) for values in found.values()]
        style = "-" if graph == "complete" else ":"
        axis.semilogx(np.divide(list(found), n), means, style, color=colour, label=f"{graph}, n = {n}")
        rows += [(graph, n, t, mean) for t, mean in zip(found, means, strict=True)]
    return rows


def theorem41(
    runs: Runs[PopulationDescent], nodes: Sequence[int], rounds: Sequence[int], problem: Bowl, figures: FigureFolder
) -> None:
    """Draw Theorem 4.1 beside exact expectations, models that never move, and runs, against n."""
    figure, axes = panels(len(rounds), width=4.2)
    rows: Rows = []
    for axis, count in zip(axes, rounds, strict=True):
        settings = [conditions(n, count * n, problem) for n in nodes]
        terms = np.array([s.terms() for s in settings]).T
        curves = dict(zip(("first term", "second term", "third term"), terms, strict=True))
        for name, values in curves.items():
            axis.loglog(nodes, values, "--", label=f"bound, {name}")
        curves["exact"] = np.array([expected(s, problem, exact.complete) for s in settings])
        axis.loglog(nodes, curves["exact"], "k-", label="exact weighted mean of f(mu_t) - f*")
        axis.axhline(problem.excess(np.zeros(problem.d)), color="grey", ls=":", label="models that never move")
        rows += [(count, n, name, value) for name, line in curves.items() for n, value in zip(nodes, line, strict=True)]
        rows += _runs_at(axis, runs, count)
        axis.set(xlabel="nodes n", xticks=nodes, xticklabels=nodes)
        axis.minorticks_off()
        axis.set_title(f"Theorem 4.1 at T = {count} n")
        axis.set_ylabel(f"f - f*, {problem.d} coordinates")
    axes[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    figures.save("theorem41", figure, pd.DataFrame(rows, columns=["rounds", "n", "source", "value"]))


def _runs_at(axis: Axes, runs: Runs[PopulationDescent], rounds: int) -> Rows:
    """Draw every run of T = rounds n."""
    found = [
        (rounds, run.graph.nodes, "run", value)
        for label in runs
        for run in [runs.experiment(label)]
        if run.steps == rounds * run.graph.nodes
        for value in runs.final("mean_excess", label)
    ]
    axis.plot([row[1] for row in found], [row[3] for row in found], "ko", ms=4, mfc="none", label="runs, each seed")
    return list(found)


def speedup_in_theory(
    runs: Runs[PopulationDescent],
    nodes: Sequence[int],
    value: Callable[[int, int], float],
    d: int,
    figures: FigureFolder,
) -> None:
    """Draw the speed-up in n at equal parallel time; `value` is the exact expectation for n and T, per coordinate."""
    figure, (axis,) = panels(1, width=5)
    rounds, rows = [2**k for k in range(4, 9)], []
    for n, colour in zip(nodes, COLOURS, strict=False):
        values = [value(n, n * count) for count in rounds]
        axis.loglog(rounds, values, color=colour, label=f"n = {n}, exact expectation")
        rows += [("exact", n, count, v) for count, v in zip(rounds, values, strict=True)]
        for label in [label for label in runs if runs.experiment(label).graph.nodes == n]:
            count, found = runs.experiment(label).steps // n, np.divide(runs.final("mean_excess", label), d)
            axis.plot([count] * len(found), found, "o", ms=4, mfc="none", color=colour)
            rows += [("run", n, count, float(v)) for v in found]
    axis.plot([], [], "ko", ms=4, mfc="none", label="each seed")
    axis.set(xlabel="parallel time T/n", xticks=rounds, xticklabels=rounds)
    axis.set_ylabel("mean of f(mu_t) - f*, per coordinate")
    axis.minorticks_off()
    axis.legend(fontsize=7)
    figures.save("equation12", figure, pd.DataFrame(rows, columns=["source", "n", "rounds", "value"]))


def potential(
    runs: Runs[PopulationDescent],
    graph: str,
    n: int,
    problems: Mapping[str, tuple[Problem, float]],
    figures: FigureFolder,
) -> None:
    """Draw Gamma_t and its bound against t, for each kind of gradients; labels are graph, kind and n."""
    figure, (axis,) = panels(1, width=5.2)
    rows: Rows = []
    bound = bounds.lemma44 if graph == "complete" else bounds.cycle_potential
    for (kind, (problem, _)), colour in zip(problems.items(), COLOURS, strict=False):
        run, found = runs.experiment((graph, kind, n)), over_time(runs[graph, kind, n], "potential")
        means = [float(np.mean(values)) / problem.d for values in found.values()]
        axis.loglog(list(found), means, ".-", color=colour, label=f"gradients: {kind}")
        rows += [(graph, n, kind, t, mean) for t, mean in zip(found, means, strict=True)]
    limits = [bound(n, run.eta(t), 1.0) for t in found]
    axis.loglog(list(found), limits, "k--", label=f"bound, {'36 n' if graph == 'complete' else '100 n^5'} eta^2 M^2")
    rows += [(graph, n, "bound", t, limit) for t, limit in zip(found, limits, strict=True)]
    axis.set(xlabel="interactions t", ylabel="Gamma per coordinate")
    axis.set_title(f"{graph} graph, n = {n}, a = 18 n")
    axis.legend(fontsize=7)
    figures.save(f"potential-{graph}", figure, pd.DataFrame(rows, columns=["graph", "n", "gradients", "t", "gamma"]))
