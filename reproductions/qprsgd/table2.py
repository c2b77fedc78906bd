"""Table II: what it prints, and modelled time in place of the authors' cluster.

A round takes K local updates of one unit of time each plus its messages, ``volume * slowness``: volume is in dense
models through the busiest worker, from the ledger (2 (M - 1)/M on the ring, 2 by gossip, times 12/32 if quantized), and
slowness is the time of one model, 100/B times that at 100 Mbit/s. One number is free and set by one printed ratio, PSGD
on the ring at 5 against 100 Mbit/s; the other cells test it. Quantizing itself is taken to cost no time.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from algorithms.qprsgd import Dense
from algorithms.world import World
from reproductions.harness.claims import load_claims
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run, select
from reproductions.qprsgd.grids import BITS12, Method, Rounds, common_levels, curve, methods, recipe, rounds_to

BANDWIDTHS = (100, 20, 5)  # Mbit/s


def printed(paradigm: str, bandwidth: int, column: str) -> dict[str, float]:
    """Return the printed cells of a block by method; `column` is ``"acc"`` (%) or ``"time"`` (hours)."""
    claims = load_claims(Path(__file__).with_name("claims.yaml"))
    value = claims[f"qprsgd-table2-{paradigm.lower()}-{bandwidth}mbps-{column}"].value
    return {str(name): float(cell) for name, cell in value.items()}


@cache
def volume(method: Method) -> float:
    """Return the dense models through the busiest worker in one round, with 12 bits an element if quantized."""
    d = 4800  # long enough for the headers of messages to vanish in the second digit, and a multiple of 8 M
    world, x = World(None, method.workers), torch.ones(method.workers, d)
    algorithm = method.algorithm(BITS12.s)
    state = algorithm.state(world, x)
    algorithm.step(world, x, torch.zeros_like(x), state, method.period - 1, 0.0)
    return world.traffic.busiest_bytes / Dense().size(d)


def slowness() -> float:
    """Return the time of one dense model at 100 Mbit/s, in local updates, by the printed times of PSGD on the ring."""
    ratio = printed("RAR", 5, "time")["PSGD"] / printed("RAR", 100, "time")["PSGD"]
    return (ratio - 1) / (20 - ratio) / volume(methods("RAR")["PSGD"])


def round_seconds(method: Method, bandwidth: int) -> float:
    """Return the modelled time of one round, in local updates."""
    return method.period + volume(method) * slowness() * 100 / bandwidth


def times(settings: Settings, runs: list[Run], paradigm: str, bandwidth: int) -> dict[str, Rounds]:
    """Return the modelled time of each method and seed to the loss at which the slowest method of the seed ends."""
    groups = {name: select(runs, curve(settings, method)) for name, method in methods(paradigm).items()}
    levels = common_levels(groups.values())
    return {
        name: rounds_to(settings, groups[name], method, levels) * round_seconds(method, bandwidth)
        for name, method in methods(paradigm).items()
    }


def accuracies(settings: Settings, runs: list[Run], paradigm: str, bandwidth: int, share: float) -> dict[str, Rounds]:
    """Return the test accuracy (%) of each method and seed after a share of the time of a run of PSGD at 100 Mbit/s."""
    ours = recipe(settings)
    budget = share * ours.rounds * round_seconds(methods(paradigm)["PSGD"], 100)
    found = {}
    for name, method in methods(paradigm).items():
        passes = budget / round_seconds(method, bandwidth) / ours.rounds_per_pass(method)
        series = [run.series("mean_test_accuracy") for run in select(runs, curve(settings, method))]
        found[name] = np.array([100 * np.interp(passes, [0, *one.index], [10 / 100, *one]) for one in series])
    return found
