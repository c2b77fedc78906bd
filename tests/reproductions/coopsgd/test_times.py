"""The time model is the ledger of real averagings, and the calibration does what the paper prints."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.coopsgd import cooperative as co
from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.network import Link
from algorithms.topology import metropolis, ring, star, uniform
from algorithms.world import World
from reproductions.coopsgd import time_model
from reproductions.coopsgd.floors import LOSS
from reproductions.coopsgd.plots import tidy
from reproductions.coopsgd.recipes import curve
from reproductions.paper import Run, Runs, Settings

FLOATS, STEPS, COMPUTE = 840, 12, 0.5  # 840: every number of workers below divides it, as all-reduce cuts rows
LINK = Link(bandwidth=1e5, latency=1e-3)
MEMBERS = {
    "fully synchronous": co.fully_synchronous(4),
    "PASGD": co.periodic_averaging(7, 3),
    "EASGD": co.elastic_averaging(8, 0.2),
    "D-PSGD": co.decentralized(metropolis(star(5))),
    "decentralized periodic": co.decentralized_periodic(uniform(ring(7)), 4),
    "generalized elastic": co.generalized_elastic(uniform(ring(5)), 0.2, tau=2),
    "hierarchical": co.hierarchical_averaging([3, 2], 0.2, 0.1, tau=2),
}


def ledger(algorithm: CooperativeSGD) -> World:
    world = World(None, len(algorithm.weights))
    x = torch.zeros(world.workers, FLOATS)
    for t in range(STEPS):
        algorithm.step(world, x, torch.zeros_like(x), {}, t, 0.1)
    algorithm.settle(world, x)
    return world


def seconds(algorithm: CooperativeSGD, link: Link = LINK) -> float:
    """Return the modelled seconds of an iteration."""
    return time_model.iteration_seconds(algorithm, algorithm.workers, FLOATS, COMPUTE, link)


@pytest.mark.parametrize("algorithm", MEMBERS.values(), ids=MEMBERS)
def test_blocking_time_is_compute_plus_the_ledger_of_a_run(algorithm: CooperativeSGD) -> None:
    traffic = ledger(algorithm).traffic
    wanted = STEPS * COMPUTE + LINK.seconds(traffic.busiest_messages, traffic.busiest_bytes)
    assert STEPS * seconds(algorithm) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("name", ["EASGD", "generalized elastic", "hierarchical"])
def test_overlap_sends_the_messages_of_the_ledger_in_phases(name: str) -> None:
    algorithm = replace(MEMBERS[name], overlap=True)
    routes = time_model.split(algorithm.W, algorithm.v)
    counts = [np.asarray(phase, dtype=int) for phase in routes]
    assert np.array_equal(sum(counts), algorithm.W != 0)  # every message in one phase, none in two
    world = World(None, len(algorithm.weights))
    for phase in routes:
        world.count(torch.zeros(world.workers, FLOATS), phase)
    averagings = STEPS // algorithm.tau
    assert averagings * world.traffic.sent_bytes.sum() == ledger(algorithm).traffic.sent_bytes.sum()


def test_a_hidden_message_costs_time_only_if_it_outlasts_the_compute() -> None:
    algorithm = co.elastic_averaging(2, 0.2, tau=4, overlap=True)  # two models up, two copies of z down
    fast, slow = (Link(bandwidth=32 * FLOATS / seconds) for seconds in (COMPUTE, 2 * COMPUTE))
    assert seconds(algorithm, fast) == pytest.approx(COMPUTE)
    assert seconds(algorithm, slow) == pytest.approx(2 * COMPUTE)


def test_calibration_gives_the_saving_of_pasgd_at_every_share_of_latency() -> None:
    for share in (0.0, 0.3, 1.0):
        compute, link = time_model.calibrated(share)
        synchronous, periodic = co.fully_synchronous(4), co.periodic_averaging(4, 10)
        assert time_model.iteration_seconds(synchronous, 4, time_model.VGG16, compute, link) == pytest.approx(1)
        assert time_model.saving(periodic, synchronous, time_model.VGG16, compute, link) == pytest.approx(0.67)
    with pytest.raises(ValueError, match=r"the share of latency is 1.5, but it must lie in \[0, 1\]"):
        time_model.calibrated(1.5)


class Alone(Algorithm):
    """Local steps only."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        x[: len(g)].sub_(g, alpha=lr)


@dataclass(frozen=True)
class Disguised(Algorithm):
    """A member of A(tau, W, v) as an algorithm that the time model does not know."""

    member: CooperativeSGD

    @property
    def auxiliaries(self) -> int:
        return self.member.auxiliaries

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        self.member.step(world, x, g, state, t, lr)


@pytest.mark.parametrize("member", [co.periodic_averaging(8, 3), co.elastic_averaging(8, 0.2, tau=4)])
def test_an_algorithm_that_the_model_does_not_know_waits_for_all_that_it_sends(member: CooperativeSGD) -> None:
    known, unknown = (
        time_model.iteration_seconds(each, 8, FLOATS, COMPUTE, LINK) for each in (member, Disguised(member))
    )
    assert unknown == pytest.approx(known, rel=1e-12)
    assert unknown > COMPUTE == time_model.iteration_seconds(Alone(), 8, FLOATS, COMPUTE, LINK)


def test_curves_over_time_are_those_of_the_algorithm_of_each_run() -> None:
    grid = {tau: curve(Settings(seeds=1), co.periodic_averaging(4, tau)) for tau in (1, 2)}
    grid[2] = [replace(run, algorithm=Alone()) for run in grid[2]]
    rows = pd.DataFrame([(1, LOSS, 2.0), (2, LOSS, 1.0)], columns=["step", "metric", "value"])
    runs = Runs({tau: [Run(run, rows, {}) for run in group] for tau, group in grid.items()})
    found = tidy(runs, LOSS, ["tau"]).groupby("tau")["time"]
    assert found.max().to_dict() == {1: pytest.approx(2 / (1 - time_model.SHARE)), 2: 2.0}
