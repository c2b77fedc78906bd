"""Figure 7, section 7: how many more web messages a network carries in the same time, for the learning it loses.

The paper fixes the mean completion time and raises the rate of messages; the same machines then serve more of them, so
that one costs less. Here the capacity of a degree of prioritization is the largest rate whose mean completion time is
at most the target, read off a curve through simulated rates, and the cost is reduced by its ratio to the capacity
without prioritization.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Runs,
    Settings,
    all_of,
    decides,
    less,
    mean_interval,
    panels,
)
from reproductions.rps.colocation.experiment import Colocation
from reproductions.rps.colocation.recipes import draw, point, rises, scene, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TARGETS = (2.0, 5.0, 10.0)  # milliseconds
MOST_LOST = 0.2  # the figures about training go no further
DEGREES = (0.0, 0.5, 1.0)
RATES = (200, 1000, 2000, 5000, 10_000, 15_000, 18_000)


def experiments(settings: Settings) -> dict[tuple[float, float], list[Colocation]]:
    """Return points from few messages to nearly full links, by rate and degree of prioritization."""
    return {(rate, degree): point(settings, scene(rate, degree)) for rate in RATES for degree in DEGREES}


def capacities(found: pd.DataFrame, target: float) -> pd.DataFrame:
    """Return for every seed and degree the rate at which messages take `target` ms, and the loss of learning there.

    Between simulated rates both are linear in the logarithms of rate and time. A target that is missed at the lowest
    rate already leaves a rate that is ``censored``: it is below the lowest one, which stands in its place.
    """
    rows = []
    for (seed, degree), part in found.groupby(["seed", "degree"]):
        curve = part.sort_values("rate")
        times, rates = np.maximum.accumulate(np.log(curve["completion_ms"].to_numpy())), np.log(curve["rate"])
        at = np.interp(np.log(target), times, rates)
        loss = np.interp(at, rates, curve["learning_loss"])
        censored = bool(times[0] > np.log(target))
        rows.append((seed, degree, round(float(np.exp(at)), 6), loss, censored, target))
    return pd.DataFrame(rows, columns=["seed", "degree", "rate", "learning_loss", "censored", "target"])


def useful(found: pd.DataFrame) -> pd.DataFrame:
    """Return for every seed the rates without priority and at the most of it that loses no more than `MOST_LOST`.

    Between degrees the logarithm of the rate is linear in the loss. The second is NaN where even without priority more
    is lost.
    """
    rows = []
    for seed, part in found.groupby("seed"):
        curve = part.sort_values("degree")
        loss, rates = np.maximum.accumulate(curve["learning_loss"].to_numpy()), np.log(curve["rate"])
        most = float(np.exp(np.interp(MOST_LOST, loss, rates))) if loss[0] <= MOST_LOST else math.nan
        rows.append((seed, float(curve["rate"].iloc[0]), most, bool(curve["censored"].iloc[0])))
    return pd.DataFrame(rows, columns=["seed", "without", "most", "censored"])


def _decide(claim: Decider, runs: Runs[Colocation]) -> None:
    """Decide that learning loses more with every degree and that at most 20 % of losses carry more messages."""
    found = capacities(table(runs.all), float(claim.claim.at["target"]))
    compared, losses = useful(found), found.pivot(index="seed", columns="degree", values="learning_loss")
    first = losses[0.0].mean()
    if compared["most"].isna().any():
        sentence = f"{first:.0%} are lost without priority: there is nothing to compare up to {MOST_LOST:.0%}"
        nothing = Decision("inconclusive", mean_interval(losses[0.0]), sentence)
        claim.decide(nothing, f"{first:.0%} lost without priority", runs)
        return
    more = less(np.log(compared["without"]), np.log(compared["most"]))
    decision = all_of(more, rises(losses))
    below = "below " if compared["censored"].any() else ""
    most, without = compared["most"].mean(), compared["without"].mean()
    text = f"{most:.0f} a second at {MOST_LOST:.0%} loss, {below}{without:.0f} at {first:.1%}"
    claim.decide(decision, text, runs)


@decides("rps-fig7-target2ms")
def test_target_of_2_ms(claim: Decider, runs: Runs[Colocation]) -> None:
    _decide(claim, runs)


@decides("rps-fig7-target5ms")
def test_target_of_5_ms(claim: Decider, runs: Runs[Colocation]) -> None:
    _decide(claim, runs)


@decides("rps-fig7-target10ms")
def test_target_of_10_ms(claim: Decider, runs: Runs[Colocation]) -> None:
    _decide(claim, runs)


def test_figure7(runs: Runs[Colocation], figures: FigureFolder) -> None:
    found = table(runs.all)
    figure, (left, right) = panels(2)
    for degree, part in found.groupby("degree"):
        means = part.groupby("rate")["completion_ms"].mean()
        left.plot(means.index, means, marker="o", ms=4, label=f"{degree:.0%}")
    for target in TARGETS:
        left.axhline(target, color="grey", ls=":", lw=1, label="_" if target > TARGETS[0] else "targets of the paper")
    frame = pd.concat([capacities(found, target) for target in TARGETS])
    for target in TARGETS:
        _draw_factors(right, frame[frame["target"] == target], f"{target:g}")
    right.axvspan(0, MOST_LOST, color="black", alpha=0.06, lw=0, label=f"at most {MOST_LOST:.0%}")
    left.set(xlabel="web messages a second", ylabel="mean completion time (ms)", xscale="log", yscale="log")
    left.set_title("packet simulation, 16 servers")
    right.set_title("at the target, over no priority")
    left.legend(title="messages with priority", fontsize=8)
    right.set(xlabel="packets of learning lost", ylabel="messages in the same time, ratio", yscale="log")
    right.xaxis.set_major_formatter("{x:.0%}")
    right.legend(title="target (ms)", fontsize=8)
    figures.save("figure7", figure, frame)


def _draw_factors(axis: Axes, found: pd.DataFrame, label: str) -> None:
    """Draw by what factor each degree raises the rate; nothing where the rate without priority is not known."""
    censored = found.loc[found["degree"] == 0, "censored"].any()
    losses, rates = (found.pivot(index="seed", columns="degree", values=name) for name in ("learning_loss", "rate"))
    if not censored:
        draw(axis, losses, rates.div(rates[0.0], axis="index"), label)
