"""Figure 3(a, b, e, f): the effect of K and M on the convergence of QPRSGD, on the ring and by gossip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reproductions.harness.figures import FigureFolder, draw, name_of, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import increasing, less, within
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.qprsgd.grids import (
    PARADIGMS,
    K,
    M,
    Method,
    by_round,
    common_levels,
    curve,
    curves_of,
    final,
    recipe,
    rounds_to,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PERIODS = (1, 4, 8)
SIZES = (M, 2 * M)
BY_K = {paradigm: {f"K = {period}": Method(paradigm, period, True) for period in PERIODS} for paradigm in PARADIGMS}
BY_M = {paradigm: {f"M = {workers}": Method(paradigm, K, True, workers) for workers in SIZES} for paradigm in PARADIGMS}
ALPHA = 0.05 / 5  # Bonferroni over the claims of the figure


def experiments(settings: Settings) -> list[Training]:
    """Return QPRSGD at every K and M."""
    members = [method for group in (BY_K, BY_M) for curves in group.values() for method in curves.values()]
    return curves_of(settings, list(dict.fromkeys(members)))


def _of(settings: Settings, runs: list[Run], method: Method) -> list[Run]:
    return select(runs, curve(settings, method))


@decides("qprsgd-fig3a-K-rar")
def test_larger_periods_converge_faster(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    groups = [final(_of(settings, runs, method)) for method in reversed(BY_K["RAR"].values())]
    text = " ".join(f"{np.mean(group):.3f}" for group in groups[::-1])
    claim.decide(increasing(groups, alpha=ALPHA, diverged_fails=True), text, runs)


@decides("qprsgd-fig3e-K-gossip")
def test_eight_updates_take_less_time_than_four(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    four, eight = (BY_K["gossip"][f"K = {period}"] for period in (4, 8))
    levels = final(_of(settings, runs, four))
    shares = rounds_to(settings, _of(settings, runs, eight), eight, levels) / recipe(settings).rounds
    if settings.scale == "paper":
        decision = within(shares, 0.6, 0.8, confidence=1 - 2 * ALPHA, diverged_fails=True)
    else:
        decision = less(shares, np.ones_like(shares), alpha=ALPHA, diverged_fails=True)
    claim.decide(decision, f"{1 - shares.mean():.0%}", runs)


@decides("qprsgd-fig3-gossip-more-sensitive")
def test_gossip_is_more_sensitive_to_the_period(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    gains = {}
    for paradigm, members in BY_K.items():
        one, eight = (np.array(final(_of(settings, runs, members[f"K = {period}"]))) for period in (1, 8))
        gains[paradigm] = np.log(one / eight)
    text = ", ".join(f"{paradigm} {np.exp(gain.mean()):.2f}" for paradigm, gain in gains.items())
    claim.decide(less(gains["RAR"], gains["gossip"], alpha=ALPHA), text, runs)


@decides("qprsgd-fig3b-M-rar", "qprsgd-fig3f-M-gossip")
def test_twice_the_workers_need_half_the_iterations(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    few, many = BY_M["RAR" if claim.claim.id.endswith("rar") else "gossip"].values()
    levels = common_levels([_of(settings, runs, few), _of(settings, runs, many)])
    fewer, more = (rounds_to(settings, _of(settings, runs, method), method, levels) for method in (few, many))
    ratios = fewer / more
    if settings.scale == "paper":
        decision = within(ratios, 1.8, 2.2, 1 - 2 * ALPHA, diverged_fails=True)
    else:
        decision = less(np.ones_like(ratios), ratios, alpha=ALPHA, diverged_fails=True)
    claim.decide(decision, f"iterations fall by a factor of {ratios.mean():.2f}", runs)


def test_figure3_k_m(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(4, width=3.4)
    shown = [("a", BY_K["RAR"]), ("e", BY_K["gossip"]), ("b", BY_M["RAR"]), ("f", BY_M["gossip"])]
    frames = [
        _panel(axis, settings, runs, letter, members) for axis, (letter, members) in zip(axes, shown, strict=True)
    ]
    figure.suptitle(f"QPRSGD, {name_of(settings, 'ResNet-34', runs)}", fontsize=10)
    figures.save("figure3abef", figure, pd.concat(frames))


def _panel(axis: Axes, settings: Settings, runs: list[Run], letter: str, members: dict[str, Method]) -> pd.DataFrame:
    frames = [by_round(settings, _of(settings, runs, method), label, method) for label, method in members.items()]
    frame = pd.concat(frames, ignore_index=True)
    draw(axis, frame)
    paradigm = next(iter(members.values())).paradigm
    axis.set(title=f"({letter}) {paradigm}", xlabel="round", ylabel="training loss", yscale="log")
    axis.legend(fontsize=7)
    return frame.assign(panel=letter)
