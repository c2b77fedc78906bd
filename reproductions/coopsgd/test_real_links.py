"""The time model behind the savings of appendix A against links that really limit: seconds of communication a period.

It decides no claim: savings need the authors' share of communication, which is not printed. It checks that all-reduce,
averaging every tau steps and gossip take what the ledger says, so what the time model takes them to take.
"""

from __future__ import annotations

from algorithms.cooperative import CooperativeSGD, decentralized, fully_synchronous, periodic_averaging
from algorithms.topology import ring, uniform
from reproductions.coopsgd.times import NODES, PASGD_TAU
from reproductions.harness.figures import FigureFolder, panels
from reproductions.harness.rounds import CLOSE, RATES, Rounds, draw, measured, table
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run, select

FLOATS = 125_000  # of the model; VGG-16 has 15 million
MEMBERS: dict[str, CooperativeSGD] = {
    "fully synchronous, a step": fully_synchronous(NODES),
    f"PASGD, {PASGD_TAU} steps": periodic_averaging(NODES, PASGD_TAU),
    "D-PSGD on a ring, a step": decentralized(uniform(ring(NODES))),
}


def _grid() -> dict[str, list[Rounds]]:
    return {
        name: [Rounds(member, member.tau, NODES, FLOATS, rate) for rate in RATES] for name, member in MEMBERS.items()
    }


def experiments(settings: Settings) -> list[Rounds]:
    """Return a period of every member at every rate; the same at every scale."""
    return [run for runs in _grid().values() for run in runs]


def test_seconds_of_a_period_are_those_of_the_link_model(runs: list[Run]) -> None:
    found = table({name: select(runs, group) for name, group in _grid().items()})
    slow = found[found["mbps"] < 100]  # at 100 Mbit/s a round of so small a model is mostly latency and arithmetic
    assert slow["ratio"].between(*CLOSE).all(), slow.to_string()


def test_the_delay_of_an_iteration_is_tau_times_smaller_and_gossip_is_no_shorter(runs: list[Run]) -> None:
    synchronous, periodic, gossip = (select(runs, group) for group in _grid().values())
    for position in (RATES.index(5), RATES.index(20)):
        step, period, exchange = (measured(group[position]) for group in (synchronous, periodic, gossip))
        assert 0.8 < period / step < 1.25, "PASGD waits for one all-reduce in tau steps"
        assert exchange > step, "a ring of four sends two models where an all-reduce sends one and a half"


def test_real_links(runs: list[Run], figures: FigureFolder) -> None:
    frame = table({name: select(runs, group) for name, group in _grid().items()})
    figure, (axis,) = panels(1, width=5)
    draw(axis, frame)
    axis.set_title(f"Four hosts on real links, model of {FLOATS:,} floats,\ncommunication only", fontsize=10)
    figures.save("real-links", figure, frame)
