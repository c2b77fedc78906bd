"""Figure 6, section 7: the speed-up of a web service against the loss of learning traffic on the same network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from algorithms.network import Link
from algorithms.rps import average_blocks
from algorithms.world import World
from reproductions.harness.decisions import Decision, Interval, all_of, exactly
from reproductions.harness.figures import FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import increasing, mean_interval, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps.colocation.experiment import Colocation
from reproductions.rps.colocation.grids import DEGREES, RATES, by_degree, draw, point, scene, speed_ups, table
from reproductions.rps.colocation.traffic import Learning
from reproductions.workloads.resnet import ResNet

LOSS = 0.1  # of which the paper speaks
WORKERS, LINK = 16, 1e9  # bits a second
_NEVER = Decision(
    "fails",
    Interval(math.nan, math.nan, math.nan, math.nan, 0),
    "10 % loss is between no and full prioritization at none of the rates",
)


def experiments(settings: Settings) -> list[Colocation]:
    """Return all points of the figure."""
    seeds = {2000: range(max(8, settings.seeds))}  # the rate at which 10 % loss occurs
    return [e for rate in RATES for d in DEGREES for e in point(settings, scene(rate, d), seeds.get(rate))]


def _order(claim: Decider, runs: Sequence[Run], rate: float) -> None:
    """Decide that learning loses more and messages are faster through with every degree."""
    found = table(runs)
    losses, speeds = by_degree(found, "learning_loss", rate), speed_ups(found, rate)
    decision = all_of(*(increasing([frame[degree] for degree in DEGREES]) for frame in (speeds, losses)))
    first, last = (f"{losses[degree].mean():.1%}" for degree in (0.0, 1.0))
    claim.decide(decision, f"x1 at {first} to x{speeds[1.0].mean():.2f} at {last} loss", runs)


@decides("rps-fig6-lambda2000")
def test_2000_messages_a_second(claim: Decider, runs: list[Run]) -> None:
    _order(claim, runs, 2000)


@decides("rps-fig6-lambda5000")
def test_5000_messages_a_second(claim: Decider, runs: list[Run]) -> None:
    _order(claim, runs, 5000)


@decides("rps-fig6-lambda10000")
def test_10000_messages_a_second(claim: Decider, runs: list[Run]) -> None:
    _order(claim, runs, 10_000)


def _at_ten_percent(losses: pd.DataFrame, times: pd.DataFrame) -> float:
    """Return the speed-up at 10 % loss on the line through the means of all degrees."""
    return float(np.interp(LOSS, losses.mean(), times[0.0].mean() / times.mean()))


def _reached(runs: Sequence[Run]) -> dict[int, np.ndarray]:
    """Return the jackknife's pseudo-values, one a seed, at all rates at which some degree loses less and some more."""
    found, result = table(runs), dict[int, np.ndarray]()
    for rate in RATES:
        losses, times = (by_degree(found, metric, rate) for metric in ("learning_loss", "completion_ms"))
        if losses[0.0].mean() <= LOSS <= losses[1.0].mean():
            n, whole = len(losses), _at_ten_percent(losses, times)
            without = [_at_ten_percent(losses.drop(seed), times.drop(seed)) for seed in losses.index]
            result[rate] = n * whole - (n - 1) * np.array(without)
    return result


def _decide_ten_percent(claim: Decider, runs: Sequence[Run], low: float, high: float) -> None:
    """Decide on the largest speed-up at 10 % loss, with Bonferroni's correction over the rates."""
    reached = _reached(runs)
    if not reached:
        claim.decide(_NEVER, "never", runs)
        return
    rate = max(reached, key=lambda rate: float(reached[rate].mean()))
    interval = mean_interval(reached[rate], 1 - 0.05 / len(RATES))
    claim.decide(within(interval, low, high), f"x{interval.estimate:.2f} at {rate} messages a second", runs)


@decides("rps-fig6-speedup-10pct")
def test_more_than_20_percent_at_10_percent_loss(claim: Decider, runs: list[Run]) -> None:
    _decide_ten_percent(claim, runs, 1.2, math.inf)


@decides("rps-intro-web-1.2x")
def test_up_to_1_2_at_10_percent_loss(claim: Decider, runs: list[Run]) -> None:
    _decide_ten_percent(claim, runs, 1.15, 1.25)


@decides("rps-sec7-ml-load")
def test_load_of_learning(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    if settings.scale == "paper":
        claim.not_run("needs the time of an iteration on the paper's 16 TITAN Xp with CNTK; the load is given to us")
    learning = Learning()
    world = World(None, WORKERS)
    average_blocks(world, torch.zeros(WORKERS, learning.parameters), 0)
    sent = world.traffic.totals()["sent_bytes"]
    parameters = sum(p.numel() for p in ResNet(110).build().parameters())
    ledger = exactly([learning.parameters, learning.round_bytes(WORKERS)], [parameters, sent])
    busy = Link(LINK).seconds(0, world.traffic.busiest_bytes)  # of a round without any computation
    possible = within([run.final("learning_gbps") for run in runs], 0, 8e-9 * sent / busy)
    found = f"{sent / 1e6:.1f} MB a round, of {learning.period(WORKERS):.3f} s and {busy:.3f} s at least"
    claim.decide(all_of(ledger, possible), found, runs)


def test_figure6(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    found = table(runs)
    figure, axes = panels(2)
    for rate in RATES:
        losses, speeds = by_degree(found, "learning_loss", rate), speed_ups(found, rate)
        draw(axes[0], losses, speeds, f"{rate}")
        draw(axes[1], losses, by_degree(found, "completion_ms", rate), f"{rate}")
    axes[0].axhline(1.2, color="grey", ls=":", lw=1)
    axes[0].axvline(LOSS, color="grey", ls=":", lw=1)
    axes[0].set(ylabel="speed-up of web messages", title="against no prioritization")
    axes[1].set(ylabel="mean completion time (ms)", title="packet simulation, 16 servers")
    axes[0].legend(title="messages a second", fontsize=7, title_fontsize=7, loc="upper center", bbox_to_anchor=(0.7, 1))
    for axis in axes:
        axis.set(xlabel="packets of learning lost", yscale="log")
        axis.xaxis.set_major_formatter("{x:.0%}")
    figures.save("figure6", figure, found)
