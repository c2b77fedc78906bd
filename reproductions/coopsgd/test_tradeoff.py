"""The trade-off that the abstract speaks of: a search over (tau, W, v) with 8 workers, which the paper leaves open.

Every member is trained once a seed; its error at a given traffic and its time to a given loss on a link of any speed
follow from the same runs and the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from algorithms.cooperative import CooperativeSGD
from algorithms.elastic import best_alpha, elastic, hierarchical
from algorithms.network import Link
from algorithms.topology import Matrix, ring, uniform, value
from reproductions.coopsgd.grids import RECIPES, SEARCH, floors
from reproductions.coopsgd.times import VGG16, calibrated, exposed, fitted_latency_share, iteration_seconds
from reproductions.harness.decisions import all_of
from reproductions.harness.figures import COLOURS, FigureFolder, name_of, panels
from reproductions.harness.milestones import steps_to
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider

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
SPEEDS = np.geomspace(0.1, 1000, 41)  # of the link, in units of the one that the paper's savings fix
ALPHA = 0.05 / 2  # for two comparisons


def experiments(settings: Settings) -> list[Training]:
    """Return all members."""
    return [training for member in MEMBERS.values() for training in _runs(settings, member)]


def _runs(settings: Settings, member: CooperativeSGD) -> list[Training]:
    chosen = SEARCH.get(settings.scale, RECIPES[settings.scale])
    return [chosen.training(member, seed) for seed in range(min(settings.seeds, 4))]


def target(settings: Settings, runs: list[Run]) -> float:
    """Return the loss that fully synchronous SGD reaches after half of its epochs."""
    losses = [run.series("mean_train_loss") for run in select(runs, _runs(settings, MEMBERS["all-reduce", 1]))]
    return float(np.mean([series.iloc[len(series) // 2 - 1] for series in losses]))


def times_to(settings: Settings, runs: list[Run], member: CooperativeSGD, loss: float, speed: float) -> Matrix:
    """Return the modelled time of every seed to a loss, (seeds,), in units of the compute time of an epoch."""
    compute, link = calibrated(fitted_latency_share())
    faster = Link(link.bandwidth * speed, link.latency / speed)
    epochs = np.array([steps_to(run, "mean_train_loss", loss) for run in select(runs, _runs(settings, member))])
    return epochs * iteration_seconds(member, VGG16, compute, faster) / compute


@decides("coopsgd-abstract-best-balance")
def test_a_middle_way_is_the_fastest(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    loss = target(settings, runs)
    best, sync, rare = (times_to(settings, runs, MEMBERS["all-reduce", tau], loss, 1.0) for tau in (4, 1, 64))
    decision = all_of(*(less(1 / other, 1 / best, alpha=ALPHA) for other in (sync, rare)))  # 0: never there
    claim.decide(decision, f"{best.mean():.2f}, tau = 1 {sync.mean():.2f}, tau = 64 {rare.mean():.2f}", runs)


# ---------------------------------------------------------------------------------------------------------- figure


def test_tradeoff(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(2, width=5)
    frames = [_errors(settings, runs), _fastest(settings, runs)]
    for name, colour in zip(MATRICES, COLOURS, strict=False):
        part = frames[0][frames[0]["W"] == name]
        axes[0].plot(part["traffic"], part["loss"], "o-", ms=4, lw=1, color=colour, label=name)
        for tau in TAUS:
            line = frames[1][(frames[1]["W"] == name) & (frames[1]["tau"] == tau)]
            axes[1].plot(line["speed"], line["time"], color=colour, lw=0.6, alpha=0.5)
    _front(axes[0], frames[0])
    _envelope(axes[1], frames[1])
    axes[0].set(xscale="log", xlabel="models through the busiest link, per iteration", ylabel="loss at the end")
    axes[1].set(xscale="log", yscale="log", xlabel="speed of the link (paper's cluster = 1)", ylabel="time to the loss")
    axes[0].legend(fontsize=7)
    figure.suptitle(f"A(tau, W, v), {M} workers, tau = {TAUS}, {name_of(settings, 'VGG-16', runs)}", fontsize=10)
    figures.save("tradeoff", figure, pd.concat(frames))


def _errors(settings: Settings, runs: list[Run]) -> pd.DataFrame:
    rows = []
    for (name, tau), member in MEMBERS.items():
        loss = np.mean(floors(select(runs, _runs(settings, member))))
        rows.append({"W": name, "tau": tau, "traffic": exposed(member).models / tau, "loss": loss})
    return pd.DataFrame(rows)


def _fastest(settings: Settings, runs: list[Run]) -> pd.DataFrame:
    loss, rows = target(settings, runs), []
    for (name, tau), member in MEMBERS.items():
        for speed in SPEEDS:
            time = times_to(settings, runs, member, loss, speed).mean()
            rows.append({"W": name, "tau": tau, "speed": speed, "time": time})
    return pd.DataFrame(rows)


def _front(axis: Axes, frame: pd.DataFrame) -> None:
    """Draw the members that no other beats in both loss and traffic."""
    ordered = frame.sort_values("traffic")
    best = ordered[ordered["loss"] < ordered["loss"].cummin().shift(fill_value=np.inf)]
    axis.step(best["traffic"], best["loss"], "k", where="post", lw=1.5, zorder=0)


def _envelope(axis: Axes, frame: pd.DataFrame) -> None:
    """Draw the fastest member at every speed and name it where another one takes over."""
    best = frame.loc[frame.groupby("speed")["time"].idxmin()]
    axis.plot(best["speed"], best["time"], "k", lw=2)
    names = best["W"] + ", " + best["tau"].astype(str)
    for speed, time, name in zip(best["speed"], best["time"], names.where(names != names.shift(), ""), strict=True):
        if name:
            axis.annotate(name, (speed, time), (0, -14), textcoords="offset points", fontsize=7)
    axis.set_ylim(bottom=0.6 * best["time"].min())
