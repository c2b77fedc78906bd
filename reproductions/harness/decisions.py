"""Decisions: whether a statement holds, and those that need no statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Outcome = Literal["holds", "fails", "inconclusive"]
ROUNDING = 1e-9  # of bounds that are attained


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval; ``n`` is the number of samples (of the smaller group) behind it.

    ``df`` are the degrees of freedom of a t interval; None for intervals of another kind.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    n: int
    df: float | None = None


@dataclass(frozen=True)
class Decision:
    """Whether a statement holds, the interval that decided it and one sentence on why."""

    outcome: Outcome
    interval: Interval
    explanation: str


def exactly(a: ArrayLike, b: ArrayLike) -> Decision:
    """Decide a == b, element by element, for quantities without randomness; NaN equals nothing."""
    return close(a, b, rtol=0, atol=0)


def close(a: ArrayLike, b: ArrayLike, rtol: float, atol: float) -> Decision:
    """Decide abs(a - b) <= atol + rtol * abs(b), element by element, for quantities without randomness.

    The interval is the element of a that is furthest off, as a point. Shapes that differ or are empty are a ValueError.
    """
    got, wanted = np.ravel(a), np.ravel(b)
    if np.shape(a) != np.shape(b) or not got.size:
        raise ValueError(f"two arrays of one shape are needed, but the shapes are {np.shape(a)} and {np.shape(b)}")
    agrees = np.isclose(got, wanted, rtol, atol) if rtol or atol else got == wanted
    with np.errstate(invalid="ignore"):
        worst = int(np.lexsort((abs(got.astype(float) - wanted), ~agrees))[-1])
    point = float(got[worst])
    sentence = f"element {worst} is {got[worst]}, wanted {wanted[worst]} (rtol {rtol:g}, atol {atol:g})"
    return Decision("holds" if agrees.all() else "fails", Interval(point, point, point, 1.0, len(got)), sentence)


def agree(pairs: Iterable[tuple[ArrayLike, ArrayLike]], rtol: float, atol: float = 0.0) -> Decision:
    """Decide that both sides of every pair are close, element by element; see `close`."""
    sides = [(np.ravel(a), np.ravel(b)) for a, b in pairs]
    return close(np.concatenate([a for a, _ in sides]), np.concatenate([b for _, b in sides]), rtol, atol)


def all_of(*decisions: Decision) -> Decision:
    """Decide that several statements hold together; the one that stands in the way gives interval and explanation."""
    order: list[Outcome] = ["fails", "inconclusive", "holds"]
    weakest = min(decisions, key=lambda decision: order.index(decision.outcome))
    if weakest.outcome == "holds":
        return replace(weakest, explanation="; ".join(decision.explanation for decision in decisions))
    return weakest


def searched(ratios: ArrayLike, where: str) -> Decision:
    """Decide that no exact ratio of measured to bound exceeds 1; `where` says what was searched."""
    found = np.ravel(ratios)
    worst = float(found.max())
    outcome: Outcome = "holds" if worst <= 1 + ROUNDING else "fails"
    sentence = f"largest exact ratio to the bound {worst:.6g} in {len(found)} cases: {where}"
    return Decision(outcome, Interval(worst, worst, worst, 1.0, len(found)), sentence)
