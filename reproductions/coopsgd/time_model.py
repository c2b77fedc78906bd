"""Time model: seconds of an iteration of A(tau, W, v) = compute + what the ledger of `World` counts, over a link.

A worker computes tau iterations and then averages. What a period sends is read off the ledger of one that was made,
never from a formula beside the code. With `overlap`, models travel to the auxiliary variables and new auxiliary
variables back while workers compute, one after the other: a period is then the longer of the two, plus the messages
among workers, which wait for the models of this very step. For any other algorithm (possible only with
``--algorithm``), all that it sends in `WINDOW` steps counts as waiting time.

The paper prints neither bandwidth nor compute time, but one saving that fixes their ratio (appendix A, m = 4, VGG-16):
PASGD with tau = 10 "reduces about 67% time", so that (1 - 1/10) s = 0.67 for the share s = 0.744 of communication in an
iteration of fully synchronous SGD. What is open then is how much of s is latency. `calibrated` takes that as argument.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from algorithms.algorithm import Algorithm
from algorithms.coopsgd.cooperative import CooperativeSGD, decentralized, fully_synchronous
from algorithms.coopsgd.overlap import split
from algorithms.network import Link, Traffic
from algorithms.topology import ring, uniform
from algorithms.world import World

PASGD_SAVING, PASGD_TAU = 0.67, 10  # appendix A, last paragraph
DPSGD_SAVING = 0.10  # there, for a ring of 4 workers
NODES = 4
SHARE = PASGD_SAVING / (1 - 1 / PASGD_TAU)  # s, of communication in a synchronous iteration
WINDOW = 720  # iterations: whole periods of 1 to 6, 8, 9, 10, 12, 15, 16, ...
VGG16 = 14_728_266  # floats of a VGG-16 with batch norm for 32 x 32 images; only sets the unit of the bandwidth


@dataclass(frozen=True)
class Volume:
    """What the busiest worker sends or receives in one period: messages, and floats as a multiple of a model's."""

    messages: float
    models: float

    def seconds(self, floats: int, link: Link) -> float:
        """Return the seconds that a model of so many float32 parameters needs."""
        return link.seconds(self.messages, 4.0 * floats * self.models)

    def over(self, iterations: int) -> Volume:
        """Return the mean of one of so many iterations."""
        return Volume(self.messages / iterations, self.models / iterations)


@functools.cache
def exposed(algorithm: CooperativeSGD) -> Volume:
    """Return what workers wait for in one period."""
    world, x = _tiny(algorithm)
    if algorithm.overlap:
        world.count(x, split(algorithm.W, algorithm.v).between_workers)
    else:
        for t in range(algorithm.tau):
            algorithm.step(world, x, torch.zeros_like(x), {}, t, 0.0)
    return _volume(world.traffic, x.shape[1])


@functools.cache
def hidden(algorithm: CooperativeSGD) -> Volume:
    """Return what a period sends while workers compute: models to auxiliary variables, then these to workers."""
    world, x = _tiny(algorithm)
    if algorithm.overlap:
        routes = split(algorithm.W, algorithm.v)
        world.count(x, routes.to_anchors)
        world.count(x, routes.to_workers)
    return _volume(world.traffic, x.shape[1])


def waited(algorithm: Algorithm, workers: int) -> Volume:
    """Return what workers wait for in one iteration, on average."""
    if isinstance(algorithm, CooperativeSGD):
        return exposed(algorithm).over(algorithm.tau)
    return _watched(algorithm, workers).over(WINDOW)


def iteration_seconds(algorithm: Algorithm, workers: int, floats: int, compute: float, link: Link) -> float:
    """Return the mean seconds of one iteration.

    Parameters
    ----------
    algorithm
        A(tau, W, v), or another one.
    workers
        m.
    floats
        d, float32 parameters of a model.
    compute
        Seconds of one local update, the same for all workers.
    link
        Latency and bandwidth of every worker and auxiliary variable.
    """
    meanwhile = 0.0
    if isinstance(algorithm, CooperativeSGD):
        meanwhile = hidden(algorithm).seconds(floats, link) / algorithm.tau
    return max(compute, meanwhile) + waited(algorithm, workers).seconds(floats, link)


def saving(algorithm: CooperativeSGD, baseline: CooperativeSGD, floats: int, compute: float, link: Link) -> float:
    """Return by which part of its time an algorithm is faster than another, at equally many iterations."""
    mine, other = (iteration_seconds(each, each.workers, floats, compute, link) for each in (algorithm, baseline))
    return 1 - mine / other


# -------------------------------------------------------------------------------------------------------- calibration


def calibrated(latency_share: float, floats: int = VGG16) -> tuple[float, Link]:
    """Return compute seconds and a link with which a synchronous iteration of 4 workers takes one second, s of it sent.

    Parameters
    ----------
    latency_share
        Part of s that is latency, in [0, 1]; the rest is bandwidth.
    floats
        Parameters of a model.
    """
    if not 0 <= latency_share <= 1:
        raise ValueError(f"the share of latency is {latency_share}, but it must lie in [0, 1]")
    sent = exposed(fully_synchronous(NODES))
    rate = (1 - latency_share) * SHARE / sent.models  # seconds of one model on the link
    bandwidth = 32 * floats / rate if rate else np.inf
    return 1 - SHARE, Link(bandwidth, latency_share * SHARE / sent.messages)


def ring_saving(latency_share: float) -> float:
    """Return what D-PSGD on a ring of 4 workers saves of synchronous time, by share of latency."""
    compute, link = calibrated(latency_share)
    return saving(decentralized(uniform(ring(NODES))), fully_synchronous(NODES), VGG16, compute, link)


def fitted_latency_share() -> float:
    """Return the share of latency at which D-PSGD on a ring of 4 saves the printed 10 %; savings are linear in it."""
    ends = ring_saving(0.0), ring_saving(1.0)
    return (DPSGD_SAVING - ends[0]) / (ends[1] - ends[0])


@functools.cache
def _watched(algorithm: Algorithm, workers: int) -> Volume:
    """Return what an algorithm of which only its steps are known sends in `WINDOW` iterations."""
    world = World(None, workers + algorithm.auxiliaries)
    x = torch.zeros(world.workers, 1 << 10)  # so long that headers of messages hardly count
    state, noise = algorithm.state(world, x), torch.Generator().manual_seed(0)
    for t in range(WINDOW):
        algorithm.step(world, x, torch.randn((workers, x.shape[1]), generator=noise), state, t, 1e-3)
    algorithm.settle(world, x)
    return _volume(world.traffic, x.shape[1])


def _tiny(algorithm: CooperativeSGD) -> tuple[World, torch.Tensor]:
    """Return a world of one process and rows so short that every worker's share in an all-reduce is one float."""
    n = len(algorithm.weights)
    return World(None, n), torch.zeros(n, n)


def _volume(traffic: Traffic, floats: int) -> Volume:
    return Volume(traffic.busiest_messages, traffic.busiest_bytes / (4 * floats))
