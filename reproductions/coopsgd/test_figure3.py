"""Figure 3: 8 workers, training loss by communication period tau and by zeta of the mixing matrix."""

from __future__ import annotations

from functools import partial

import pandas as pd

from algorithms.coopsgd.cooperative import periodic_averaging
from reproductions.coopsgd.floors import LOSS, OWN, at_rest, floors, text, where_at_rest
from reproductions.coopsgd.plots import MODEL, panel, tidy
from reproductions.coopsgd.recipes import curve, gossip
from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, decides, name_of, panels

M = 8
BY_TAU = {(tau, 0.0): periodic_averaging(M, tau) for tau in (1, 4, 15, 50)}
BY_ZETA = {(1, 0.0): periodic_averaging(M, 1), **{(1, zeta): member for zeta, member in gossip().items()}}
PANELS = {"(a)": list(BY_TAU), "(b)": list(BY_ZETA)}
METRICS = {"averaged model": LOSS, "workers' own models": OWN}  # readings of "training loss"


def experiments(settings: Settings) -> dict[tuple[int, float], list[Training]]:
    """Return the curves by (tau, zeta), the circled points of figure 2."""
    return {circled: curve(settings, member) for circled, member in (BY_TAU | BY_ZETA).items()}


@decides("coopsgd-fig3-tau", "coopsgd-fig3-zeta")
def test_the_floor_rises(claim: Decider, runs: Runs[Training]) -> None:
    assert claim.claim.trend is not None
    assert claim.claim.trend.rises is not None
    labels = claim.claim.trend.rises
    used, readings, found = runs.only(*labels), {}, []
    for reading, metric in METRICS.items():
        heights = {label: floors(group, metric) for label, group in used.items()}
        readings[reading] = where_at_rest(at_rest(used, *labels, metric=metric), partial(claim.follows, heights))
        found.append(f"{reading} {text(list(heights.values()))}")
    claim.decide_readings(readings, "; ".join(found), runs=used)


def test_figure3(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    frames = []
    for metric in METRICS.values():
        figure, axes = panels(2, epochs=True)
        for axis, (title, labels) in zip(axes, PANELS.items(), strict=True):
            frame = tidy(runs.only(*labels), metric, ("tau", "zeta")).assign(panel=title)
            panel(axis, frame, "tau = " + frame["tau"].astype(str) + ", zeta = " + frame["zeta"].astype(str))
            axis.set_title(title)
            frames.append(frame)
        figure.suptitle(f"{M} workers, {name_of(settings, MODEL, runs.all)}")
        figures.save("figure3" if metric == LOSS else "figure3_workers", figure, pd.concat(frames[-2:]))
