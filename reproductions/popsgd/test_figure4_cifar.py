"""Figure 4(a, b, c) of appendix A: ResNet-20 on CIFAR-10 with 4 and 8 nodes, against vanilla and local SGD."""

from __future__ import annotations

import numpy as np
import pandas as pd

from algorithms.popsgd import constant, population, simulate
from algorithms.streams import stream
from reproductions.harness.decisions import Decision, all_of, close
from reproductions.harness.figures import FigureFolder, curves, draw, name_of, panels
from reproductions.harness.milestones import steps_to
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import Array, increasing, less
from reproductions.harness.store import Run, select
from reproductions.harness.verdicts import Decider
from reproductions.popsgd.networks import ONE_SIDED, PERIOD, SYMMETRIC, curve, data_parallel, local_sgd
from reproductions.popsgd.training import Method, NodeTraining

NODES = (1, 4, 8)
BASELINE_NODES = 4  # of the comparison with data-parallel and local SGD at reduced scale
CURVES: dict[str, tuple[Method, int, float]] = {
    "vanilla SGD": (SYMMETRIC, 1, 1.0),
    "PopSGD, n = 4": (SYMMETRIC, 4, 1.0),
    "PopSGD, n = 8": (SYMMETRIC, 8, 1.0),
    "one-sided, n = 4, 2 η": (ONE_SIDED, 4, 2.0),
    "data-parallel, n = 4": (data_parallel(4), 4, 1.0),
    "local SGD, n = 4": (local_sgd(4), 4, 1.0),
}
PERIODS = {10: "local SGD, every 10", PERIOD: "local SGD, n = 4", 200: "local SGD, every 200"}
ALL = CURVES | {name: (local_sgd(4, period), 4, 1.0) for period, name in PERIODS.items()}
TAIL = 1 / 2
ALPHA = 0.05 / 5  # Bonferroni over the claims of the figure
COMPARABLE, PART = 1.5, 0.85
LINKS = (0.0, 0.01, 0.1)  # seconds of a model on the link in units of those of a step's compute


def experiments(settings: Settings) -> list[NodeTraining]:
    """Return all curves."""
    return [training for setting in ALL.values() for training in curve(settings, *setting)]


def of(settings: Settings, runs: list[Run], name: str) -> list[Run]:
    """Return the runs of a curve, by seed."""
    return select(runs, curve(settings, *ALL[name]))


def tail(runs: list[Run], metric: str) -> list[float]:
    """Return the mean of a metric over the second half of every run."""
    series = [run.series(metric).to_numpy() for run in runs]
    return [float(values[-max(1, round(TAIL * len(values))) :].mean()) for values in series]


def by_nodes(settings: Settings, runs: list[Run]) -> list[list[Run]]:
    """Return the runs of vanilla SGD and of PopSGD at growing n."""
    return [of(settings, runs, name) for name in list(CURVES)[: len(NODES)]]


def _decide_error(claim: Decider, settings: Settings, runs: list[Run], metric: str) -> None:
    groups = by_nodes(settings, runs)
    errors = [tail(group, metric) for group in groups]
    falls = increasing([[-e for e in error] for error in errors], alpha=ALPHA)
    clearly = less(errors[-1], [PART * e for e in errors[0]], alpha=ALPHA)
    text = ", ".join(f"n = {n}: {1 - np.mean(error):.3f}" for n, error in zip(NODES, errors, strict=True))
    claim.decide(all_of(falls, clearly), text, [run for group in groups for run in group])


@decides("popsgd-cifar-train-acc")
def test_train_accuracy_rises_with_n(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    _decide_error(claim, settings, runs, "train_error")


@decides("popsgd-cifar-panel-b")
def test_test_accuracy_rises_with_n(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    _decide_error(claim, settings, runs, "test_error")


@decides("popsgd-cifar-faster-with-n")
def test_converges_faster_with_n(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    groups = by_nodes(settings, runs)
    speeds = [1 / steps(group, 0.1) for group in groups]
    clearly = less(speeds[0], PART * speeds[-1], alpha=ALPHA)
    text = ", ".join(f"n = {n}: {1 / np.mean(speed):.0f}" for n, speed in zip(NODES, speeds, strict=True))
    decision = all_of(increasing(speeds, alpha=ALPHA), clearly)
    claim.decide(decision, f"steps to 90 %: {text}", [run for group in groups for run in group])


def steps(runs: list[Run], error: float) -> Array:
    """Return the SGD steps per model of every run until its training error is at a level; infinite if it never is."""
    return np.array([steps_to(run, "train_error", error) for run in runs])


@decides("popsgd-cifar-time-to-90")
def test_time_to_90_percent(claim: Decider, settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    names = ["PopSGD, n = 4", "data-parallel, n = 4", "local SGD, n = 4"]
    used = {name: of(settings, runs, name)[: len(settings.fewer_seeds())] for name in names}
    speeds = {name: 1 / steps(part, 0.1) for name, part in used.items()}  # 0: never there
    decisions = [
        less(speeds[other] / batch_seconds(other, rho) / COMPARABLE, speeds[names[0]] / batch_seconds(names[0], rho))
        for other in names[1:]
        for rho in LINKS
    ]
    text = ", ".join(f"{name.split(',')[0]} {_mean_steps(speed)}" for name, speed in speeds.items())
    _bars(figures, settings, runs)
    claim.decide(all_of(*decisions), f"steps to 90 %: {text}", [run for part in used.values() for run in part])


def batch_seconds(name: str, rho: float) -> float:
    """Return the modelled time of a batch, in units of its compute, if a model takes rho of it on the link.

    A node sends and receives one model a step by PopSGD, 2 (n - 1)/n by ring all-reduce, and that every 100 steps by
    local SGD. Latency is left out.
    """
    ring = 2 * (BASELINE_NODES - 1) / BASELINE_NODES
    sent = {"PopSGD": 1.0, "one-sided": 1.0, "data-parallel": ring, "local SGD": ring / PERIOD}
    return 1 + rho * sent.get(name.split(",", maxsplit=1)[0], 0.0)


def _mean_steps(speed: Array) -> str:
    return f"{1 / np.mean(speed):.0f} ({np.count_nonzero(speed)} of {len(speed)} there)" if speed.any() else "never"


@decides("popsgd-localsgd-100")
def test_local_sgd_needs_global_averages(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    groups = {period: of(settings, runs, name) for period, name in PERIODS.items()}
    errors = [tail(group, "train_error") for group in groups.values()]
    text = ", ".join(f"every {period}: {1 - np.mean(error):.3f}" for period, error in zip(groups, errors, strict=True))
    claim.decide(increasing(errors, alpha=ALPHA), text, [run for group in groups.values() for run in group])


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


# ---------------------------------------------------------------------------------------------------------- figure


def test_figure4(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(2, width=4.8, height=3.8)
    frames = []
    for axis, part, letter in zip(axes, ("train", "test"), "ab", strict=True):
        frames.append(_frame(settings, runs, f"{part}_error"))
        draw(axis, frames[-1])
        label = f"{part} error of node 0 (1 - accuracy)"
        axis.set(title=f"({letter})", xlabel="SGD steps per model", ylabel=label, yscale="log")
    axes[0].legend(fontsize=7, loc="lower left")
    figure.suptitle(name_of(settings, "ResNet20", runs), fontsize=10)
    figures.save("figure4-cifar", figure, pd.concat(frames))


def _frame(settings: Settings, runs: list[Run], metric: str) -> pd.DataFrame:
    chosen = {name: of(settings, runs, name) for name in CURVES}
    return curves([run for part in chosen.values() for run in part], [n for n in chosen for _ in chosen[n]], metric)


def _bars(figures: FigureFolder, settings: Settings, runs: list[Run]) -> None:
    """Draw panel (c): modelled time to 90 % by speed of the link; a curve that never gets there has no bar."""
    rows = [
        {
            "curve": name,
            "rho": rho,
            "seconds": batch_seconds(name, rho) / np.mean(1 / steps(of(settings, runs, name), 0.1)),
        }
        for name in CURVES
        for rho in LINKS
        if (1 / steps(of(settings, runs, name), 0.1)).any()
    ]
    if not rows:
        return
    figure, (axis,) = panels(1, width=6)
    frame = pd.DataFrame(rows)
    for k, rho in enumerate(LINKS):
        part = frame[frame["rho"] == rho]
        places = [list(CURVES).index(name) + 0.27 * (k - 1) for name in part["curve"]]
        axis.bar(places, part["seconds"], 0.25, label=f"{rho:g}")
    axis.set_xticks(range(len(CURVES)), [name.replace(", ", "\n", 1) for name in CURVES], fontsize=7)
    axis.set(title="(c) time to 90 % train accuracy", ylabel="modelled time (compute of a step = 1)")
    axis.margins(y=0.3)
    axis.legend(title="model on the link / compute", fontsize=7, title_fontsize=7, ncols=3)
    figures.save("figure4-cifar-time", figure, frame)
