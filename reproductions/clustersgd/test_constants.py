"""Appendix A: propositions 1 to 4, the two aggregation rules, and lemmas 14, 15, 17 and 18 on midpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from algorithms.clustersgd import agreement
from algorithms.clustersgd.agreement import APPROACH_EXTREME, MID_EXTREMES, Rule
from algorithms.streams import stream
from reproductions.clustersgd import midpoints
from reproductions.clustersgd.midpoints import Condition, Points
from reproductions.paper import Decider, Decision, agree, all_of, close, decides, exactly, searched

DIMENSIONS = (1, 2, 3, 4)
SOLVER = 1e-6  # how far the optimiser may overstep its constraints, relative
LITERAL = np.array([[1.0], [0.0], [0.0], [1.0]])  # a = b' = 1, b = a' = 0: m = 1/2, m' = -1/2 as printed


@decides("clustersgd-lemma14-7-8")
def test_lemma14(claim: Decider) -> None:
    _decide_midpoints(claim, 7 / 8, midpoints.lemma14, _crossed(1 / 2), LITERAL)


@decides("clustersgd-lemma15-31-32")
def test_lemma15(claim: Decider) -> None:
    tiny = _crossed(1 / 4) / 100  # not squared, the left side is a length and the right one an area
    unsquared = sqrt(midpoints.between_midpoints(tiny)) / (31 / 32 * midpoints.diameter(tiny))
    _decide_midpoints(claim, 31 / 32, midpoints.lemma15, _crossed(1 / 4), LITERAL, unsquared)


@decides("clustersgd-lemma18")
def test_lemma18(claim: Decider) -> None:
    ratios, cases = [], list(product((0.4, 1.0, 2.0, 3.0, 8.0, 10.0), (1e-9, 0.2, 0.5)))
    for c, d in cases:
        bound = (4 * c - 1) / (4 * c) + d / (4 * c)
        ratios.append(midpoints.largest(4, 3, midpoints.lemma18(c, d), 2) / bound)
    # attained where both segments have the length that (21) leaves, at right angles, all other distances being 1
    widths = [(c, d, sqrt((1 - d) / (2 * c))) for c, d in cases if c >= 1]
    attained = [(midpoints.between_midpoints(_crossed(u)), (4 * c - 1 + d) / (4 * c)) for c, d, u in widths]
    named = close([7 / 8, 31 / 32, 11 / 12, 39 / 40], [(4 * c - 1) / (4 * c) for c in (2, 8, 3, 10)], 1e-15, 0)
    corrected = all_of(_below(ratios, "c 0.4 to 10, d to 0.5"), agree(attained, rtol=1e-12), named)
    printed = midpoints.between_midpoints(LITERAL, -1) / (7 / 8 + 1e-9 / 8)  # c = 2, d = 1e-9: 1 <= 2 + 2 + d holds
    claim.decide_misprint(searched([printed], "a = b' = 1, b = a' = 0"), corrected, _of_bound(max(ratios)))


@decides("clustersgd-lemma17")
def test_lemma17(claim: Decider) -> None:
    sides = []
    for d, scale in product((1, 3, 50), (1e-3, 1.0, 1e3)):
        a, b, c = scale * stream(0, "clustersgd/apollonius", d).standard_normal((3, d))
        right = _square(a - c) / 2 + _square(b - c) / 2 - _square(a - b) / 4
        sides.append((_square((a + b) / 2 - c) / right, 1.0))
    claim.decide(agree(sides, rtol=1e-12), f"the sides differ by {_apart(sides):.1g} of the right one")


@decides("clustersgd-props-1-4")
def test_propositions(claim: Decider) -> None:
    rng = stream(0, "clustersgd/propositions")
    equal, ratios = [], []
    for n, d in product((2, 3, 7), (1, 4)):
        x, y = rng.standard_normal((2, n, d))
        w, mean = rng.dirichlet(np.ones(n)), x.mean(axis=0)
        same = np.tile(x[0], (n, 1))
        weighted = (w[:, None] * (x - y)).sum(axis=0)
        gaps = x[:, None] - y
        equal += [((x**2).sum(axis=1).mean(), _square(mean) + _variance(x)), (_square(n * x[0]), n * (same**2).sum())]
        ratios += [
            _square(x.sum(axis=0)) / (n * (x**2).sum()),  # (16)
            *(_square(x[0] + x[1]) / ((1 + a) * _square(x[0]) + (1 + 1 / a) * _square(x[1])) for a in (0.1, 1, 9)),
            *(abs(x[0] @ x[1]) / (b / 2 * _square(x[0]) + _square(x[1]) / (2 * b)) for b in (0.1, 1, 9)),  # (19)
            _variance(x - y) / (2 * _variance(x) + 2 * _variance(y)),  # proposition 2
            _variance(2 * x) / (4 * _variance(x)),  # where it is attained, y = -x
            _square(mean - y.mean(axis=0)) / (gaps**2).sum(axis=2).mean(),  # proposition 3
            _square(weighted) / (w @ ((x - y) ** 2).sum(axis=1)),  # proposition 4
        ]
    decision = all_of(searched(ratios, "2, 3 and 7 vectors in 1 and 4 dimensions"), agree(equal, rtol=1e-12))
    text = f"largest ratio to a bound {max(ratios):.6g}; sides of proposition 1 and (18) apart by {_apart(equal):.1g}"
    claim.decide(decision, text)


@decides("clustersgd-midext-definition")
def test_mid_extremes(claim: Decider) -> None:
    _decide_definition(claim, MID_EXTREMES, lambda values: agreement.squared_distances(values).size, 2)


@decides("clustersgd-approachext-definition")
def test_approach_extreme(claim: Decider) -> None:
    counted = lambda values: agreement.squared_distances_from(values[0], values).size  # noqa: E731
    _decide_definition(claim, APPROACH_EXTREME, counted, 1)


# ---------------------------------------------------------------------------------------------------- measurement


def _apart(pairs: Iterable[tuple[ArrayLike, ArrayLike]]) -> float:
    """Return the largest difference of two sides."""
    return max(float(np.abs(np.subtract(a, b)).max()) for a, b in pairs)


def _decide_midpoints(
    claim: Decider, bound: float, condition: Condition, tight: Points, literal: Points, *printed: float
) -> None:
    found = [midpoints.largest(4, d, condition) / bound for d in DIMENSIONS]
    attained = close(midpoints.between_midpoints(tight) / midpoints.diameter(tight), bound, rtol=1e-12, atol=0)
    assert min(condition(tight)) >= -1e-12
    assert min(condition(literal)) >= 0
    wrong = [midpoints.between_midpoints(literal, -1) / bound, *printed]
    text = ", ".join(f"{bound * ratio:.4f} in R^{d}" for ratio, d in zip(found, DIMENSIONS, strict=True))
    corrected = all_of(_below(found, "four points in 1 to 4 dimensions"), attained)
    claim.decide_misprint(searched(wrong, "the letter of the lemma"), corrected, text)


def _decide_definition(claim: Decider, rule: Rule, counted: Callable[[list[Points]], int], power: int) -> None:
    """Decide that a rule does what its definition says, with as many distances as a power of the number of values."""
    found = [_against_definition(rule, values) for values in _sets()]
    distances, sizes = [counted(list(values)) for values in _sets()], [len(values) ** power for values in _sets()]
    text = f"{len(found)} sets of values, off by {_apart(found):.1g}; {sum(distances)} distances for {sum(sizes)}"
    claim.decide(all_of(agree(found, rtol=1e-9), exactly(distances, sizes)), text)


def _crossed(u: float) -> Points:
    """Return two segments of length u at right angles whose ends all have the distance 1."""
    height = sqrt(1 - u * u / 2)
    return np.array([[u / 2, 0, 0], [-u / 2, 0, 0], [0, u / 2, height], [0, -u / 2, height]])


def _below(ratios: Sequence[float], where: str) -> Decision:
    return searched(np.array(ratios) / (1 + SOLVER), where)


def _sets() -> list[Points]:
    """Return sets of vectors: random ones, on a line, all the same, all as far apart, and far from the origin."""
    rng = stream(0, "clustersgd/sets")
    sets = [rng.standard_normal((k, d)) for k, d in product((1, 2, 5, 12), (1, 3, 40))]
    line = np.outer(rng.standard_normal(6), np.ones(3))
    return [*sets, line, np.ones((4, 2)), np.eye(5), 1e6 + rng.standard_normal((5, 3))]


def _against_definition(rule: Rule, values: Points) -> tuple[list[float], list[float]]:
    """Return what a rule does, and what its definition says: both ends of a farthest pair, and their midpoint.

    Where several pairs are the farthest, any of them will do.
    """
    own, distances = values[-1], midpoints.squared(values)
    result = rule.aggregate(list(values), own)
    allowed = distances if rule is MID_EXTREMES else distances[[-1]]
    firsts = values if rule is MID_EXTREMES else values[[-1]]
    rows, columns = np.nonzero(np.isclose(allowed, allowed.max(), rtol=1e-12, atol=1e-9 * midpoints.diameter(values)))
    candidates = (firsts[rows] + values[columns]) / 2
    nearest = candidates[int(np.argmin(((candidates - result) ** 2).sum(axis=1)))]
    return list(result), list(nearest)


def _variance(rows: Points) -> float:
    """Return V of a random row."""
    return float(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean())


def _square(vector: Points) -> float:
    return float(vector @ vector)


def _of_bound(ratio: float) -> str:
    return f"{ratio:.6f} of the bound at worst"
