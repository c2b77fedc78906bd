"""Seconds of rounds over real links beside what the link model says of their ledger: as a table, and drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from algorithms.network import Link
from reproductions.experiments.link_rounds import RATES, Rounds
from reproductions.harness.figures import COLOURS
from reproductions.harness.runs.real_links import CONTENT
from reproductions.harness.runs.store import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Measured over modelled seconds. Above one: arithmetic, latency, other processes; below: bursts after a pause.
# 1.3 was chosen after runs, under load, whose ratios at 5 and 20 Mbit/s went up to 1.09.
CLOSE = 0.95, 1.3


def measured(run: Run) -> float:
    """Return the shortest seconds of a round: other processes of the machine only ever add to it."""
    return float(run.series("seconds").min())


def modelled(run: Run) -> float:
    """Return the seconds of a round by the link model, for the share of the rate that frames leave to their content."""
    assert isinstance(run.experiment, Rounds)
    link = Link(run.experiment.mbit * 1e6 * CONTENT)
    return link.seconds(run.final("busiest_messages"), run.final("busiest_bytes"))


def table(runs: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """Return seconds of a round, measured and modelled, and their ratio, by label and rate of the links."""
    import pandas as pd

    rows = [
        (label, run.experiment.mbit, run.experiment.floats, measured(run), modelled(run), measured(run) / modelled(run))
        for label, group in runs.items()
        for run in group
        if isinstance(run.experiment, Rounds)
    ]
    return pd.DataFrame(rows, columns=["label", "mbps", "floats", "measured", "modelled", "ratio"])


def draw(axis: Axes, frame: pd.DataFrame) -> None:
    """Draw a `table`: what was measured as points, the link model as lines, both in seconds."""
    for (label, group), colour, marker in zip(frame.groupby("label", sort=False), COLOURS, "o+sx", strict=False):
        axis.plot(group["mbps"], group["modelled"], "-", color=colour, lw=1)
        axis.plot(group["mbps"], group["measured"], marker, color=colour, ms=8, mfc="none", label=label)
    axis.plot([], [], "k-", lw=1, label="link model")
    axis.set(xscale="log", yscale="log", xlabel="rate of every link [Mbit/s]", ylabel="seconds a round")
    axis.set_xticks(list(RATES), [f"{rate:g}" for rate in RATES])
    axis.set_xticks([], minor=True)
    axis.legend(fontsize=7)
