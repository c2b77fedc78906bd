"""Sections 1 and 4.1: how many clusters may crash so that agreement ends, and pairs hear a common cluster."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from algorithms.clustersgd.agreement import ClusterAgreement
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.scheduler import Deadlock
from reproductions.clustersgd import schedules
from reproductions.clustersgd.schedules import Death, Hears
from reproductions.paper import Decider, all_of, decides, exactly

EQUAL = [Clusters.even(n, m) for n, m in ((8, 1), (8, 2), (6, 3), (8, 4), (5, 5), (9, 3), (6, 6))]
UNEQUAL = [
    Clusters(((0, 1, 2, 3, 4), (5,), (6,), (7,), (8,))),  # the large one crashes first
    Clusters(((0,), (1,), (2,), (3,), (4, 5, 6, 7, 8))),  # the small ones do
]
MANY = 200  # clusters, where numbers alone are compared


@decides("clustersgd-majority-condition")
def test_majority(claim: Decider) -> None:
    left, ends, printed, corrected = [], [], [], []
    for clusters in EQUAL + UNEQUAL:
        n, m = clusters.n, clusters.m
        for f_c in range(m):
            left.append(f_c <= (m - 1) // 2)
            ends.append(_ends(clusters, f_c))
            printed.append(m - f_c >= n // 2 + 1)
            corrected.append(m - f_c >= m // 2 + 1)
    numbers = [(f_c <= (m - 1) // 2) == (m - f_c >= m // 2 + 1) for m in range(1, MANY) for f_c in range(m)]
    common = [bool(set(a) & set(b)) for m in range(1, 8) for a, b in _pairs_of_majorities(m)]
    # read as processes, the printed condition allows f = 4 of these nine, but not all executions end
    represented = [
        sum(len(members) for members in UNEQUAL[1].members if set(members) & set(some)) >= 9 // 2 + 1
        for some in combinations(range(9), 5)
    ]
    as_processes = exactly([all(represented), _ends(UNEQUAL[1], 4)], [True, False])
    decision = all_of(
        as_processes,
        exactly(ends, corrected),
        exactly(ends, left),
        exactly([*numbers, *common], np.ones(len(numbers) + len(common))),
    )
    text = f"ends in {sum(ends)} of {len(ends)} cases, those with floor(m/2) + 1 clusters left"
    claim.decide_misprint(exactly(ends, printed), decision, text)


@decides("clustersgd-singleton-n-2f")
def test_singletons(claim: Decider) -> None:
    cases = [(n, f) for n in range(1, 8) for f in range(n)]
    ends = [_ends(Clusters.even(n, n), f) for n, f in cases]
    numbers = [(f <= (n - 1) // 2) == (n > 2 * f) for n in range(1, MANY) for f in range(n)]
    decision = all_of(exactly(ends, [n > 2 * f for n, f in cases]), exactly(numbers, np.ones(len(numbers))))
    claim.decide(decision, f"ends in {sum(ends)} of {len(ends)} cases, those with n > 2f")


def _ends(clusters: Clusters, failed: int) -> bool:
    """Whether agreement ends for the others if all processes of `failed` clusters crash before they send."""
    algorithm = ClusterAgreement(clusters, 23 / 24)
    dead = [i for members in clusters.members[:failed] for i in members]
    strategy = Hears(deaths=tuple(Death(i, 1) for i in dead))
    try:
        done = schedules.agree(algorithm, list(np.eye(clusters.n)), strategy, 0)
    except Deadlock:
        return False
    return len(done.outputs) == clusters.n - len(dead)


def _pairs_of_majorities(m: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return list(combinations(combinations(range(m), m // 2 + 1), 2))
