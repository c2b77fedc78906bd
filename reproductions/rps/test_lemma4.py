"""Appendix B: the contraction of Eq. (22) and Lemma 4, by enumeration and by rounds with messages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from algorithms.network import IndependentDrops
from algorithms.rps.averaging import ModelAveraging
from reproductions.experiments.descent import seeded
from reproductions.paper import Decider, Decision, Runs, Settings, all_of, close, decides, within
from reproductions.rps.exact import Array, alpha2, beta
from reproductions.rps.one_round import ENUMERATED, GAMMA, models, outcomes
from reproductions.rps.repeated_rounds import Rounds

SIMULATED = ((4, 0.2), (8, 0.5))  # n and p of rounds with messages


def experiments(settings: Settings) -> dict[tuple[int, float], list[Rounds]]:
    """Return rounds from fixed models, by n and p."""
    return {
        (n, p): seeded(Rounds(ModelAveraging(), n, 32 * n, 160, 0, IndependentDrops(p)), settings.seeds)
        for n, p in SIMULATED
    }


@decides("rps-eq22-contraction")
def test_contraction(claim: Decider, runs: Runs[Rounds]) -> None:
    exact, wanted = [], []
    for n, p in ENUMERATED:
        _, _, v = models(n)
        exact.append(sum(chance * _spread(v @ w) for chance, w in outcomes(n, p)))
        wanted.append(float(beta(n, p)) * _spread(v))
    simulated = _simulated(runs, "contraction", lambda n, p: float(beta(n, p)), 0.06)
    claim.decide(all_of(simulated, close(exact, wanted, rtol=1e-12, atol=0)), _percent(simulated, "beta"), runs)


@decides("rps-lemma4-second-moment")
def test_second_moment(claim: Decider, runs: Runs[Rounds]) -> None:
    exact, right, swapped = [], [], []
    for n, p in ENUMERATED:
        x, g, v = models(n)  # n coordinates, so that V^T (I-A) V, as printed, has a meaning
        weight, step = float(alpha2(n, p)) / n, GAMMA**2 * _square(g.mean(axis=1))
        exact.append(sum(chance * _square((v @ w - x).mean(axis=1)) for chance, w in outcomes(n, p)))
        right.append(weight * _spread(v) + step)
        swapped.append(weight * _spread(v.T) + step)
    simulated = _simulated(runs, "spread", lambda n, p: float(alpha2(n, p)), 0.12)
    corrected = all_of(simulated, close(exact, right, rtol=1e-12, atol=0))
    claim.decide_misprint(close(exact, swapped, 1e-12, 0), corrected, _percent(simulated, "alpha_2"), runs)


@decides("rps-lemma4-mean")
def test_mean_step(claim: Decider, runs: Runs[Rounds]) -> None:
    exact, wanted = [], []
    for n, p in ENUMERATED:
        x, g, v = models(n)
        exact.append(np.sum([chance * (v @ w - x).mean(axis=1) for chance, w in outcomes(n, p)], axis=0))
        wanted.append(-GAMMA * g.mean(axis=1))
    simulated = _simulated(runs, "drift", lambda n, p: 1.0, 0.02)
    enumerated = close(np.concatenate(exact), np.concatenate(wanted), rtol=1e-12, atol=1e-14)
    claim.decide(all_of(simulated, enumerated), _percent(simulated, "-gamma gbar"), runs)


def _simulated(runs: Runs[Rounds], metric: str, exact: Callable[[int, float], float], tolerance: float) -> Decision:
    """Decide whether the mean over real messages is the exact expectation, for all n, p and models."""
    return all_of(
        *(
            within(np.divide(runs.final(metric, (n, p)), exact(n, p)), 1 - tolerance, 1 + tolerance, of="draws")
            for n, p in SIMULATED
        )
    )


def _spread(x: Array) -> float:
    """Return Tr(X (I - A_n) X^T) of a (d, n) matrix."""
    return _square(x - x.mean(axis=1, keepdims=True))


def _square(x: Array) -> float:
    return float((x**2).sum())


def _percent(decision: Decision, of: str) -> str:
    return f"{decision.interval.estimate:.4f} of {of}"
