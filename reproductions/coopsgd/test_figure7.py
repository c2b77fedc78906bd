"""Figure 7: error against wall-clock time of PASGD with 4 workers, at a large and a small step size; test accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reproductions.coopsgd.grids import curve, floors, gossip_on_ring, periodic, recipe
from reproductions.coopsgd.plots import MODEL, by_label, panel
from reproductions.harness.decisions import all_of, exactly
from reproductions.harness.figures import COLOURS, FigureFolder, name_of, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider

M = 4
PASGD = periodic(M, 1, 10, 100)
SYNC, _, LARGE = PASGD.values()
RING = {"D-PSGD, ring": gossip_on_ring(M, 1)}
ALPHA = 0.05 / 4  # Bonferroni over the claims of the figure


def experiments(settings: Settings) -> list[Training]:
    """Return the curves of both step sizes, and those of tau = 100 that are three times as long."""
    return [training for lr in _step_sizes(settings) for training in _runs(settings, lr)]


def _runs(settings: Settings, lr: float) -> list[Training]:
    longer = recipe(settings).longer
    members = (*PASGD.values(), *RING.values())
    same = [training for member in members for training in curve(settings, member, longer, lr)]
    return same + curve(settings, LARGE, 3 * longer, lr)


def _step_sizes(settings: Settings) -> tuple[float, float]:
    return 1.0, recipe(settings).small_lr


def _losses(
    settings: Settings, runs: list[Run], tau: int, lr: float = 1.0, times: float = 1, metric: str = "mean_train_loss"
) -> list[float]:
    like = curve(settings, PASGD[f"tau = {tau}"], times * recipe(settings).longer, lr)
    return floors(select(runs, like), metric)


@decides("coopsgd-fig7-tau100-highest-loss")
def test_the_largest_period_is_the_fastest_and_worst(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    losses = {tau: _losses(settings, runs, tau) for tau in (1, 10, 100)}
    worst = [less(losses[tau], losses[100], alpha=ALPHA / 2, diverged_fails=True) for tau in (1, 10)]
    sent = {tau: select(runs, curve(settings, PASGD[f"tau = {tau}"], recipe(settings).longer)) for tau in losses}
    first = min(sent, key=lambda tau: sent[tau][0].final("busiest_bytes"))
    text = " ".join(f"{np.mean(group):.4f}" for group in losses.values())
    claim.decide(all_of(exactly([first], [100]), *worst), text, [run for group in sent.values() for run in group])


@decides("coopsgd-fig7-360-epochs")
def test_its_floor_stays_above_after_three_times_the_epochs(
    claim: Decider, settings: Settings, runs: list[Run]
) -> None:
    short, long = _losses(settings, runs, 1), _losses(settings, runs, 100, times=3)
    claim.decide(less(short, long, alpha=ALPHA), f"{np.mean(long):.4f}, tau = 1 {np.mean(short):.4f}", runs)


@decides("coopsgd-fig7-small-lr")
def test_a_small_step_size_narrows_the_gap(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    large, small = (
        np.subtract(_losses(settings, runs, 100, lr), _losses(settings, runs, 1, lr)) for lr in _step_sizes(settings)
    )
    text = f"gap {small.mean():.4f}, at the large step size {large.mean():.4f}"
    claim.decide(less(small, large, alpha=ALPHA), text, runs)


@decides("coopsgd-fig7c-generalisation")
def test_large_periods_generalize_better(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    accuracy = {tau: _losses(settings, runs, tau, metric="mean_test_accuracy") for tau in (1, 10, 100)}
    decision = less(accuracy[1], accuracy[100], alpha=ALPHA)
    claim.decide(decision, " ".join(f"{100 * np.mean(group):.2f} %" for group in accuracy.values()), runs)


def test_figure7(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(3)
    shown = [("mean_train_loss", lr) for lr in _step_sizes(settings)] + [("mean_test_accuracy", 1.0)]
    frames = []
    for axis, (metric, lr), letter in zip(axes, shown, "abc", strict=True):
        frame = by_label(runs, PASGD | RING, metric, recipe(settings).lr * lr).assign(panel=letter)
        last = recipe(settings).training(SYNC, 0, recipe(settings).longer).epochs
        extra = frame[(frame["label"] == "tau = 100") & frame["step"].ge(last)]
        panel(axis, frame[frame["step"] <= last], "time", log=metric != "mean_test_accuracy")
        axis.plot(*_mean(extra), "--", color=COLOURS[2])  # as in the paper: trained for longer, dashed
        axis.set_title(f"({letter}) step size {recipe(settings).lr * lr:g}", fontsize=10)
        frames.append(frame)
    figure.suptitle(f"{M} workers, {name_of(settings, MODEL, runs)}", fontsize=10)
    figures.save("figure7", figure, pd.concat(frames))


def _mean(frame: pd.DataFrame) -> tuple[list[float], list[float]]:
    mean = frame.groupby("time")["value"].mean()
    return list(mean.index), list(mean)
