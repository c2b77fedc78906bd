"""The trade-off that the abstract speaks of: a search over (tau, W, v) with 8 workers, which the paper leaves open.

Every member is trained once a seed; its error at a given traffic and its time to a given loss on a link of any speed
follow from the same runs and the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.coopsgd.elastic import best_alpha, elastic, hierarchical
from algorithms.topology import Matrix, ring, uniform, value
from reproductions.coopsgd.floors import LOSS, floors
from reproductions.coopsgd.plots import relative_seconds
from reproductions.coopsgd.recipes import RECIPES, SEARCH
from reproductions.coopsgd.time_model import waited
from reproductions.experiments.training import Training
from reproductions.paper import COLOURS, Decider, FigureFolder, Runs, Settings, all_of, decides, name_of, panels, sooner

if TYPE_CHECKING:
    from matplotlib.axes import Axes

M = 8
TAUS = (1, 4, 16, 64)
RING = uniform(ring(M))
MATRICES = {
    "all-reduce": (np.full((M, M), 1 / M), 0),
    "ring": (RING, 0),
    "elastic": (elastic(np.eye(M), best_alpha(np.eye(M))), 1),
    "ring + anchor": (elastic(RING, best_alpha(RING)), 1),
    "two groups": (hierarchical([M // 2, M // 2], 0.3, 0.15), 2),
}
MEMBERS = {(name, tau): CooperativeSGD(tau, value(W), v) for name, (W, v) in MATRICES.items() for tau in TAUS}
BEST, SYNC, RARE = (("all-reduce", tau) for tau in (4, 1, 64))
PATIENT, LONGER = ("all-reduce, longer", 64), 4  # RARE again, until it has reached the loss or is surely late
ALGORITHMS = MEMBERS | {PATIENT: MEMBERS[RARE]}
COMPARED, SHOWN = 4, 2  # seeds of the three that are compared, and of the others
SPEEDS = np.geomspace(0.1, 1000, 41)  # of the link, in units of the one that the paper's savings fix


def experiments(settings: Settings) -> dict[tuple[str, int], list[Training]]:
    """Return all members, by the name of W and tau; the one that hardly ever averages also for longer."""
    chosen = SEARCH.get(settings.scale, RECIPES[settings.scale])
    compared, length = (BEST, SYNC, PATIENT), {PATIENT: LONGER}
    seeds = {label: COMPARED if label in compared else SHOWN for label in ALGORITHMS}
    return {
        label: [
            chosen.training(member, seed, length.get(label, 1)) for seed in range(min(settings.seeds, seeds[label]))
        ]
        for label, member in ALGORITHMS.items()
    }


def target(runs: Runs[Training]) -> float:
    """Return the loss that fully synchronous SGD reaches after half of its epochs."""
    losses = [run.series(LOSS) for run in runs[SYNC]]
    return float(np.mean([series.iloc[len(series) // 2 - 1] for series in losses]))


def times_to(runs: Runs[Training], label: tuple[str, int], loss: float, speed: float) -> Matrix:
    """Return the modelled time of every seed to a loss, (seeds,), in units of the compute time of an epoch."""
    return np.array([run.steps_to(LOSS, loss) for run in runs[label]]) * relative_seconds(runs.experiment(label), speed)


@decides("coopsgd-abstract-best-balance")
def test_a_middle_way_is_the_fastest(claim: Decider, runs: Runs[Training]) -> None:
    used, loss = runs.only(BEST, SYNC, PATIENT), target(runs)
    times = {label: times_to(runs, label, loss, 1.0) for label in (BEST, SYNC, PATIENT)}
    ends = {label: runs.experiment(label).epochs * relative_seconds(runs.experiment(label)) for label in times}
    decision = all_of(*(sooner(times[BEST], times[other], ends[other], alpha=claim.alpha) for other in (SYNC, PATIENT)))
    found = "; ".join(f"{name}, tau = {tau}: {times[name, tau].mean():.2f}" for name, tau in times)
    claim.decide(decision, found, runs=used)


# ---------------------------------------------------------------------------------------------------------- figure


def test_tradeoff(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    figure, axes = panels(2, width=5)
    frames = [_errors(runs), _fastest(runs)]
    for name, colour in zip(MATRICES, COLOURS, strict=False):
        part = frames[0][frames[0]["W"] == name]
        axes[0].plot(part["traffic"], part["loss"], "o-", ms=4, lw=1, color=colour, label=name)
        for tau in TAUS:
            line = frames[1][(frames[1]["W"] == name) & (frames[1]["tau"] == tau)]
            axes[1].plot(line["speed"], line["time"], color=colour, lw=0.6, alpha=0.5, label="_" if tau > 1 else name)
    _front(axes[0], frames[0])
    _envelope(axes[1], frames[1])
    axes[0].set(xscale="log", xlabel="models through the busiest link, per iteration", ylabel="loss at the end")
    axes[1].set(xscale="log", yscale="log", xlabel="speed of the link (paper's cluster = 1)", ylabel="time to the loss")
    for axis in axes:
        axis.legend(fontsize=7)
    figure.suptitle(f"A(tau, W, v), {M} workers, tau = {TAUS}, {name_of(settings, 'VGG-16', runs.all)}")
    figures.save("tradeoff", figure, pd.concat(frames))


def _errors(runs: Runs[Training]) -> pd.DataFrame:
    rows = []
    for name, tau in MEMBERS:
        run = runs.experiment((name, tau))
        traffic, loss = waited(run.algorithm, run.nodes).models, np.mean(floors(runs[name, tau]))
        rows.append({"W": name, "tau": tau, "traffic": traffic, "loss": loss})
    return pd.DataFrame(rows)


def _fastest(runs: Runs[Training]) -> pd.DataFrame:
    loss, rows = target(runs), []
    for name, tau in MEMBERS:
        for speed in SPEEDS:
            time = times_to(runs, (name, tau), loss, speed).mean()
            rows.append({"W": name, "tau": tau, "speed": speed, "time": time})
    return pd.DataFrame(rows)


def _front(axis: Axes, frame: pd.DataFrame) -> None:
    """Draw the members that no other beats in both loss and traffic."""
    ordered = frame.sort_values("traffic")
    best = ordered[ordered["loss"] < ordered["loss"].cummin().shift(fill_value=np.inf)]
    axis.step(best["traffic"], best["loss"], "k", where="post", lw=1.5, zorder=0, label="no other beats it in both")


def _envelope(axis: Axes, frame: pd.DataFrame) -> None:
    """Draw the fastest member at every speed and name it where another one takes over."""
    best = frame.loc[frame.groupby("speed")["time"].idxmin()]
    axis.plot(best["speed"], best["time"], "k", lw=2, label="the fastest, W and tau below it")
    names = best["W"] + ", " + best["tau"].astype(str)
    for speed, time, name in zip(best["speed"], best["time"], names.where(names != names.shift(), ""), strict=True):
        if name:
            style = {"arrowstyle": "-", "lw": 0.5}
            axis.annotate(name, (speed, time), (-2, -32), textcoords="offset points", fontsize=7, arrowprops=style)
    axis.set_ylim(bottom=0.3 * best["time"].min())
