"""Section 5: a majority of the clusters is necessary, as a partition experiment on a (gamma, p)-split function."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import sqrt

import numpy as np
import pandas as pd

from algorithms.clustersgd.agreement import MID_EXTREMES
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.scheduler import Deadlock
from algorithms.clustersgd.sgd import GeneralSGD
from algorithms.schedule import Constant
from reproductions.clustersgd import wells
from reproductions.clustersgd.schedules import Death, Hears, execute
from reproductions.clustersgd.wells import ETA, KICK, STEPS, Array, WellSlope
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Interval,
    all_of,
    close,
    decides,
    exactly,
    panels,
    proportion_interval,
    searched,
    within,
)

TWO, ONE = WellSlope(2), WellSlope(1)
TRIALS = 2000
LIPSCHITZ = 3.0  # of two wells, |Q''(0)|
DELTA = 0.2  # of theorem 5, which needs p > delta n^2/gamma^2: any delta below 0.237 would do


@decides("clustersgd-def1-split")
def test_split(claim: Decider) -> None:
    gamma, p = wells.split(TWO)
    ends = _ends(TWO)[:, 0]  # one process of a partition is sequential SGD
    chance = sqrt(p)  # symmetric: P[E_seq(alpha, w)] = P[E_seq(alpha, -w)]
    sides = [_near(ends, side) for side in (1, -1)]
    estimated = all_of(*(_holds_value(side, chance) for side in sides))
    single = exactly([wells.law(ONE).std() > 0, _in_both(ONE)], [True, False])
    text = f"({gamma:.3f}, {p:.4f})-split exactly; estimated {sides[0].estimate * sides[1].estimate:.4f}"
    claim.decide(all_of(estimated, single), text)


@decides("clustersgd-near-stationary")
def test_near_stationary(claim: Decider) -> None:
    x, w = wells.law(TWO), wells.bottom()
    ratios = [(TWO(x) / (LIPSCHITZ * (x - point))) ** 2 for point in (-w, 0.0, w)]
    worst = max(float(r.max()) for r in ratios)
    decision = all_of(searched(np.concatenate(ratios), "two wells, 2^16 outputs"), exactly([worst > 0.9], [True]))
    claim.decide(decision, f"{worst:.4f} of the bound at worst, near 0; {float(ratios[-1].max()):.3f} seen from w")


@decides("clustersgd-lemma13")
def test_lemma13(claim: Decider) -> None:
    ratios = [1 / _over_lemma13(k, sets) for k, sets in product((2, 4, 8), ("halves", "all"))]
    gamma, p = wells.split(TWO)
    ratios.append(p * gamma**2 / 4 / wells.apart_over_time(TWO)[-1])  # n = 2
    text = f"the bound is {max(ratios):.3f} of the difference at most, {ratios[-1]:.3f} in two wells"
    claim.decide(searched(ratios, "one pair apart, the others between; two wells"), text)


@decides("clustersgd-theorem5-impossibility")
def test_theorem5(claim: Decider, figures: FigureFolder) -> None:
    gamma, p = wells.split(TWO)
    ends = _ends(TWO)
    exact, measured = wells.apart_over_time(TWO)[-1], (ends[:, 0] - ends[:, -1]) ** 2
    _draw(figures)
    least = _near(ends[:, 0], 1).low * _near(ends[:, -1], -1).low
    needed = DELTA * 2**2 / gamma**2
    conditions = exactly([p > needed, least > needed, gamma >= sqrt(DELTA) * 2], [True] * 3)
    apart = all_of(exactly([exact > DELTA], [True]), within(measured, DELTA, np.inf, of="draws"))
    text = (
        f"E |x_a - x_b|^2 = {exact:.3f} (runs {measured.mean():.2f}) where delta = {DELTA:g}; p = {p:.4f}, by runs at "
        f"least {least:.4f}, where more than {needed:.4f} is needed"
    )
    claim.decide(all_of(conditions, apart, _follows_law(ends, TWO), _indistinguishable()), text)


@decides("clustersgd-theorem5-necessity")
def test_necessity(claim: Decider) -> None:
    ended, wanted = [], []
    for m, failed in ((2, 1), (4, 2), (5, 2), (5, 3), (6, 3)):
        ended.append(_agrees(m, failed))
        wanted.append(m - failed > m // 2)
    gamma, p = wells.split(TWO)
    distance, least = wells.apart_over_time(TWO)[-1], p * gamma**2 / 4
    apart = exactly([distance > least], [True])
    text = (
        f"algorithm 2 ends in {sum(ended)} of {len(ended)} cases, {sum(wanted)} of them with a majority; algorithm 1, "
        f"which does not wait for one, in wells of mean square distance {distance:.3g}, of at least {least:.3g}"
    )
    claim.decide(all_of(exactly(ended, wanted), apart, _indistinguishable()), text)


@decides("clustersgd-no-partition-in-convex")
def test_convex(claim: Decider) -> None:
    split, whole = wells.apart_over_time(TWO)[-1], wells.apart_over_time(ONE)[-1]
    ends = _ends(ONE)
    exact = 2 * ETA**2 * KICK**2 * (1 - (1 - ETA) ** (2 * STEPS)) / (1 - (1 - ETA) ** 2)  # of two halves on x^2/2
    decaying = _decaying(4096)
    rests = close(decaying, 0, rtol=0, atol=0.01)
    decision = all_of(close(whole, exact, rtol=1e-9, atol=0), _follows_law(ends, ONE), rests)
    text = f"{whole:.3f} against {split:.2f} in two wells; {decaying:.4f} after 4,096 steps beta/(gamma + t)"
    claim.decide(decision, text)


# ---------------------------------------------------------------------------------------------------- measurement


@cache
def _ends(slope: WellSlope) -> Array:
    """Return the outputs of two processes, each a half, one row for each trial."""
    outputs = wells.partition(slope, 2, TRIALS).outputs
    return np.stack([outputs[0], outputs[1]], axis=1)


def _indistinguishable() -> Decision:
    """Decide that each half computes the same numbers whether the other half is slow or dead."""
    both = wells.partition(TWO, 4, 20).outputs
    together, alone = [], []
    for half, dead in (((0, 1), (2, 3)), ((2, 3), (0, 1))):
        rest = wells.partition(TWO, 4, 20, dead, seed=0).outputs
        together += [both[i] for i in half]
        alone += [rest[i] for i in half]
    return exactly(together, alone)


def _follows_law(ends: Array, slope: WellSlope) -> Decision:
    """Decide that E x^2 of each half is that of sequential SGD, and that the halves are independent."""
    second = float((wells.law(slope) ** 2).mean())
    squares = [within(ends[:, i] ** 2 / second, 0.85, 1.15, of="draws") for i in (0, -1)]
    return all_of(*squares, within(ends[:, 0] * ends[:, -1] / second, -0.15, 0.15, of="draws"))


def _in_both(slope: WellSlope) -> bool:
    """Whether sequential SGD ends near w and near -w with a probability that matters."""
    return wells.split(slope).p > 1e-2


def _near(ends: Array, side: int) -> Interval:
    """Return the probability to end near w, or -w, with confidence 97.5 %: that of both sides then has 95 %."""
    there = abs(ends - side * wells.bottom()) <= wells.RADIUS
    return proportion_interval(int(there.sum()), len(ends), 0.975)


def _holds_value(interval: Interval, value: float) -> Decision:
    inside = interval.low <= value <= interval.high
    return Decision(
        "holds" if inside else "fails", interval, f"{value:.4f} in [{interval.low:.4f}, {interval.high:.4f}]"
    )


def _over_lemma13(k: int, sets: str) -> float:
    """Return the largest E |x_a - x_b|^2 over the bound if one random pair is 1 apart and all others in the middle.

    A and B are halves of the k processes, or both are all of them.
    """
    pairs = [(i, j) for i in range(k) for j in range(k) if i != j and (sets == "all" or i < k // 2 <= j)]
    mean = np.zeros((k, k))
    for i, j in pairs:
        x = np.zeros(k)
        x[i], x[j] = 0.5, -0.5
        mean += (x[:, None] - x) ** 2 / len(pairs)
    return float(max(mean[i, j] for i, j in pairs)) * k**2


def _agrees(m: int, failed: int) -> bool:
    """Whether algorithm 2 ends on two wells if all processes of `failed` of m clusters of two crash at once."""
    size = 2 * m
    dead = tuple(Death(i, 1) for i in range(2 * failed))
    sgd = GeneralSGD(
        Clusters.even(size, m), 2, 1, Constant(ETA), len(dead), contraction=MID_EXTREMES.clustered, output=2
    )
    process = lambda i: sgd.process(i, np.zeros(1), wells.noisy(TWO, 0))  # noqa: E731
    try:
        done = execute(sgd.clusters, process, Hears(deaths=dead), 0)
    except Deadlock:
        return False
    return len(done.outputs) == size - len(dead)


def _decaying(steps: int) -> float:
    """Return E |x_a - x_b|^2 of two halves on x^2/2 with the learning rate 2/(1 + t)."""
    variance = 0.0
    for t in range(1, steps + 1):
        eta = 2 / (1 + t)
        variance = (1 - eta) ** 2 * variance + (eta * KICK) ** 2
    return 2 * variance


# --------------------------------------------------------------------------------------------------------- figure


def _draw(figures: FigureFolder, trials: int = 12) -> None:
    """Draw where both halves go on two wells and on one, and how far apart they are in expectation."""
    figure, axes = panels(3, width=3.9, epochs=True)
    rows: list[tuple[str, int, str, int, float]] = []
    for axis, slope, name in zip(axes, (TWO, ONE), ("two wells", "one well"), strict=False):
        history = wells.partition(slope, 2, trials).history
        assert history is not None
        for trial, (process, half) in product(range(trials), enumerate("AB")):
            path = [0.0, *(float(history.computed[(t,)][process][trial]) for t in range(1, STEPS + 1))]
            axis.plot(path, color=COLOURS[process], alpha=0.5, lw=1, label="_" if trial else f"half {half}")
            rows += [(name, trial, half, t, x) for t, x in enumerate(path)]
        axis.set(xlabel="iteration", ylabel="x", ylim=(-4, 4), title=f"{name}, {trials} trials")
    gamma, p = wells.split(TWO)
    for slope, name, colour in ((TWO, "two wells", COLOURS[2]), (ONE, "one well", COLOURS[3])):
        axes[2].plot(range(1, STEPS + 1), wells.apart_over_time(slope), ".-", color=colour, label=name)
    axes[2].axhline(p * gamma**2 / 4, color="k", ls="--", lw=1, label="p gamma^2/n^2 of two wells, n = 2")
    axes[2].set(xlabel="iteration", ylabel="E |x_a - x_b|^2", title="exact", yscale="log")
    for axis in axes:
        axis.legend(fontsize=7)
    figures.save("partition", figure, pd.DataFrame(rows, columns=["function", "trial", "half", "iteration", "x"]))
