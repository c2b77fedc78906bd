"""Section 6.2: generalized elastic averaging, D-PSGD with an auxiliary variable, against D-PSGD on sparse graphs."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from algorithms.coopsgd.cooperative import CooperativeSGD, decentralized_periodic, generalized_elastic
from algorithms.coopsgd.elastic import best_alpha
from algorithms.topology import lazy, ring, uniform
from reproductions.coopsgd.floors import LOSS, at_rest, floors, text, where_at_rest
from reproductions.coopsgd.plots import MODEL, panel, tidy
from reproductions.coopsgd.recipes import curve
from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, all_of, decides, less, name_of, panels

M = 8
GRAPHS = {"ring": uniform(ring(M)), "lazy ring": lazy(uniform(ring(M)))}
EQUAL_ETA, EQUAL_EFFECTIVE = 1.0, (M + 1) / M  # eta in units of D-PSGD's; eta_eff = m eta/(m + v)


class GraphCurve(NamedTuple):
    """A graph, with or without an auxiliary variable, and eta in units of that of D-PSGD."""

    graph: str
    v: int
    eta: float


HIGHLY = 0.75  # of the disagreement without an auxiliary variable
PLAIN = {graph: GraphCurve(graph, 0, 1.0) for graph in GRAPHS}
WITH = {graph: GraphCurve(graph, 1, EQUAL_ETA) for graph in GRAPHS}
FASTER = GraphCurve("lazy ring", 1, EQUAL_EFFECTIVE)


def experiments(settings: Settings) -> dict[GraphCurve, list[Training]]:
    """Return D-PSGD on both graphs, the same with an auxiliary variable, and once with the larger step size."""
    curves = [*PLAIN.values(), *WITH.values(), FASTER]
    return {each: curve(settings, _member(each), lr=each.eta) for each in curves}


def _member(each: GraphCurve) -> CooperativeSGD:
    mixing = GRAPHS[each.graph]
    return generalized_elastic(mixing, best_alpha(mixing)) if each.v else decentralized_periodic(mixing, 1)


@decides("coopsgd-sec62-consensus")
def test_an_auxiliary_variable_increases_consensus(claim: Decider, runs: Runs[Training]) -> None:
    apart = {each: floors(runs[each], "consensus") for each in (*PLAIN.values(), *WITH.values())}
    much = {graph: HIGHLY * np.array(apart[PLAIN[graph]]) for graph in GRAPHS}
    lower = [less(apart[WITH[graph]], much[graph], alpha=claim.alpha) for graph in GRAPHS]
    pairs = [f"{graph} {text([apart[PLAIN[graph]], apart[WITH[graph]]])}" for graph in GRAPHS]
    claim.decide(all_of(*lower), "; ".join(pairs), runs=runs.only(*apart))


@decides("coopsgd-sec62-loss")
def test_an_auxiliary_variable_lowers_the_floor(claim: Decider, runs: Runs[Training]) -> None:
    plain = PLAIN["lazy ring"]
    compared = {"at equal eta_eff": FASTER, "at equal eta": WITH["lazy ring"]}
    heights = {each: floors(runs[each]) for each in (plain, *compared.values())}
    readings = {
        name: where_at_rest(at_rest(runs, plain, each), partial(less, heights[each], heights[plain], alpha=claim.alpha))
        for name, each in compared.items()
    }
    claim.decide_readings(readings, text(list(heights.values())), runs=runs.only(*heights))


def test_section62(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    figure, axes = panels(2, epochs=True)
    frames = [tidy(runs, metric, GraphCurve._fields) for metric in (LOSS, "consensus")]
    for axis, frame in zip(axes, frames, strict=True):
        with_z = pd.Series("", frame.index).where(frame["v"] == 0, " and auxiliary variable")
        effective = pd.Series("", frame.index).where(frame["eta"] == 1, ", equal eta_eff")
        panel(axis, frame, frame["graph"] + with_z + effective)
    figure.suptitle(f"{M} workers, {name_of(settings, MODEL, runs.all)}")
    figures.save("section62", figure, pd.concat(frames))
