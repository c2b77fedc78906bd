"""The scalability that section 1 claims: what a node pays for the others, by CPU clocks and on modelled links."""

from __future__ import annotations

import numpy as np
import pandas as pd

from algorithms.schedule import StepDecay
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
    panels,
)
from reproductions.popsgd.deployment import modelled_seconds
from reproductions.popsgd.recipes import ONE_SIDED
from reproductions.popsgd.windowed import WindowTraining
from reproductions.workloads.digits import Digits

BATCH, RATE, STEPS = 32, 0.6, 200
MODELLED = (2, 4, 8, 16, 32, 128)
FAST, SLOW = 0.01, (0.1, 0.5)  # seconds of a model on an idle link, in units of those of a step's compute
EFFICIENCY = 0.8
LEARNED = 0.75  # of the initial loss


def sizes(settings: Settings) -> tuple[int, ...]:
    """Return the n that are compared, from 2: a single node exchanges nothing."""
    return (2, 8) if settings.scale == "smoke" else (2, 4, 8, 16)


def experiments(settings: Settings) -> dict[int, list[WindowTraining]]:
    """Return training through windows by n, a rank each, and made again in one process."""
    every = STEPS // 2
    return {
        n: [
            WindowTraining(ONE_SIDED, Digits("mlp"), StepDecay(RATE), n, BATCH, STEPS, every, seed, replayed=True)
            for seed in settings.fewer_seeds()
        ]
        for n in sizes(settings)
    }


@decides("popsgd-near-linear-scalability")
def test_throughput_is_nearly_proportional_to_nodes(
    claim: Decider, runs: Runs[WindowTraining], figures: FigureFolder
) -> None:
    _plot(figures, runs)
    few, *_, many = batches = {n: _batch(runs, n) for n in map(int, _nodes(runs))}
    scales = less([EFFICIENCY * b for b in batches[many]], batches[few], paired=False, alpha=claim.alpha)
    modelled = [
        modelled_seconds(2, 300, 1.0, share) / modelled_seconds(32, 300, 1.0, share) for share in (FAST, SLOW[0])
    ]
    differ = [run.final("differ") for run in runs.all]
    loss = float(np.mean([run.final("mean_loss") / run.final("start_loss") for run in runs[many]]))
    whole = exactly([*differ, loss < LEARNED], [*[0.0] * len(differ), True])
    text = (
        f"efficiency {np.mean(batches[few]) / np.mean(batches[many]):.2f} at n = {many} against {few}, modelled "
        f"{modelled[-1]:.2f} at 32; {sum(differ):.0f} models differ from the replay, loss {loss:.2f} of the initial one"
    )
    claim.decide(all_of(scales, whole, exactly([e >= EFFICIENCY for e in modelled], [True] * 2)), text, runs)


def _nodes(runs: Runs[WindowTraining]) -> list[int]:
    return [run[0].experiment.nodes for run in runs.values()]


def _batch(runs: Runs[WindowTraining], n: int) -> list[float]:
    """Return the CPU time of a batch of every run, in units of its gradient's."""
    return [run.final("cpu_seconds") / run.final("compute_seconds") for run in runs[n]]


# ---------------------------------------------------------------------------------------------------------- figure


def _plot(figures: FigureFolder, runs: Runs[WindowTraining]) -> None:
    figure, (axis,) = panels(1, width=5.2)
    rows = [
        {"source": "measured", "link_share": 0.0, "n": n, "ratio": ratio}
        for n in _nodes(runs)
        for ratio in _batch(runs, n)
    ]
    rows += [
        {"source": "modelled", "link_share": share, "n": n, "ratio": ratio}
        for share in (FAST, *SLOW)
        for n in MODELLED
        if (ratio := modelled_seconds(n, 300, 1.0, share))
    ]
    frame = pd.DataFrame(rows)
    for ((source, share), part), colour in zip(frame.groupby(["source", "link_share"]), COLOURS, strict=False):
        grouped = part.groupby("n")["ratio"].agg(["mean", "min", "max"])
        spread = [grouped["mean"] - grouped["min"], grouped["max"] - grouped["mean"]]
        modelled = source == "modelled"
        name = (
            f"modelled, model on link = {share:.0%} of compute" if modelled else "CPU time in shared memory, measured"
        )
        style = "--" if modelled else "o-"
        axis.errorbar(grouped.index, grouped["mean"], yerr=spread, fmt=style, ms=4, color=colour, label=name)
    axis.set_xscale("log", base=2)
    axis.set_xticks(MODELLED, [str(n) for n in MODELLED])
    axis.set(xlabel="nodes", ylabel="time per batch (compute = 1)", title="one-sided PopSGD, a rank per node")
    axis.legend(fontsize=6)
    figures.save("figure2-time", figure, frame)
