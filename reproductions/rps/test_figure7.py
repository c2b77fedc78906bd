"""Figure 7, section 7: how many more web messages a network carries in the same time, for the learning it loses.

The paper fixes the mean completion time and raises the rate of messages; the same machines then serve more of them, so
that one costs less. Here the capacity of a degree of prioritization is the largest rate whose mean completion time is
at most the target, read off a curve through simulated rates, and the cost is reduced by its ratio to the capacity
without prioritization.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reproductions.harness.decisions import all_of
from reproductions.harness.figures import FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import increasing
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps.colocation.experiment import Colocation
from reproductions.rps.colocation.grids import draw, point, scene, table

TARGETS = (2.0, 5.0, 10.0)  # milliseconds
DEGREES = (0.0, 0.5, 1.0)
RATES = (200, 1000, 2000, 5000, 10_000, 15_000, 18_000)


def experiments(settings: Settings) -> list[Colocation]:
    """Return points from few messages to nearly full links."""
    return [run for rate in RATES for degree in DEGREES for run in point(settings, scene(rate, degree))]


def capacities(found: pd.DataFrame, target: float) -> pd.DataFrame:
    """Return for every seed and degree the rate at which messages take `target` ms, and the loss of learning there.

    Between simulated rates both are linear in the logarithms of rate and time; outside of them the rate is the first
    or last one, which makes the ratio of capacities smaller, not larger, for the first and the degree 0.
    """
    rows = []
    for (seed, degree), part in found.groupby(["seed", "degree"]):
        curve = part.sort_values("rate")
        times, rates = np.maximum.accumulate(np.log(curve["completion_ms"])), np.log(curve["rate"])
        at = np.interp(np.log(target), times, rates)
        loss = np.interp(at, rates, curve["learning_loss"])
        rows.append({"seed": seed, "degree": degree, "rate": round(float(np.exp(at)), 6), "learning_loss": loss})
    frame = pd.DataFrame(rows)
    base = frame[frame["degree"] == 0].set_index("seed")["rate"]
    return frame.assign(factor=frame["rate"] / frame["seed"].map(base), target=target)


def _sides(found: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return losses and ratios of capacities: a row for every seed, a column for every degree."""
    losses, factors = (found.pivot(index="seed", columns="degree", values=name) for name in ("learning_loss", "factor"))
    return losses, factors


def _decide(claim: Decider, runs: Sequence[Run], target: float) -> None:
    """Decide that both the loss of learning and the capacity rise with every degree."""
    found = capacities(table(runs), target)
    losses, factors = _sides(found)
    decision = all_of(*(increasing([side[degree] for degree in DEGREES]) for side in (factors, losses)))
    beyond = (
        "at least " if found["rate"].min() <= RATES[0] else ""
    )  # the target is missed at all rates without priority
    more = f"{beyond}x{factors[1.0].mean():.2f} messages at {losses[1.0].mean():.0%} loss"
    claim.decide(decision, f"{more}, x1 at {losses[0.0].mean():.1%}", runs)


@decides("rps-fig7-target2ms")
def test_target_of_2_ms(claim: Decider, runs: list[Run]) -> None:
    _decide(claim, runs, 2.0)


@decides("rps-fig7-target5ms")
def test_target_of_5_ms(claim: Decider, runs: list[Run]) -> None:
    _decide(claim, runs, 5.0)


@decides("rps-fig7-target10ms")
def test_target_of_10_ms(claim: Decider, runs: list[Run]) -> None:
    _decide(claim, runs, 10.0)


def test_figure7(runs: list[Run], figures: FigureFolder) -> None:
    found = table(runs)
    figure, (left, right) = panels(2)
    for degree, part in found.groupby("degree"):
        means = part.groupby("rate")["completion_ms"].mean()
        left.plot(means.index, means, marker="o", ms=4, label=f"{degree:.0%}")
    for target in TARGETS:
        left.axhline(target, color="grey", ls=":", lw=1)
    frame = pd.concat([capacities(found, target) for target in TARGETS])
    for target in TARGETS:
        losses, factors = _sides(frame[frame["target"] == target])
        draw(right, losses, factors, f"{target:g}")
    left.set(xlabel="web messages a second", ylabel="mean completion time (ms)", xscale="log", yscale="log")
    left.legend(title="messages with priority", fontsize=8)
    right.set(xlabel="packets of learning lost", ylabel="messages in the same time, ratio", yscale="log")
    right.xaxis.set_major_formatter("{x:.0%}")
    right.legend(title="target (ms)", fontsize=8)
    figures.save("figure7", figure, frame)
