"""Figure 2, right: time per batch against the number of nodes, over links that nodes share; for ``--network real``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from algorithms.schedule import StepDecay
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Label,
    Runs,
    Settings,
    all_of,
    decides,
    exactly,
    increasing,
    less,
    panels,
)
from reproductions.popsgd.deployment import modelled_seconds
from reproductions.popsgd.linked import LinkedTraining
from reproductions.popsgd.recipes import ONE_SIDED
from reproductions.workloads.grammar import SlotGrammar

NODES = (2, 8, 16)
CIRCLE = "circle of 16"
CORPUS = SlotGrammar(train_size=256, hidden=128, embedding=64)
STEPS, COMPUTE = 30, 0.3
MODELLED = (2, 4, 8, 16, 32)
DRAWN, FIXED = "partners drawn at random, measured", "each reads a fixed other, measured"
MODEL = "model of shared links, transfer as measured in the circle"


def experiments(settings: Settings) -> dict[Label, list[LinkedTraining]]:
    """Return training by the number of hosts, and on 16 hosts that each read a fixed other one."""
    seeds = settings.fewer_seeds()
    drawn: dict[Label, list[LinkedTraining]] = {n: [_run(n, False, seed) for seed in seeds] for n in NODES}
    return drawn | {CIRCLE: [_run(NODES[-1], True, seed) for seed in seeds]}


def _run(nodes: int, circle: bool, seed: int) -> LinkedTraining:
    """Return one run; seed 0 of the experiment was tried before the claim was decided, and is not used."""
    rate = StepDecay(1.0)
    return LinkedTraining(
        ONE_SIDED, CORPUS, rate, nodes, 1, STEPS, STEPS, seed + 1, replayed=True, compute=COMPUTE, circle=circle
    )


@decides("popsgd-fig2-time-per-batch")
def test_time_per_batch_grows_with_nodes(claim: Decider, runs: Runs[LinkedTraining], figures: FigureFolder) -> None:
    _plot(figures, runs)
    times = {label: [run.final("wall_seconds") for run in runs[label]] for label in runs}
    differ = sum(run.final("differ") for run in runs.all)
    means = ", ".join(f"{np.mean(times[n]):.3f} s at n = {n}" for n in NODES)
    text = f"{means}, {np.mean(times[CIRCLE]):.3f} s at 16 in a circle; {differ:.0f} models differ from the replay"
    assert claim.claim.resolution is not None
    rise = grows(times, claim.claim.resolution, claim.alpha)
    claim.decide(all_of(rise, exactly([differ], [0.0])), text, runs)


def grows(times: Mapping[Label, list[float]], least: float, alpha: float) -> Decision:
    """Decide whether a batch takes longer, by `least` seconds, the more nodes there are, since they share links.

    Times in a circle, where each host is read by one other, show what hosts that share cores lose without links.
    """
    few, *_, many = NODES
    steps = increasing([times[n] for n in NODES], paired=False, alpha=alpha)
    above = [less(times[label], times[many], margin=-least, paired=False, alpha=alpha) for label in (few, CIRCLE)]
    return all_of(*above, steps)


# ---------------------------------------------------------------------------------------------------------- figure


def _plot(figures: FigureFolder, runs: Runs[LinkedTraining]) -> None:
    figure, (axis,) = panels(1, width=5.2)
    rows = [
        {"source": DRAWN if label in NODES else FIXED, "n": run.experiment.nodes, "seconds": seconds}
        for label in runs
        for run in runs[label]
        if (seconds := run.final("wall_seconds"))
    ]
    transfer = float(np.mean([row["seconds"] for row in rows if row["source"] == FIXED])) - COMPUTE
    rows += [
        {"source": MODEL, "n": n, "seconds": modelled_seconds(n, 300, COMPUTE, transfer)}
        for n in MODELLED
        if transfer > 0
    ]
    frame = pd.DataFrame(rows)
    for (name, part), colour in zip(frame.groupby("source", sort=False), COLOURS, strict=False):
        grouped = part.groupby("n")["seconds"].agg(["mean", "min", "max"])
        spread = [grouped["mean"] - grouped["min"], grouped["max"] - grouped["mean"]]
        style = "--" if name == MODEL else "o-"
        axis.errorbar(grouped.index, grouped["mean"], yerr=spread, fmt=style, ms=4, color=colour, label=str(name))
    axis.set_xscale("log", base=2)
    axis.set_xticks(MODELLED, [str(n) for n in MODELLED])
    axis.set(xlabel="nodes", ylabel="seconds per batch", title="one-sided PopSGD, a host per node, links of 20 Mbit/s")
    axis.legend(fontsize=6, loc="lower right")
    figures.save("figure2-links", figure, frame)
