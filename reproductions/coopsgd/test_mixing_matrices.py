"""Sections 4.3, 5.2 and 6.1: zeta of mixing matrices, Lemma 9 and equation (22)."""

from __future__ import annotations

from itertools import product

import numpy as np

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.topology import (
    ring,
    uniform,
    value,
    zeta,
)
from reproductions.coopsgd import bounds, equations
from reproductions.coopsgd.exact import Array
from reproductions.coopsgd.spectra import GRAPHS, apart, second
from reproductions.paper import (
    Decider,
    all_of,
    close,
    decides,
    exactly,
    point,
    slope_interval,
)


@decides("coopsgd-zeta-extremes")
def test_extremes(claim: Decider) -> None:
    sizes = (2, 3, 8, 9)
    found = [zeta(matrix) for n in sizes for matrix in (np.eye(n), np.full((n, n), 1 / n))]
    numbers = close(found, [1.0, 0.0] * len(sizes), rtol=0, atol=1e-12)
    # what the matrices do: with W = I every worker descends alone, with W = J all models are one
    silent = CooperativeSGD(1, value(np.eye(equations.M)), diverges=True)
    alone = equations.trajectory(silent)[-1].numpy()
    by_hand = equations.CENTRES.numpy() * (1 - (1 - equations.ETA / 2) ** equations.STEPS)
    synced = equations.trajectory(CooperativeSGD(1, value(np.full((4, 4), 0.25))))[-1].numpy()
    together = exactly(np.ptp(synced, axis=0), np.zeros(equations.D))
    text = f"{min(found[::2]):g} for I, {max(found[1::2]):.1g} for J"
    claim.decide(all_of(numbers, close(alone, by_hand, rtol=0, atol=1e-12), together), text)


@decides("coopsgd-lemma9")
def test_operator_norm_of_powers(claim: Decider) -> None:
    connected = [matrix for matrix in GRAPHS.values() if second(matrix) < 1 - 1e-9]
    norms, powers = [], []
    for matrix, j in product(connected, (0, 1, 2, 5, 20)):
        n = len(matrix)
        norms.append(np.linalg.norm(np.linalg.matrix_power(matrix, j) - np.full((n, n), 1 / n), 2))
        powers.append(second(matrix) ** j if second(matrix) > 1e-9 or not j else 0.0)
    claim.decide(close(norms, powers, rtol=1e-9, atol=1e-12), apart(norms, powers))


def equation_22(tau: Array) -> Array:
    """Return zeta_tau as (22) prints it."""
    return np.asarray(np.sqrt(1 - 2 / (tau + 1)))


@decides("coopsgd-eq22-zeta-tau")
def test_equal_floors(claim: Decider) -> None:
    taus = np.array([2.0, 4, 5, 10, 15, 20, 50, 100])
    equal = close(bounds.network_error(1, equation_22(taus)), bounds.network_error(taus, 0), rtol=1e-9, atol=0)
    searched = [_equal_floor(tau) for tau in taus]
    decision = all_of(equal, close(searched, equation_22(taus), rtol=0, atol=1e-9))
    claim.decide(decision, ", ".join(f"{zeta:.5f} at tau = {tau:g}" for tau, zeta in zip(taus, searched, strict=True)))


def _equal_floor(tau: float) -> float:
    """Return the zeta at which the bound of D-PSGD reaches that of PASGD, by a search."""
    from scipy.optimize import brentq

    return float(brentq(lambda z: float(bounds.network_error(1, z) - bounds.network_error(tau, 0)), 0.0, 1 - 1e-9))


@decides("coopsgd-zeta-tau-limit")
def test_limit_of_the_threshold(claim: Decider) -> None:
    taus = np.geomspace(10, 1e5, 30)
    line = slope_interval(np.log(taus), np.log(1 - equation_22(taus)))
    rest = float(abs(line.residuals).max())
    text = f"1 - zeta_tau: slope {line.interval.estimate:.4f}, residuals {rest:.2g}"
    claim.decide(claim.within(line.interval), text)


@decides("coopsgd-zeta-075-ring7")
def test_ring_of_seven(claim: Decider) -> None:
    found = second(uniform(ring(7)))
    claim.decide(claim.within(point(found)), f"{found:.4f}")
