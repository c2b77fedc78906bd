"""Times of sections 5.2 and 6.1 and appendix A: what periods and sparse graphs save, by the calibrated time model."""

from __future__ import annotations

from collections.abc import Callable

import networkx as nx
import numpy as np
import torch

from algorithms.coopsgd.cooperative import (
    CooperativeSGD,
    decentralized,
    decentralized_periodic,
    elastic_averaging,
    fully_synchronous,
    periodic_averaging,
)
from algorithms.topology import complete, metropolis, ring, uniform
from algorithms.world import World
from reproductions.coopsgd import time_model
from reproductions.coopsgd.time_model import VGG16, Volume, exposed, hidden
from reproductions.paper import Decider, Decision, FigureFolder, all_of, decides, exactly, panels, point, searched

SHARES = np.linspace(0, 1, 101)  # of latency in the communication of a synchronous iteration
SEVEN = uniform(ring(7))
DPASGD, PASGD, DPSGD = decentralized_periodic(SEVEN, 15), periodic_averaging(7, 50), decentralized(SEVEN)


def parameter_server(m: int) -> Volume:
    """Return what a server on its own machine receives and then sends in one averaging."""
    return hidden(elastic_averaging(m, 1 / (m + 1), overlap=True))


def all_to_all(m: int) -> Volume:
    """Return what a worker sends that gives its model to all others."""
    world = World(None, m)
    world.count(torch.zeros(m, m), uniform(complete(m)) != 0)
    return Volume(world.traffic.busiest_messages, world.traffic.busiest_bytes / (4 * m))


def ratio(slow: CooperativeSGD, fast: CooperativeSGD, share: float) -> float:
    """Return by which factor an iteration of one algorithm takes longer than one of another."""
    compute, link = time_model.calibrated(share)
    first, second = (time_model.iteration_seconds(each, each.workers, VGG16, compute, link) for each in (slow, fast))
    return first / second


# ----------------------------------------------------------------------------------------------------------- claims


def reductions(m: int, graphs: list[nx.Graph]) -> dict[str, float]:
    """Return the largest reductions of overhead from fully synchronous SGD on m workers to gossip, over m."""
    connections = min(max(degree for _, degree in graph.degree) for graph in graphs)
    gossip = [exposed(decentralized(metropolis(graph))) for graph in graphs]

    def volume(*synchronous: Volume) -> float:
        return max(max(s.messages / g.messages, s.models / g.models) for s in synchronous for g in gossip)

    # the busiest node is a parameter server with m connections; all-to-all has one less
    decentral = max(m / connections, volume(exposed(fully_synchronous(m)), all_to_all(m)))
    return {"decentral": decentral / m, "server": volume(parameter_server(m)) / m}


@decides("coopsgd-comm-reduction-max-m")
def test_reduction_by_sparse_graphs_is_at_most_m(claim: Decider) -> None:
    connected = [graph for graph in nx.graph_atlas_g() if len(graph) > 1 and nx.is_connected(graph)]
    by_size = {m: [graph for graph in connected if len(graph) == m] for m in range(2, 8)}
    found = [reductions(m, graphs) for m, graphs in (by_size | {m: [ring(m)] for m in (8, 64)}).items()]
    readings = {name: searched([each[name] for each in found], "reductions over m") for name in found[0]}
    largest = {name: max(each[name] for each in found) for name in found[0]}
    text = f"{largest['decentral']:g} m over {len(connected)} graphs; {largest['server']:g} m with a server of its own"
    claim.decide_readings(readings, text)


@decides("coopsgd-pasgd-tau-m")
def test_pasgd_with_a_period_of_m_is_faster_than_gossip(claim: Decider) -> None:
    saved = []
    for m in (2, 3, 4, 7, 16, 64):
        # a pair swaps models, and on a ring everybody sends its own to two others: the least that gossip can do
        gossip = Volume(1, 1) if m == 2 else exposed(decentralized(uniform(ring(m))))
        pasgd = [exposed(periodic_averaging(m, tau)).over(tau) for tau in (m, m + 1, 4 * m)]
        saved += [_weighted(gossip, share) - _weighted(each, share) for each in pasgd for share in SHARES]
    shorter, ties = (np.array(saved) > 0), saved.count(0.0)
    readings = {
        "but for free bandwidth": all_of(exactly(shorter.sum() + ties, len(saved)), exactly(ties, 1)),
        "always": exactly(shorter, np.ones(len(saved), bool)),
    }
    claim.decide_readings(readings, f"shorter in {shorter.sum()} of {len(saved)} cases, as long in {ties}")


def _weighted(volume: Volume, share: float) -> float:
    """Return the time of messages where a share of it is latency, and the rest bandwidth."""
    return share * volume.messages + (1 - share) * volume.models


@decides("coopsgd-fig5-throughput")
def test_throughput_is_that_of_a_long_period(claim: Decider) -> None:
    ratios = [ratio(DPASGD, PASGD, share) for share in SHARES]
    claim.decide(_in_band(claim, ratios), _range(ratios))


@decides("coopsgd-fig5-speedup")
def test_periods_speed_up_gossip(claim: Decider) -> None:
    ratios = [ratio(DPSGD, DPASGD, share) for share in SHARES]
    claim.decide(_in_band(claim, ratios), _range(ratios))


@decides("coopsgd-fig7-pasgd-time")
def test_saving_of_pasgd(claim: Decider) -> None:
    claim.undecidable()


@decides("coopsgd-fig7-dpsgd-time")
def test_saving_of_a_ring(claim: Decider, figures: FigureFolder) -> None:
    savings = [time_model.ring_saving(share) for share in SHARES]
    _draw(figures, savings)
    fitted = time_model.fitted_latency_share()
    possible = exactly([0 <= fitted <= 1], [True])
    limited = exactly([max(savings) < time_model.PASGD_SAVING], [True])
    text = f"{_range(savings)}; the printed number at a latency share of {fitted:.0%}"
    claim.decide(all_of(possible, limited), text)


def _in_band(claim: Decider, values: list[float]) -> Decision:
    """Decide that all values are in the band of a claim; the one that is furthest from its middle is reported."""
    assert claim.claim.ends is not None
    low, high = claim.claim.ends
    outside = max(values, key=lambda value: max(low - value, value - high))
    return claim.within(point(outside, len(values)))


def _range(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def _draw(figures: FigureFolder, savings: list[float]) -> None:
    import pandas as pd

    figure, (axis,) = panels(1, width=5.5, height=3.6)
    gossip = exposed(decentralized(uniform(ring(time_model.NODES))))
    fixed: dict[str, Callable[[int], Volume]] = {"all-to-all": all_to_all, "parameter server": parameter_server}
    lines = {"ring all-reduce": 100 * np.array(savings)}
    for name, volume in fixed.items():
        lines[name] = np.full_like(
            SHARES, 100 * time_model.SHARE * (1 - gossip.models / volume(time_model.NODES).models)
        )
    for name, line in lines.items():
        axis.plot(100 * SHARES, line, label=name)
    axis.axhline(100 * time_model.DPSGD_SAVING, color="black", ls="--", lw=1, label="printed, about 10 %")
    axis.plot(
        100 * time_model.fitted_latency_share(),
        100 * time_model.DPSGD_SAVING,
        "ko",
        ms=5,
        label="latency that gives it",
    )
    axis.set(
        xlim=(0, 100), xlabel="latency, share of communication [%]", ylabel="time saved by D-PSGD on a ring of 4 [%]"
    )
    axis.legend(fontsize=7, title="fully synchronous SGD by", title_fontsize=8)
    frame = pd.DataFrame({"latency_share": SHARES} | lines)
    frame = frame.melt("latency_share", var_name="synchronous_by", value_name="saved_percent")
    figures.save("figure7_dpsgd_time", figure, frame)
