"""Contestants: every algorithm of the five papers and their baselines, each with the knobs that its tuning may turn.

A contestant is made for n workers from a choice of its knobs. What it is decides how it is run: an `Algorithm` in
rounds (`rounds`), `Pairs` of nodes that meet when they are ready (`meetings`), `Waiting` for the first N messages
(`processes`). One of your own joins by `own`.

Not here: FedPAQ, QSparse-local-SGD and DoubleSqueeze, whose server has no process of its own in this suite, so that its
traffic is not known.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from algorithms.algorithm import Algorithm
from algorithms.coopsgd.cooperative import (
    decentralized,
    decentralized_periodic,
    elastic_averaging,
    fully_synchronous,
    hierarchical_averaging,
    periodic_averaging,
)
from algorithms.coopsgd.elastic import best_alpha
from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.messages import Dense
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.rps.averaging import GradientAveraging, ModelAveraging
from algorithms.topology import ring, uniform, value

PERIODS = (2, 4, 8, 16)
LEVELS = (7, 63, 2047)  # of Q_s: 4, 7 and 12 bits
BLOCKS = 64  # elements that share a norm, as many as a block of a small model has among few workers


@dataclass(frozen=True)
class Pairs:
    """PopSGD: nodes that make `period` local steps and then average with a random other node.

    Parameters
    ----------
    rule
        ``symmetric``: both wait for each other and average; ``one-sided``: the node that is ready reads the model of
        another one, which goes on with its own work; ``none``: local SGD, nobody ever meets.
    period
        Local steps between two meetings, >= 1.
    """

    rule: Literal["symmetric", "one-sided", "none"]
    period: int = 1


@dataclass(frozen=True)
class Waiting:
    """SGD in the cluster model: algorithm 1 averages the first N parameters, algorithm 2 gradients, then agrees.

    Parameters
    ----------
    agrees
        Whether it is algorithm 2.
    share
        N/n; n - N processes may crash.
    """

    agrees: bool
    share: float = 0.75


Made = Algorithm | Pairs | Waiting
Knobs = Mapping[str, float | int]


@dataclass(frozen=True, eq=False)
class Contestant:
    """An algorithm with its knobs.

    Parameters
    ----------
    name, family
        Its name in tables, and the paper that it is from.
    make
        Makes it for n workers from a choice of its knobs.
    knobs
        What may be chosen for each knob; the step size is one of every contestant and not among them.
    background
        Whether its messages travel while workers compute.
    """

    name: str
    family: str
    make: Callable[[int, Knobs], Made]
    knobs: Mapping[str, tuple[float | int, ...]] = field(default_factory=dict)
    background: bool = False

    @property
    def in_rounds(self) -> bool:
        """Whether it is an algorithm in rounds, one run of which serves several conditions."""
        return isinstance(self.make(4, {name: values[0] for name, values in self.knobs.items()}), Algorithm)


def _ring(n: int) -> np.ndarray:
    return uniform(ring(n))


def _elastic(n: int, knobs: Knobs) -> Made:
    return elastic_averaging(n, knobs["elasticity"] * best_alpha(np.eye(n)), int(knobs["tau"]))


def _hierarchical(n: int, knobs: Knobs) -> Made:
    return hierarchical_averaging([n // 2, n - n // 2], 1 / (n // 2 + 1), 0.25, int(knobs["tau"]))


def _quantizer(knobs: Knobs) -> Quantizer:
    return Quantizer(int(knobs["s"]), BLOCKS)


def _on_ring(n: int, knobs: Knobs) -> Made:
    return RingQPRSGD(int(knobs.get("K", 1)), _quantizer(knobs) if "s" in knobs else Dense())


def _gossip(n: int, knobs: Knobs) -> Made:
    return GossipQPRSGD(int(knobs.get("K", 1)), _quantizer(knobs), value(_ring(n)))


TAU = {"tau": PERIODS}
ELASTIC = TAU | {"elasticity": (0.5, 1.0)}
CONTESTANTS = (
    Contestant("synchronous SGD", "coopsgd", lambda n, knobs: fully_synchronous(n)),
    Contestant("periodic averaging", "coopsgd", lambda n, knobs: periodic_averaging(n, int(knobs["tau"])), TAU),
    Contestant("EASGD", "coopsgd", _elastic, ELASTIC),
    Contestant("EASGD, overlapped", "coopsgd", _elastic, ELASTIC, background=True),
    Contestant("hierarchical averaging", "coopsgd", _hierarchical, TAU),
    Contestant("D-PSGD", "coopsgd", lambda n, knobs: decentralized(_ring(n))),
    Contestant(
        "decentralized periodic", "coopsgd", lambda n, knobs: decentralized_periodic(_ring(n), int(knobs["tau"])), TAU
    ),
    Contestant("RPS", "rps", lambda n, knobs: ModelAveraging()),
    Contestant("RPS, gradients", "rps", lambda n, knobs: GradientAveraging()),
    Contestant("PSGD on a ring", "qprsgd", _on_ring),
    Contestant("QSGD on a ring", "qprsgd", _on_ring, {"s": LEVELS}),
    Contestant("PR-SGD on a ring", "qprsgd", _on_ring, {"K": PERIODS}),
    Contestant("QPRSGD on a ring", "qprsgd", _on_ring, {"K": PERIODS, "s": LEVELS}),
    Contestant("DCD-PSGD", "qprsgd", _gossip, {"s": LEVELS}),
    Contestant("QPRSGD by gossip", "qprsgd", _gossip, {"K": PERIODS, "s": LEVELS}),
    Contestant(
        "PopSGD", "popsgd", lambda n, knobs: Pairs("symmetric", int(knobs["period"])), {"period": (1, *PERIODS)}
    ),
    Contestant(
        "PopSGD, one-sided",
        "popsgd",
        lambda n, knobs: Pairs("one-sided", int(knobs["period"])),
        {"period": (1, *PERIODS)},
    ),
    Contestant("local SGD, nobody meets", "popsgd", lambda n, knobs: Pairs("none")),
    Contestant("cluster SGD", "clustersgd", lambda n, knobs: Waiting(False, knobs["share"]), {"share": (0.5, 0.75)}),
    Contestant(
        "cluster SGD with agreement",
        "clustersgd",
        lambda n, knobs: Waiting(True, knobs["share"]),
        {"share": (0.5, 0.75)},
    ),
)


def contestant(name: str) -> Contestant:
    """Return the contestant of a name; a ValueError lists those there are."""
    try:
        return next(each for each in CONTESTANTS if each.name == name)
    except StopIteration:
        known = ", ".join(each.name for each in CONTESTANTS)
        raise ValueError(f"there is no contestant {name!r}, only {known}") from None


@functools.cache
def own(name: str, algorithm: Algorithm) -> Contestant:
    """Return a contestant of your own: an algorithm whose step size alone is tuned."""
    return Contestant(name, "own", lambda n, knobs: algorithm)
