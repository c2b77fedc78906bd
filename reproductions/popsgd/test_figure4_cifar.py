"""Figure 4(a, b, c) of appendix A: ResNet-20 on CIFAR-10 with 4 and 8 nodes, against vanilla and local SGD."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.popsgd.population import constant, population, simulate
from algorithms.streams import stream
from reproductions.harness.verdicts.claims import Label as ClaimLabel
from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Label,
    Run,
    Runs,
    Settings,
    all_of,
    close,
    decides,
    draw,
    less,
    name_of,
    panels,
    reached,
    unfolded,
)
from reproductions.popsgd.readings import Array
from reproductions.popsgd.recipes import CIFAR, ONE_SIDED, SYMMETRIC, Recipe, data_parallel, local_sgd
from reproductions.popsgd.training import NodeTraining, PopSGD, Rounds

BY_NODES = ("vanilla SGD", "PopSGD, n = 4", "PopSGD, n = 8")
BASELINE = "vanilla SGD, standard length"
RARE = "local SGD, five times rarer, n = 4"
NEVER = "never averaging, n = 4"
SIZES = (4, 8)  # n of the comparison with data-parallel and local SGD
TAIL = 1 / 2
COMPARABLE = 1.5
LINKS = (0.0, 0.01, 0.1)  # seconds of a model on the link in units of those of a step's compute


def methods(recipe: Recipe) -> dict[str, tuple[PopSGD | Rounds, int, float]]:
    """Return rule, n and step size, in units of the recipe's, of every curve."""
    found: dict[str, tuple[PopSGD | Rounds, int, float]] = {
        name: (SYMMETRIC, n, 1.0) for name, n in zip(BY_NODES, (1, *SIZES), strict=True)
    }
    found["one-sided, n = 4, 2 η"] = (ONE_SIDED, 4, 2.0)
    for n in SIZES:
        found[f"data-parallel, n = {n}"] = (data_parallel(n), n, 1.0)
        found[f"local SGD, n = {n}"] = (local_sgd(n, recipe.period), n, 1.0)
    found[RARE] = (local_sgd(4, 5 * recipe.period), 4, 1.0)
    found[NEVER] = (local_sgd(4, 2 * recipe.steps), 4, 1.0)
    return found


def experiments(settings: Settings) -> dict[str, list[NodeTraining]]:
    """Return all curves; vanilla SGD also by its standard schedule, which is not compressed, with three seeds."""
    recipe, seeds = CIFAR[settings.scale], settings.fewer_seeds()
    grid = {name: [recipe.training(*of[:2], seed, of[2]) for seed in seeds] for name, of in methods(recipe).items()}
    return grid | {BASELINE: [recipe.baseline(seed) for seed in seeds[:3]]}


@decides("popsgd-cifar-train-acc", "popsgd-cifar-panel-b")
def test_accuracy_rises_with_n(claim: Decider, runs: Runs[NodeTraining]) -> None:
    metric = f"{claim.claim.at['part']}_accuracy"
    compared = runs.only(*BY_NODES)
    points: dict[ClaimLabel, list[float]] = {name: tail(runs[name], metric) for name in BY_NODES}
    claim.decide(claim.follows(points), _accuracies(points), compared)


@decides("popsgd-cifar-faster-with-n")
def test_converges_faster_with_n(claim: Decider, runs: Runs[NodeTraining]) -> None:
    compared = runs.only(*BY_NODES)
    times = {name: steps_to_90(runs[name]) for name in BY_NODES}
    decision = reached(times, lambda: claim.follows({name: list(values) for name, values in times.items()}), every=True)
    claim.decide(decision, _times(times), compared)


@decides("popsgd-cifar-time-to-90")
def test_time_to_90_percent(claim: Decider, runs: Runs[NodeTraining], figures: FigureFolder) -> None:
    _bars(figures, runs)
    names = [f"{rule}, n = {n}" for n in SIZES for rule in ("PopSGD", "data-parallel", "local SGD")]
    times = {name: steps_to_90(runs[name]) for name in names}

    def comparable(n: int, other: str, rho: float) -> Decision:
        both = f"PopSGD, n = {n}", f"{other}, n = {n}"
        mine, its = (times[name] * batch_seconds(runs.experiment(name), rho) for name in both)
        return less(mine, COMPARABLE * its, alpha=claim.alpha)

    grid = [(n, other, rho) for n in SIZES for other in ("data-parallel", "local SGD") for rho in LINKS]
    decision = reached(times, lambda: all_of(*(comparable(*case) for case in grid)), every=True)
    claim.decide(decision, _times(times), runs.only(*names))


@decides("popsgd-localsgd-100")
def test_local_sgd_needs_global_averages(claim: Decider, runs: Runs[NodeTraining]) -> None:
    often = "local SGD, n = 4"
    names = (NEVER, RARE, often)
    points: dict[ClaimLabel, list[float]] = {name: tail(runs[name], "train_accuracy") for name in names}
    ends = {name: np.array(runs.final("train_accuracy", name)) for name in names}
    lost = all_of(*(less(ends[name], ends[often] / 2, alpha=claim.alpha) for name in (NEVER, RARE)))
    readings = {"rarer is worse": claim.follows(points), "rarer does not converge": lost}
    text = f"{_accuracies(points)}; at the end {', '.join(f'{ends[name].mean():.3f}' for name in names)}"
    claim.decide_readings(readings, text, runs.only(*names))


def test_one_sided_averaging_halves_the_step_of_the_mean() -> None:
    """Half of a reader's step reaches nobody: E[mean] moves by eta g/(2n) a step, and by eta g/n if both average."""
    assert mean_shift(averaging="one-sided").outcome == "holds"
    assert mean_shift(averaging="symmetric").outcome == "fails"


def mean_shift(averaging: str) -> Decision:
    """Decide that the mean model moves by half of the mean step, in expectation over all ordered pairs."""
    n, x = 4, stream(0, "models").normal(size=(4, 3))
    u = stream(0, "steps").normal(size=(4, 3))
    moved, made = np.zeros(3), 0
    for i in range(n):
        for j in (j for j in range(n) if j != i):
            nodes = population(x.copy())
            simulate(nodes, [(i, j)], lambda model, node, step: u[node], constant(1.0), averaging)  # type: ignore[arg-type]
            moved, made = moved + nodes.mean - x.mean(axis=0), made + int(nodes.steps.sum())
    return close(moved, -made * u.mean(axis=0) / n / 2, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------------------------------------------- measurement


def tail(group: list[Run[NodeTraining]], metric: str) -> list[float]:
    """Return the mean of a metric over the second half of every run."""
    series = [run.series(metric).to_numpy() for run in group]
    return [float(values[-max(1, round(TAIL * len(values))) :].mean()) for values in series]


def steps_to_90(group: list[Run[NodeTraining]]) -> Array:
    """Return the SGD steps per model of every run to 90 % training accuracy; infinite if it never gets there."""
    return np.array([run.steps_to("train_error", 0.1) for run in group])


def batch_seconds(run: NodeTraining, rho: float) -> float:
    """Return the modelled time of a batch of a run, in units of its compute, if a model takes rho of it on the link.

    A node sends and receives one model a step by PopSGD, and 2 (n - 1)/n by ring all-reduce, once in as many steps as
    the run has in a period: 1 of data-parallel SGD, at a reduced scale fewer than the paper's 100 of local SGD.
    Latency is left out.
    """
    if isinstance(run.method, PopSGD):
        return 1 + rho * (run.nodes > 1)
    assert isinstance(run.method.algorithm, CooperativeSGD)
    return 1 + rho * 2 * (run.nodes - 1) / run.nodes / run.method.algorithm.tau


def _accuracies(points: Mapping[Any, list[float]]) -> str:
    return ", ".join(f"{name}: {np.mean(values):.3f}" for name, values in points.items())


def _times(times: Mapping[str, Array]) -> str:
    def one(values: Array) -> str:
        there = values[np.isfinite(values)]
        return f"{there.mean():.0f} ({len(there)} of {len(values)} get there)" if len(there) else "never"

    return "steps to 90 %: " + ", ".join(f"{name} {one(values)}" for name, values in times.items())


# ---------------------------------------------------------------------------------------------------------- figure


def test_figure4(settings: Settings, runs: Runs[NodeTraining], figures: FigureFolder) -> None:
    figure, axes = panels(2, width=4.8, height=3.8)
    frames, shown = [], runs.where(lambda name: name not in (RARE, NEVER))
    for axis, part, letter in zip(axes, ("train", "test"), "ab", strict=True):
        frame = shown.curves(f"{part}_error")
        frames.append(unfolded(frame, partial(_parameters, runs)))
        draw(axis, frame[frame["label"] != BASELINE])
        draw(axis, frame[frame["label"] == BASELINE], color="grey", ls="--")
        label = f"{part} error of node 0 (1 - accuracy)"
        axis.set(title=f"({letter})", xlabel="SGD steps per model", ylabel=label, xscale="log", yscale="log")
    axes[0].legend(fontsize=7, loc="lower left")
    figure.suptitle(name_of(settings, "ResNet20", runs.all))
    figures.save("figure4-cifar", figure, pd.concat(frames))


def _parameters(runs: Runs[NodeTraining], name: Label) -> dict[str, object]:
    """Return what a curve stands for, its step size in units of that of PopSGD."""
    run, usual = runs.experiment(name), runs.experiment(BY_NODES[0])
    size = run.schedule.lr(0) / usual.schedule.lr(0)
    return {"method": str(name).split(",", maxsplit=1)[0], "n": run.nodes, "step_size": size, "steps": run.steps}


def _bars(figures: FigureFolder, runs: Runs[NodeTraining]) -> None:
    """Draw panel (c): modelled time to 90 % by speed of the link; no bar where not all runs of a curve get there."""
    times = {name: steps_to_90(runs[name]) for name in runs if name not in (RARE, NEVER, BASELINE)}
    rows = [
        _parameters(runs, name)
        | {"reached": int(np.isfinite(steps).sum()), "of": len(steps), "rho": rho}
        | {"seconds": batch_seconds(runs.experiment(name), rho) * mean}
        for name, steps in times.items()
        for mean in [steps.mean() if np.isfinite(steps).all() else np.nan]
        for rho in LINKS
    ]
    frame = pd.DataFrame(rows)
    if frame["seconds"].isna().all():
        return
    figure, (axis,) = panels(1, width=7)
    for k, rho in enumerate(LINKS):
        part = frame[frame["rho"] == rho]
        places = np.arange(len(part)) + 0.27 * (k - 1)
        axis.bar(places, part["seconds"], 0.25, label=f"{rho:g}")
    axis.set_xticks(range(len(times)), [_tick(str(name), steps) for name, steps in times.items()], fontsize=7)
    axis.set(title="(c) time to 90 % train accuracy", ylabel="modelled time (compute of a step = 1)")
    axis.margins(y=0.3)
    axis.legend(title="model on the link / compute", fontsize=7, title_fontsize=7, ncols=3)
    figures.save("figure4-cifar-time", figure, frame)


def _tick(name: str, steps: Array) -> str:
    there = np.isfinite(steps)
    return name.replace(", ", "\n", 1) + ("" if there.all() else f"\n{there.sum()} of {there.size} get there")
