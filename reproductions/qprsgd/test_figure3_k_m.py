"""Figure 3(a, b, e, f): the effect of K and M on the convergence of QPRSGD, on the ring and by gossip."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reproductions.experiments.training import Training
from reproductions.paper import (
    Decider,
    FigureFolder,
    Label,
    Runs,
    Settings,
    all_of,
    decides,
    draw,
    less,
    name_of,
    panels,
    reached,
)
from reproductions.qprsgd import table2
from reproductions.qprsgd.curves import Curves, Rounds, interval, numbered, ratio
from reproductions.qprsgd.recipes import PARADIGMS, K, M, Member, recipe, trainings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PERIODS, SIZES = (1, K, 8), (M, 2 * M)
BY_K: dict[Label, Member] = {(p, "K", period): Member(p, period, True) for p in PARADIGMS for period in PERIODS}
BY_M: dict[Label, Member] = {(p, "M", workers): Member(p, K, True, workers) for p in PARADIGMS for workers in SIZES}


def experiments(settings: Settings) -> dict[Label, list[Training]]:
    """Return QPRSGD by paradigm and K or M."""
    return trainings(settings, BY_K | BY_M)


def curves(settings: Settings, runs: Runs[Training]) -> Curves:
    """Return the runs, to be read in rounds."""
    return Curves(runs, BY_K | BY_M, recipe(settings))


def losses(found: Curves, paradigm: str) -> dict[int, Rounds]:
    """Return the logarithm of the loss by K after as many rounds as the runs with the largest K have."""
    rounds = found.length((paradigm, "K", max(PERIODS)))
    return {period: found.log_loss((paradigm, "K", period), rounds) for period in PERIODS}


@decides("qprsgd-fig3a-K-rar")
def test_larger_periods_converge_faster(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    found = losses(curves(settings, runs), "RAR")
    text = ", ".join(f"{np.exp(values).mean():.3f} for K = {period}" for period, values in found.items())
    assert claim.claim.resolution is not None
    steps = [
        less(found[larger], found[smaller], margin=-claim.claim.resolution, alpha=claim.alpha)
        for smaller, larger in pairwise(PERIODS)
    ]
    claim.decide(all_of(*steps), text, runs)


@decides("qprsgd-fig3e-K-gossip")
def test_eight_updates_take_less_time_than_four(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    found, labels = curves(settings, runs), {period: ("gossip", "K", period) for period in (4, 8)}
    rounds = {period: found.rounds_to(label) for period, label in labels.items()}
    times = {period: rounds[period] * table2.round_time(BY_K[label], 100) for period, label in labels.items()}
    readings, savings = {"rounds": rounds, "time": times}, {}
    for name, spent in readings.items():
        savings[name] = 100 * (1 - ratio(spent[8], spent[4]))
    decisions = {name: numbered(claim, settings, spent, savings[name]) for name, spent in readings.items()}
    text = ", ".join(f"{saving.mean():.0f} % less {name}" for name, saving in savings.items())
    claim.decide_readings(decisions, text, runs, number=interval(savings["rounds"]))


@decides("qprsgd-fig3-gossip-more-sensitive")
def test_gossip_is_more_sensitive_to_the_period(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    found = curves(settings, runs)
    gains: dict[str, dict[str, Rounds]] = {"loss": {}, "rounds": {}}
    for paradigm in PARADIGMS:
        by_k = losses(found, paradigm)
        gains["loss"][paradigm] = by_k[1] - by_k[8]
        one, eight = (found.rounds_to((paradigm, "K", period)) for period in (1, 8))
        gains["rounds"][paradigm] = np.log(ratio(one, eight))
    decisions = {
        name: reached(gain, partial(less, gain["RAR"], gain["gossip"], alpha=claim.alpha), every=True)
        for name, gain in gains.items()
    }
    text = "; ".join(
        f"{name} fall by " + ", ".join(f"{np.exp(gain[p].mean()):.2f} ({p})" for p in PARADIGMS)
        for name, gain in gains.items()
    )
    claim.decide_readings(decisions, text, runs)


@decides("qprsgd-fig3b-M-rar", "qprsgd-fig3f-M-gossip")
def test_twice_the_workers_need_half_the_iterations(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    found, paradigm = curves(settings, runs), str(claim.claim.at["paradigm"])
    rounds = {workers: found.rounds_to((paradigm, "M", workers)) for workers in SIZES}
    ratios = ratio(rounds[M], rounds[2 * M])
    decision = numbered(claim, settings, rounds, ratios)
    claim.decide(decision, f"iterations fall by a factor of {ratios.mean():.2f}", runs, number=interval(ratios))


def test_figure3_k_m(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    figure, axes = panels(4, width=3.4)
    found = curves(settings, runs)
    shown = [("a", "RAR", BY_K), ("e", "gossip", BY_K), ("b", "RAR", BY_M), ("f", "gossip", BY_M)]
    frames = [_panel(axis, found, *panel) for axis, panel in zip(axes, shown, strict=True)]
    figure.suptitle(f"QPRSGD, {name_of(settings, 'ResNet-34', runs.all)}")
    figures.save("figure3abef", figure, pd.concat(frames).drop(columns="label"))


def _panel(axis: Axes, found: Curves, letter: str, paradigm: str, members: dict[Label, Member]) -> pd.DataFrame:
    labels = [label for label, method in members.items() if method.paradigm == paradigm]
    frame = found.frame(labels, panel=letter)
    varies = "K" if members is BY_K else "M"
    draw(axis, frame.assign(label=varies + " = " + frame["label"].astype(str)))
    found.draw_level(axis)
    if varies == "M":
        found.draw_printed(axis, found.rounds_to((paradigm, "M", M)).mean(), [1 / 2], f"printed: half of M = {M}")
    elif paradigm == "gossip":
        found.draw_printed(axis, found.rounds_to((paradigm, "K", K)).mean(), [0.7], f"printed: 30 % below K = {K}")
    axis.set(title=f"({letter}) {paradigm}", xlabel="round", ylabel="training loss", yscale="log")
    axis.set_xlim(0, max(found.length(label) for label in labels if members[label].period > 1))
    axis.legend(fontsize=7)
    return frame
