"""Figure 3(g): what quantization costs by gossip, over the step size and the noise of a compression.

It decides no claim. It shows what the claim on figure 3(g) depends on: with the same s quantization costs many rounds
at a large step size and few at the printed one.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from reproductions.experiments.training import Training
from reproductions.paper import COLOURS, FigureFolder, Label, Runs, Settings, name_of, panels
from reproductions.qprsgd.curves import Curves
from reproductions.qprsgd.recipes import RESNET, Fineness, K, Member, Recipe, recipe

STEPS = {0.1: 0.6, 0.3: 0.5}  # step size, and passes of its runs as a share of those of the recipe
SHARES = (0.7, 1.0, 2.0)  # of the recipe's s
FEWEST = 3
LEVEL = 0.5
METHOD, DENSE = Member("gossip", K, True), Member("gossip", K, False)


def _recipe(settings: Settings, lr: float, share: float) -> Recipe:
    ours = recipe(settings)
    levels = Fineness(ours.s.ring, round(share * ours.s.gossip))
    return replace(ours, lr=lr, s=levels, passes=max(1, round(STEPS[lr] * ours.passes)))


def experiments(settings: Settings) -> dict[Label, list[Training]]:
    """Return QPRSGD by gossip by step size and share of s; a share of 0 are runs without quantization."""
    return {
        (lr, share): [_recipe(settings, lr, share).training(METHOD if share else DENSE, seed) for seed in range(FEWEST)]
        for lr, share in product(STEPS, (0.0, *SHARES))
    }


def test_sweep(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    figure, (axis,) = panels(1)
    rows = []
    for lr, colour in zip(STEPS, COLOURS, strict=False):
        found = Curves(runs, {(lr, share): METHOD for share in (0.0, *SHARES)}, recipe(settings))
        dense = found.rounds_to((lr, 0.0), LEVEL)
        for share in SHARES:
            ratios = found.rounds_to((lr, share), LEVEL) / dense
            s = _recipe(settings, lr, share).s.gossip
            rows += [(lr, s, seed, ratio) for seed, ratio in enumerate(ratios)]
            axis.plot([s] * len(ratios), ratios, "o", ms=4, mfc="none", color=colour, label="_")
            late = int(np.isinf(ratios).sum())  # the level was not reached: a censored run, of which no mean is drawn
            axis.annotate(f"{late} late" if late else "", (s, 0.02), xycoords=("data", "axes fraction"), color=colour)
        frame = pd.DataFrame(rows, columns=["step_size", "s", "seed", "rounds_over_dense"])
        means = frame[frame["step_size"] == lr].groupby("s")["rounds_over_dense"].mean().replace(np.inf, np.nan)
        axis.plot(means.index, means, "-", color=colour, label=f"step size {lr}")
    axis.plot([], [], "ko", ms=4, mfc="none", label="each seed")
    axis.axhspan(0.9, 1.1, color="black", alpha=0.08, lw=0, label="as overlapping curves have")
    axis.set(xscale="log", xlabel="s", ylabel="rounds of QPRSGD / PR-SGD", title=f"gossip, to a loss of {LEVEL}")
    axis.set_xticks(ticks := sorted(set(frame["s"])), [str(s) for s in ticks])
    axis.minorticks_off()
    axis.legend(fontsize=7)
    figure.suptitle(name_of(settings, RESNET, runs.all))
    figures.save("figure3g-sweep", figure, frame)
    printed = frame[frame["step_size"] == 0.1]["rounds_over_dense"]
    assert np.isfinite(printed).all(), "at the printed step size every run has to reach the level"
    assert frame["rounds_over_dense"].gt(0).all(), "every run without quantization has to reach the level"
