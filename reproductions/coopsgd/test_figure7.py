"""Figure 7: error against wall-clock time of PASGD with 4 workers, at a large and a small step size; test accuracy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from algorithms.coopsgd.cooperative import CooperativeSGD, periodic_averaging
from reproductions.coopsgd.floors import LOSS, at_rest, floors, text, where_at_rest
from reproductions.coopsgd.plots import MODEL, panel, tidy
from reproductions.coopsgd.recipes import curve, gossip_on_ring, recipe
from reproductions.experiments.training import Training
from reproductions.paper import (
    COLOURS,
    Decider,
    FigureFolder,
    Runs,
    Settings,
    all_of,
    decides,
    exactly,
    less,
    name_of,
    panels,
)

M, TAUS, PERIOD = 4, (1, 10, 100), 100
ACCURACY = "mean_test_accuracy"


class PeriodCurve(NamedTuple):
    """One curve: period and mixing of its algorithm, its step size and its length in those of the others."""

    tau: int
    mixing: str
    step_size: str
    length: int = 1


PASGD = {size: [PeriodCurve(tau, "all", size) for tau in TAUS] for size in ("large", "small")}
RING = {size: PeriodCurve(1, "ring", size) for size in PASGD}
LONG = {size: PeriodCurve(PERIOD, "all", size, 3) for size in PASGD}
CURVES = [curve for size in PASGD for curve in (*PASGD[size], RING[size], LONG[size])]
SYNC, MIDDLE, RARE = PASGD["large"]


def experiments(settings: Settings) -> dict[PeriodCurve, list[Training]]:
    """Return the curves of both step sizes, and those of tau = 100 that are three times as long."""
    chosen = recipe(settings)
    factors = {"large": 1.0, "small": chosen.small_lr}
    return {
        each: curve(settings, _member(each), each.length * chosen.longer, factors[each.step_size]) for each in CURVES
    }


def _member(curve: PeriodCurve) -> CooperativeSGD:
    return gossip_on_ring(M) if curve.mixing == "ring" else periodic_averaging(M, curve.tau)


@decides("coopsgd-fig7-tau100-highest-loss")
def test_the_largest_period_is_the_fastest_and_worst(claim: Decider, runs: Runs[Training]) -> None:
    used = runs.only(*PASGD["large"])
    heights = {curve: floors(group) for curve, group in used.items()}
    worst = [less(heights[curve], heights[RARE], alpha=claim.alpha, diverged_fails=True) for curve in (SYNC, MIDDLE)]
    sent = {curve: group[0].final("busiest_bytes") for curve, group in used.items()}
    first = exactly([min(sent.values())], [sent[RARE]])
    claim.decide(all_of(first, *worst), text(list(heights.values())), runs=used)


@decides("coopsgd-fig7-360-epochs")
def test_its_floor_stays_above_after_three_times_the_epochs(claim: Decider, runs: Runs[Training]) -> None:
    used, long = runs.only(SYNC, LONG["large"]), LONG["large"]
    heights = {curve: floors(group) for curve, group in used.items()}
    rest = all_of(*(at_rest(runs, curve) for curve in (SYNC, long)))
    decision = where_at_rest(rest, lambda: claim.follows(heights, long))
    claim.decide(decision, text([heights[long], heights[SYNC]]), runs=used)


@decides("coopsgd-fig7-small-lr")
def test_a_small_step_size_narrows_the_gap(claim: Decider, runs: Runs[Training]) -> None:
    gaps = {}
    for size, (sync, _, rare) in PASGD.items():
        gaps[size] = np.subtract(floors(runs[rare]), floors(runs[sync]))
    decision = less(gaps["small"], gaps["large"], alpha=claim.alpha)
    found = f"gap {gaps['small'].mean():.4f}, at the large step size {gaps['large'].mean():.4f}"
    claim.decide(decision, found, runs=runs.only(*(curve for size in PASGD for curve in PASGD[size])))


@decides("coopsgd-fig7c-generalisation")
def test_large_periods_generalize_better(claim: Decider, runs: Runs[Training]) -> None:
    used = runs.only(SYNC, RARE, LONG["large"])
    accuracy = {curve: floors(group, ACCURACY) for curve, group in used.items()}
    readings = {
        "after the same epochs": less(accuracy[SYNC], accuracy[RARE], alpha=claim.alpha),
        "after three times the epochs": less(accuracy[SYNC], accuracy[LONG["large"]], alpha=claim.alpha),
    }
    percent = ", ".join(f"{100 * np.mean(group):.2f} %" for group in accuracy.values())
    claim.decide_readings(readings, percent, runs=used)


def test_figure7(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    figure, axes = panels(3)
    shown = [(LOSS, "large"), (LOSS, "small"), (ACCURACY, "large")]
    frames = []
    for axis, (metric, size), letter in zip(axes, shown, "abc", strict=True):
        frame = tidy(runs.only(*PASGD[size], RING[size], LONG[size]), metric, PeriodCurve._fields).assign(panel=letter)
        usual = frame[frame["length"] == 1]
        panel(axis, usual, _names(usual), "time", log=metric == LOSS)
        longer = f"tau = {PERIOD}, {LONG[size].length} times as long"  # dashed, as in the paper
        axis.plot(*_dashed(frame, usual["step"].max()), "--", color=COLOURS[2], label=longer)
        axis.legend(fontsize=7)
        axis.set_title(f"({letter}) {size} step size, {runs.experiment(PASGD[size][0]).schedule.lr(0):g}")
        frames.append(frame)
    figure.suptitle(f"{M} workers, {name_of(settings, MODEL, runs.all)}")
    figures.save("figure7", figure, pd.concat(frames))


def _names(frame: pd.DataFrame) -> pd.Series[str]:
    return ("tau = " + frame["tau"].astype(str)).where(frame["mixing"] == "all", "D-PSGD, ring")


def _dashed(frame: pd.DataFrame, last: int) -> tuple[list[float], list[float]]:
    """Return times and means of the curve that is trained for longer, from where the others end."""
    mean = frame[(frame["length"] > 1) & (frame["step"] >= last)].groupby("time")["value"].mean()
    return list(mean.index), list(mean)
