"""The clock of the comparison against links that really limit: seconds of a round; for ``--network real``."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from algorithms.algorithm import Algorithm
from algorithms.coopsgd.cooperative import decentralized, fully_synchronous, hierarchical_averaging
from algorithms.qprsgd.messages import Dense
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.rps.averaging import ModelAveraging
from algorithms.topology import ring, uniform
from reproductions.comparison.clock import Clock
from reproductions.comparison.conditions import MODEL, NetworkCondition
from reproductions.comparison.rounds import TimedWorld
from reproductions.experiments.link_rounds import Rounds
from reproductions.harness.runs.real_links import CONTENT
from reproductions.paper import Decider, FigureFolder, Runs, Settings, all_of, decides, panels

N, RATES, ROUNDS = 4, (20.0, 50.0), 8
ALGORITHMS: dict[str, Algorithm] = {
    "synchronous SGD": fully_synchronous(N),
    "D-PSGD": decentralized(uniform(ring(N))),
    "hierarchical averaging": hierarchical_averaging([2, 2], 1 / 3, 0.25, 1),
    "RPS": ModelAveraging(),
    "PSGD on a ring": RingQPRSGD(1, Dense()),
    "QSGD on a ring": RingQPRSGD(1, Quantizer(2047)),
}


def experiments(settings: Settings) -> dict[tuple[str, float], list[Rounds]]:
    """Return rounds by algorithm and rate of the links; the same at every scale."""
    return {
        (name, rate): [Rounds(algorithm, 1, N + algorithm.auxiliaries, MODEL, rate, ROUNDS)]
        for (name, algorithm), rate in product(ALGORITHMS.items(), RATES)
    }


def modelled(experiment: Rounds) -> float:
    """Return the seconds of a round by the clock, for the share of the rate that frames leave to their content."""
    algorithm, rows = experiment.algorithm, experiment.models
    where = NetworkCondition("real links", bandwidth=experiment.mbit * 1e6 * CONTENT, workers=N)
    clock = Clock([where], rows, experiment.iterations, seed=0)
    world, x = TimedWorld(rows, clock), torch.zeros(rows, experiment.floats)
    state = algorithm.state(world, x)
    for t in range(experiment.iterations):
        algorithm.step(world, x, torch.ones_like(x), state, t, 0.1)
    return float(clock.now.max())


def ratios(runs: Runs[Rounds], name: str, rate: float) -> NDArray[np.float64]:
    """Return measured over modelled seconds of every round, (rounds,)."""
    (run,) = runs[name, rate]
    found: NDArray[np.float64] = np.divide(run.series("seconds").to_numpy(), modelled(run.experiment), dtype=np.float64)
    return found


@decides("comparison-clock")
def test_a_round_takes_what_the_clock_says(claim: Decider, runs: Runs[Rounds]) -> None:
    found = {label: ratios(runs, *label) for label in product(ALGORITHMS, RATES)}
    text = "; ".join(f"{name} at {rate:g} Mbit/s: {each.mean():.3g}" for (name, rate), each in found.items())
    claim.decide(all_of(*(claim.within(each) for each in found.values())), text, runs=runs)


def test_clock_on_real_links(runs: Runs[Rounds], figures: FigureFolder) -> None:
    rows = [
        {"algorithm": name, "mbps": rate, "modelled": modelled(runs.experiment((name, rate))), "measured": seconds}
        for name, rate in product(ALGORITHMS, RATES)
        for seconds in runs[name, rate][0].series("seconds")
    ]
    frame = pd.DataFrame(rows)
    figure, (axis,) = panels(1, width=5.2)
    for (name, part), marker in zip(frame.groupby("algorithm", sort=False), "osD^v*", strict=True):
        axis.plot(part["modelled"], part["measured"], marker, ms=5, mfc="none", label=str(name))
    ends = [frame["modelled"].min(), frame["modelled"].max()]
    axis.plot(ends, ends, "k--", lw=1, label="equal")
    axis.set(xscale="log", yscale="log", xlabel="seconds a round by the clock", ylabel="seconds a round, measured")
    axis.set_title(f"{N} workers on hosts of their own, {MODEL:,} parameters", fontsize=8)
    axis.set_xticks([0.1, 0.2, 0.5, 1], ["0.1", "0.2", "0.5", "1"])
    axis.minorticks_off()
    axis.legend(fontsize=6)
    figures.save("clock-on-real-links", figure, frame)
