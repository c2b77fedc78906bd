"""Figure 6, section 7: the speed-up of a web service against the loss of learning traffic on the same network."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch

from algorithms.network import Link
from algorithms.rps.averaging import average_blocks
from algorithms.world import World
from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Interval,
    Runs,
    Settings,
    all_of,
    decides,
    exactly,
    mean_interval,
    panels,
    within,
)
from reproductions.rps.colocation.experiment import Colocation
from reproductions.rps.colocation.recipes import (
    DEGREES,
    RATES,
    by_degree,
    draw,
    point,
    rises,
    scene,
    speed_ups,
    table,
    variant,
)
from reproductions.rps.colocation.traffic import Learning
from reproductions.workloads.resnet import ResNet

LOSS = 0.1  # of which the paper speaks
WORKERS, LINK = 16, 1e9  # bits a second
SMALL_QUEUE = "switch queue of 64 kB"
_NEVER = Interval(math.nan, math.nan, math.nan, math.nan, 0)


def experiments(settings: Settings) -> dict[tuple[float, float] | str, list[Colocation]]:
    """Return all points of the figure by rate of web messages and degree, and one with smaller queues."""
    seeds = {2000: range(max(8, settings.seeds))}  # the rate at which 10 % loss occurs
    points: dict[tuple[float, float] | str, list[Colocation]] = {
        (rate, d): point(settings, scene(rate, d), seeds.get(rate)) for rate in RATES for d in DEGREES
    }
    small = variant(scene(RATES[0], 0.0), {"fabric": {"switch_queue": 64_000}})
    return points | {SMALL_QUEUE: point(settings, small)}


def _drawn(runs: Runs[Colocation]) -> Runs[Colocation]:
    return runs.where(lambda label: label != SMALL_QUEUE)


def _order(claim: Decider, runs: Runs[Colocation], rate: float) -> None:
    """Decide that learning loses more and messages are faster through with every degree."""
    found = table(_drawn(runs).all)
    losses, speeds = by_degree(found, "learning_loss", rate), speed_ups(found, rate)
    decision = all_of(rises(speeds), rises(losses))
    first, last = (f"{losses[degree].mean():.1%}" for degree in (0.0, 1.0))
    claim.decide(decision, f"x1 at {first} to x{speeds[1.0].mean():.2f} at {last} loss", runs)


@decides("rps-fig6-lambda2000")
def test_2000_messages_a_second(claim: Decider, runs: Runs[Colocation]) -> None:
    _order(claim, runs, 2000)


@decides("rps-fig6-lambda5000")
def test_5000_messages_a_second(claim: Decider, runs: Runs[Colocation]) -> None:
    _order(claim, runs, 5000)


@decides("rps-fig6-lambda10000")
def test_10000_messages_a_second(claim: Decider, runs: Runs[Colocation]) -> None:
    _order(claim, runs, 10_000)


def _at_ten_percent(losses: pd.DataFrame, times: pd.DataFrame) -> float:
    """Return the speed-up at 10 % loss on the line through the means of all degrees."""
    return float(np.interp(LOSS, losses.mean(), times[0.0].mean() / times.mean()))


def _reached(runs: Runs[Colocation]) -> dict[int, np.ndarray]:
    """Return the jackknife's pseudo-values, one a seed, at all rates at which some degree loses less and some more."""
    found, result = table(runs.all), dict[int, np.ndarray]()
    for rate in RATES:
        losses, times = (by_degree(found, metric, rate) for metric in ("learning_loss", "completion_ms"))
        if losses[0.0].mean() <= LOSS <= losses[1.0].mean():
            n, whole = len(losses), _at_ten_percent(losses, times)
            without = [_at_ten_percent(losses.drop(seed), times.drop(seed)) for seed in losses.index]
            result[rate] = n * whole - (n - 1) * np.array(without)
    return result


@decides("rps-fig6-speedup-10pct")
def test_speed_up_at_10_percent_loss(claim: Decider, runs: Runs[Colocation]) -> None:
    reached = _reached(_drawn(runs))
    rate = max(reached, key=lambda rate: float(reached[rate].mean()), default=0)
    interval = mean_interval(reached[rate], 1 - 0.05 / len(RATES)) if reached else _NEVER
    more, less = (
        within(interval, *ends) if reached else _never()
        for ends in ((float(claim.claim.value), math.inf), (0, float(claim.claim.value)))
    )
    # between our queues and smaller ones, with which 10 % are lost without priority already, it falls to 1
    lost = table(runs[SMALL_QUEUE])["learning_loss"]
    beyond = within(lost, LOSS, 1.0)
    text = (
        f"x{interval.estimate:.2f} at {rate} messages a second; {lost.mean():.0%} lost without priority, small queues"
    )
    claim.decide_readings({"number": all_of(more, beyond), "at_least": more, "at_most": less}, text, runs)


def _never() -> Decision:
    return Decision("fails", _NEVER, "10 % loss is between no and full prioritization at none of the rates")


@decides("rps-sec7-ml-load")
def test_load_of_learning(claim: Decider, runs: Runs[Colocation]) -> None:
    learning = Learning()
    world = World(None, WORKERS)
    average_blocks(world, torch.zeros(WORKERS, learning.parameters), 0)
    sent = world.traffic.totals()["sent_bytes"]
    parameters = sum(p.numel() for p in ResNet(110).build().parameters())
    ledger = exactly([learning.parameters, learning.round_bytes(WORKERS)], [parameters, sent])
    busy = Link(LINK).seconds(0, world.traffic.busiest_bytes)  # of a round without any computation
    loads = [run.final("learning_gbps") for run in runs.all]
    possible = exactly([load <= 8e-9 * sent / busy for load in loads], [True] * len(loads))
    found = f"{sent / 1e6:.1f} MB a round, of {learning.period(WORKERS):.3f} s and {busy:.3f} s at least"
    claim.decide(all_of(ledger, possible), found, runs)


def test_figure6(runs: Runs[Colocation], figures: FigureFolder) -> None:
    found = table(_drawn(runs).all)
    figure, axes = panels(2)
    for rate in RATES:
        losses, speeds = by_degree(found, "learning_loss", rate), speed_ups(found, rate)
        draw(axes[0], losses, speeds, f"{rate}")
        draw(axes[1], losses, by_degree(found, "completion_ms", rate), f"{rate}")
    axes[0].axhline(1.2, color="grey", ls=":", lw=1, label=f"printed: 1.2 at {LOSS:.0%}")
    axes[0].axvline(LOSS, color="grey", ls=":", lw=1)
    axes[0].set(ylabel="speed-up of web messages", title="against no prioritization")
    axes[1].set(ylabel="mean completion time (ms)", title="packet simulation, 16 servers")
    axes[0].legend(title="messages a second", fontsize=7, title_fontsize=7, loc="upper center", bbox_to_anchor=(0.7, 1))
    for axis in axes:
        axis.set(xlabel="packets of learning lost", yscale="log")
        axis.xaxis.set_major_formatter("{x:.0%}")
    figures.save("figure6", figure, found)
