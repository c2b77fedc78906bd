"""The time model behind the savings of appendix A against links that really limit: seconds of communication a period.

It decides no claim: savings need the authors' share of communication, which is not printed. It checks that all-reduce,
averaging every tau steps and gossip take what the ledger says, so what the time model takes them to take.
"""

from __future__ import annotations

from itertools import product

import pandas as pd

from algorithms.coopsgd.cooperative import CooperativeSGD, decentralized, fully_synchronous, periodic_averaging
from algorithms.topology import ring, uniform
from reproductions.coopsgd.time_model import NODES, PASGD_TAU
from reproductions.experiments.link_figures import CLOSE, draw, measured, table
from reproductions.experiments.link_rounds import RATES, Rounds
from reproductions.paper import FigureFolder, Runs, Settings, panels

FLOATS = 125_000  # of the model; VGG-16 has 15 million
SYNCHRONOUS, PERIODIC, GOSSIP = "fully synchronous, a step", f"PASGD, {PASGD_TAU} steps", "D-PSGD on a ring, a step"
MEMBERS: dict[str, CooperativeSGD] = {
    SYNCHRONOUS: fully_synchronous(NODES),
    PERIODIC: periodic_averaging(NODES, PASGD_TAU),
    GOSSIP: decentralized(uniform(ring(NODES))),
}


def experiments(settings: Settings) -> dict[tuple[str, float], list[Rounds]]:
    """Return a period of every member at every rate; the same at every scale."""
    cells = product(MEMBERS.items(), RATES)
    return {(name, rate): [Rounds(member, member.tau, NODES, FLOATS, rate)] for (name, member), rate in cells}


def test_seconds_of_a_period_are_those_of_the_link_model(runs: Runs[Rounds]) -> None:
    found = _table(runs)
    slow = found[found["mbps"] < 100]  # at 100 Mbit/s a round of so small a model is mostly latency and arithmetic
    assert slow["ratio"].between(*CLOSE).all(), slow.to_string()


def test_the_delay_of_an_iteration_is_tau_times_smaller_and_gossip_is_no_shorter(runs: Runs[Rounds]) -> None:
    for rate in (5, 20):
        step, period, exchange = (measured(runs[name, rate][0]) for name in (SYNCHRONOUS, PERIODIC, GOSSIP))
        assert 0.8 < period / step < 1.25, "PASGD waits for one all-reduce in tau steps"
        assert exchange > step, "a ring of four sends two models where an all-reduce sends one and a half"


def test_real_links(runs: Runs[Rounds], figures: FigureFolder) -> None:
    frame = _table(runs)
    figure, (axis,) = panels(1, width=5)
    draw(axis, frame)
    axis.set_title(f"Four hosts on real links, model of {FLOATS:,} floats,\ncommunication only")
    figures.save("real-links", figure, frame)


def _table(runs: Runs[Rounds]) -> pd.DataFrame:
    return table({name: [runs[name, rate][0] for rate in RATES] for name in MEMBERS})
