"""The runs of figures 1 and 6(b): four workers on ranks of their own."""

from __future__ import annotations

from algorithms.cooperative import (
    CooperativeSGD,
    decentralized,
    elastic_averaging,
    fully_synchronous,
    hierarchical_averaging,
    periodic_averaging,
)
from algorithms.topology import ring, uniform
from reproductions.coopsgd.stragglers import ShiftedExponential
from reproductions.coopsgd.timeline import Timeline

M, TAU, PERIODS = 4, 4, 3
STRAGGLERS = ShiftedExponential(shift=0.002, scale=0.01)
FLOATS = 1_000_000

SYNCHRONOUS = fully_synchronous(M)
PERIODIC = periodic_averaging(M, TAU)
RING = decentralized(uniform(ring(M)))
ELASTIC, OVERLAPPED = (elastic_averaging(M, 2 / (M + 2), TAU, overlap=overlap) for overlap in (False, True))
HIERARCHY = hierarchical_averaging([2, 2], alpha=0.3, beta=0.2, tau=TAU, overlap=True)


def timeline(algorithm: CooperativeSGD, seed: int) -> Timeline:
    """Return the run of an algorithm; seeds of different algorithms have the same compute times."""
    return Timeline(algorithm, STRAGGLERS, PERIODS * TAU, FLOATS, seed)
