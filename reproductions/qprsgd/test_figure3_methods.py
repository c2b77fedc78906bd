"""Figure 3(c, d, g, h): training loss and communication of PSGD, QSGD, PR-SGD and QPRSGD, on the ring and by gossip."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from reproductions.harness.decisions import all_of
from reproductions.harness.figures import FigureFolder, draw, name_of, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less, within
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.qprsgd.grids import (
    PARADIGMS,
    RESNET,
    Rounds,
    by_round,
    common_levels,
    curve,
    curves_of,
    methods,
    recipe,
    rounds_to,
)

METHODS = {paradigm: methods(paradigm) for paradigm in PARADIGMS}
ALPHA = 0.05 / 6  # Bonferroni over the claims of the figure that rest on random runs
SAME = 0.1  # of the rounds to a loss


def experiments(settings: Settings) -> list[Training]:
    """Return the four methods on both paradigms."""
    return curves_of(settings, [method for members in METHODS.values() for method in members.values()])


def rounds_to_target(settings: Settings, runs: list[Run], paradigm: str, model: str = RESNET) -> dict[str, Rounds]:
    """Return the rounds of each method and seed to the loss at which the slowest method of the seed ends."""
    mine = {name: select(runs, curve(settings, method, model)) for name, method in METHODS[paradigm].items()}
    levels = common_levels(mine.values())
    return {name: rounds_to(settings, group, METHODS[paradigm][name], levels, model) for name, group in mine.items()}


def _paradigm(claim: Decider) -> str:
    return "RAR" if "fig3c" in claim.claim.id or "fig3d" in claim.claim.id else "gossip"


@decides("qprsgd-fig3c-overlap-pr", "qprsgd-fig3g-overlap-pr")
def test_quantization_changes_no_curve(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    overlapping(claim, rounds_to_target(settings, runs, _paradigm(claim)), runs)


def overlapping(claim: Decider, rounds: dict[str, Rounds], runs: list[Run]) -> None:
    """Decide whether methods that differ by quantization alone need the same rounds to a loss."""
    ratios = [rounds["QPRSGD"] / rounds["PR-SGD"], rounds["QSGD"] / rounds["PSGD"]]
    decision = all_of(*(within(ratio, 1 - SAME, 1 + SAME, 1 - ALPHA, diverged_fails=True) for ratio in ratios))
    claim.decide(decision, "QPRSGD / PR-SGD {:.2f}, QSGD / PSGD {:.2f}".format(*(r.mean() for r in ratios)), runs)


@decides("qprsgd-fig3c-3x")
def test_convergence_is_over_three_times_as_fast(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    rounds = rounds_to_target(settings, runs, "RAR")
    ratio = rounds["PSGD"] / rounds["QPRSGD"]
    threshold = 3.0 if settings.scale == "paper" else 1.0
    decision = less(np.full_like(ratio, threshold), ratio, alpha=ALPHA, diverged_fails=True)
    claim.decide(decision, f"{ratio.mean():.2f} times", runs)


@decides("qprsgd-fig3d-vs-qsgd", "qprsgd-fig3h-vs-qsgd")
def test_communication_is_half_of_qsgds(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    rounds = rounds_to_target(settings, runs, _paradigm(claim))
    sent = {name: _bytes_per_round(settings, runs, _paradigm(claim), name) for name in ("QSGD", "QPRSGD")}
    saving = 1 - rounds["QPRSGD"] * sent["QPRSGD"] / (rounds["QSGD"] * sent["QSGD"])
    if settings.scale == "paper":
        decision = within(saving, 0.45, 0.65, confidence=1 - 2 * ALPHA)
    else:
        decision = less(np.zeros_like(saving), saving, alpha=ALPHA, diverged_fails=True)
    claim.decide(decision, f"{saving.mean():.0%}", runs)


@decides("qprsgd-comm-qpr-less-qsgd")
def test_bytes_to_a_loss_are_ordered(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    decisions, texts, order = [], [], ("QPRSGD", "QSGD", "PSGD")
    for paradigm in PARADIGMS:
        rounds = rounds_to_target(settings, runs, paradigm)
        sent = {name: rounds[name] * _bytes_per_round(settings, runs, paradigm, name) for name in order}
        for low, high in pairwise(order):
            decisions.append(less(np.log(sent[low]), np.log(sent[high]), alpha=ALPHA / 4))
        texts.append(f"{paradigm} " + " ".join(f"{1e-6 * sent[name].mean():.2f}" for name in order))
    claim.decide(all_of(*decisions), ", ".join(texts) + " MB", runs)


def _bytes_per_round(settings: Settings, runs: list[Run], paradigm: str, name: str) -> float:
    run = select(runs, curve(settings, METHODS[paradigm][name]))[0]
    return run.final("busiest_bytes") / recipe(settings).rounds


def test_figure3_methods(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(4, width=3.4)
    frames = []
    for column, paradigm in enumerate(PARADIGMS):
        for name, method in METHODS[paradigm].items():
            frame = by_round(settings, select(runs, curve(settings, method)), name, method)
            sent = 1e-6 * _bytes_per_round(settings, runs, paradigm, name)
            frames.append(frame.assign(paradigm=paradigm, megabytes=frame["step"] * sent))
        frame = pd.concat(frames[-4:], ignore_index=True)
        draw(axes[column], frame)
        draw(axes[2 + column], frame.assign(step=frame["megabytes"]))
        axes[column].set(title=f"({'cg'[column]}) {paradigm}", xlabel="round")
        axes[2 + column].set(title=f"({'dh'[column]}) {paradigm}", xlabel="MB through the busiest worker", xscale="log")
    for axis in axes:
        axis.set(ylabel="training loss", yscale="log")
    axes[0].legend(fontsize=7)
    figure.suptitle(name_of(settings, RESNET, runs), fontsize=10)
    figures.save("figure3cdgh", figure, pd.concat(frames))
