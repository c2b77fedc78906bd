"""Appendix B: Lemmas 3 and 5, how far models come apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from math import inf

import numpy as np
import torch

from algorithms.network import IndependentDrops, Trace
from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import Constant
from algorithms.streams import stream
from reproductions.experiments.descent import Descent, seeded
from reproductions.paper import (
    Decider,
    Decision,
    Label,
    Runs,
    Settings,
    agree,
    all_of,
    at_most_one,
    close,
    decides,
    searched,
    within,
)
from reproductions.rps import bounds
from reproductions.rps.bounds import CASES, Setting
from reproductions.rps.exact import Array
from reproductions.workloads.objectives import Gaussian, Quadratic

NOISY = [case for case in CASES if case[0] != "noiseless bowl"]  # workers that never differ have no spread
PHASES = ("reduce-scatter", "all-gather")
ALL_LOST = tuple((t, phase, i, j) for t, phase, i, j in product(range(3), PHASES, range(4), range(4)))


def experiments(settings: Settings) -> dict[str | bounds.Case, list[Descent]]:
    """Return the grid of the bounds, and the counter-examples ``far`` to Lemma 3 and ``stranded`` to Lemma 5."""
    counter = {"far": seeded(_far(), settings.seeds), "stranded": seeded(_stranded(), settings.seeds)}
    return bounds.grid(settings) | counter


def _far() -> Descent:
    """L is so small that gamma = 20 satisfies the step-size condition: Eq. (18) lacks gamma^2 = 400."""
    problem, step = Quadratic(1e-3, tilt=1.0), Constant(20.0)
    return Descent(ModelAveraging(), 4, 256, 65, 0, IndependentDrops(0.5), problem, Gaussian(0.1), step)


def _stranded() -> Descent:
    """L > 1 on a hill, and all messages of the first three steps are lost, which happens with probability > 0.

    gamma satisfies the step-size condition of Theorem 1 at n = 4 and p = 0.02.
    """
    problem, step = Quadratic(-100.0, tilt=1.0), Constant(0.0035)
    return Descent(ModelAveraging(), 4, 16, 4, 0, Trace(ALL_LOST, 4), problem, Gaussian(0.0), step)


@decides("rps-lemma3-consensus-bound")
def test_consensus(claim: Decider, runs: Runs[Descent]) -> None:
    printed = at_most_one(_consensus_ratios(runs, ["far"], printed=True))
    everywhere = at_most_one(_consensus_ratios(runs, ["far", *NOISY]))
    far = runs.experiment("far")
    exact = bounds.expected(bounds.setting(far), far.schedule.lr(0), far.steps).consensus
    followed = within(np.divide(runs.final("consensus", "far"), exact), 0.85, 1.15)
    search = _worst_consensus()
    text = f"{search.interval.estimate:.2f} of the bound at worst; as printed {printed.interval.estimate:.1f}"
    claim.decide_misprint(printed, all_of(everywhere, search, followed), text, runs.only("far", *NOISY))


@decides("rps-lemma5-bound")
def test_intermediate(claim: Decider, runs: Runs[Descent]) -> None:
    s = Setting(4, 0.02, 100.0, 0.0, 4.0, inf)  # zeta^2 = 16 coordinates
    assert s.c1(0.0035) > 0, "the counter-example has to satisfy the step-size condition"
    fourth = [
        4 * runs.at(m, 4, "stranded")[0] - 3 * runs.at(m, 3, "stranded")[0] for m in ("consensus", "intermediate")
    ]
    ratio = fourth[1] / bounds.lemma5(s, 0.0035, fourth[0], printed=True)  # without noise, the same for every seed
    grown = 1 + 1.35 + 1.35**2  # the same by hand: x_4 = -gamma tilt (1 + r + r^2), r = 1 + gamma L, v_4 likewise
    by_hand = (grown * 1.35 + 1) ** 2 / ((2 + 12 * 0.0035**2 * 100) * grown**2 + 6)
    printed = searched([ratio], "all messages of three steps lost, on a hill")
    search = _worst_intermediate()
    corrected = all_of(at_most_one(_intermediate_ratios(runs)), search, close([ratio], [by_hand], rtol=1e-9, atol=0))
    text = f"{search.interval.estimate:.2f} of the bound at worst; as printed {ratio:.2f}"
    claim.decide_misprint(printed, corrected, text, runs.only("stranded", *NOISY))


@decides("rps-eq8-trace")
def test_trace_of_an_average(claim: Decider) -> None:
    pairs = [(np.trace(x.T @ _averaging(len(x)) @ x), len(x) * (x.mean(axis=0) ** 2).sum()) for x in _vectors()]
    claim.decide(agree(pairs, rtol=1e-12), f"{len(pairs)} matrices of whole numbers")


@decides("rps-eq28-spread")
def test_spread_around_the_mean(claim: Decider) -> None:
    spreads = [np.trace(x.T @ (np.eye(len(x)) - _averaging(len(x))) @ x) for x in _vectors()]
    printed, used = (
        [(x**2).sum() - factor * (x.mean(axis=0) ** 2).sum() for x, factor in zip(_vectors(), factors, strict=True)]
        for factors in ([1] * len(spreads), [len(x) for x in _vectors()])
    )
    alike, spread = printed[0], spreads[0]
    text = f"for two equal vectors the left side is {alike:g}, the right side {spread:g}"
    claim.decide_misprint(close(printed, spreads, 1e-12, 1e-12), close(used, spreads, 1e-12, 1e-12), text)


def _vectors() -> list[Array]:
    """Return n vectors of three whole numbers, (n, 3), first two equal ones, then some by chance for n = 2 to 8."""
    drawn = [stream(0, "rps/vectors", n).integers(-9, 10, size=(n, 3)).astype(float) for n in range(2, 9)]
    return [np.ones((2, 3)), *drawn]


def _averaging(n: int) -> Array:
    """Return A_n."""
    return np.full((n, n), 1 / n)


def _consensus_ratios(runs: Runs[Descent], labels: Iterable[Label], printed: bool = False) -> Iterator[Array]:
    """Yield sum_{s<=T} sum_i |x_{s+1} - xbar_{s+1}|^2 over its bound for every T; the term of X_1 = 0 is 0."""
    for label in labels:
        run = runs.experiment(label)
        for t in _steps(runs, label)[1:]:
            total = t * np.array(runs.at("consensus", t, label))
            yield total / bounds.lemma3(bounds.setting(run), run.schedule.lr(0), t - 1, printed)


def _intermediate_ratios(runs: Runs[Descent]) -> Iterator[Array]:
    """Yield the mean of Tr(V(I-A)V^T) over t <= T over the mean of its bound, for every T."""
    for case in NOISY:
        run = runs.experiment(case)
        for t in _steps(runs, case):
            bound = [bounds.lemma5(bounds.setting(run), run.schedule.lr(0), x) for x in runs.at("consensus", t, case)]
            yield np.divide(runs.at("intermediate", t, case), bound)


def _steps(runs: Runs[Descent], label: Label) -> list[int]:
    return [int(t) for t in runs[label][0].series("consensus").index]


def _worst_consensus() -> Decision:
    """Search bowls, planes and hills for the largest ratio to Lemma 3, with exact expectations."""
    ratios = []
    noises = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
    for n, p, (sigma, zeta) in product((2, 16, 256), (0.01, 0.1, 0.5, 0.9, 0.99), noises):
        s = Setting(n, p, 1.0, sigma, zeta, 0.0)
        longest = 1 << 13 if p > 0.5 else 4  # where models still come apart after 512 steps
        for h, fraction, steps in product((-1.0, 0.0, 1.0), (1e-3, 0.1, 0.3, 0.6, 0.99), (2, 512, longest)):
            gamma = fraction * s.edge
            total = steps * bounds.expected(s, gamma, steps, h).consensus
            ratios.append(total / bounds.lemma3(s, gamma, steps - 1))
    return searched(ratios, "quadratics with curvature -L, 0 and L, n to 256, p to 0.99, gamma to 0.99 of the edge")


def _worst_intermediate() -> Decision:
    """Search the largest ratio to Lemma 5: on a hill every worker is pushed away in the direction in which it is off.

    That makes all three triangle inequalities of the proof equalities; the supremum is 3/4, at gamma L = 1/6.
    """
    ratios = []
    for gamma, away in product(np.linspace(0.02, 2, 100), np.linspace(0, 10, 51)):
        x = -torch.tensor(gamma * away) * torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        v = x - gamma * Quadratic(-1.0, tilt=1.0).gradients(x, range(2), 2)
        bound = bounds.lemma5(Setting(2, 0.0, 1.0, 0.0, 1.0, inf), gamma, float(x.square().sum()))
        ratios.append(float(v.square().sum()) / bound)
    return searched(ratios, "hills, workers off in the direction of their own minima, gamma L in 0.02..2")
