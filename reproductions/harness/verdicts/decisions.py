"""Decisions: whether a statement holds, and those that need no statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Outcome = Literal["holds", "fails", "inconclusive"]
Counted = Literal["seeds", "draws", "grid points", "launches", "values"]
ROUNDING = 1e-9  # of bounds that are attained


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes
    ----------
    estimate, low, high, confidence
        The number, and the ends of its interval at this confidence.
    n, of
        How many samples (of the smaller group) are behind it, and what they are; "values" have no randomness.
    df
        Degrees of freedom of a t interval; None for intervals of another kind.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    n: int
    df: float | None = None
    of: Counted = "seeds"


@dataclass(frozen=True)
class Decision:
    """Whether a statement holds.

    Attributes
    ----------
    outcome, interval, explanation
        The outcome, the interval that decided it and one sentence on why.
    p_holds, p_fails
        p-values: it holds where the first is below the level of the decision, fails where the second is. Both are None
        if no number of seeds would change the outcome.
    bands
        Bands against which intervals were held.
    """

    outcome: Outcome
    interval: Interval
    explanation: str
    p_holds: float | None = None
    p_fails: float | None = None
    bands: tuple[tuple[float, float], ...] = ()


def point(value: float, n: int = 1) -> Interval:
    """Return the interval of a number without randomness, found in `n` cases."""
    return Interval(value, value, value, 1.0, n, of="values")


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
    within = f" (rtol {rtol:g}, atol {atol:g})" if rtol or atol else ""
    if agrees.all():
        sentence = f"{len(got)} of {len(got)} values as wanted" + (
            f", the furthest {got[worst]}{within}" if within else ""
        )
    else:
        sentence = f"value {worst + 1} of {len(got)} is {got[worst]}, wanted {wanted[worst]}{within}"
    return Decision("holds" if agrees.all() else "fails", point(float(got[worst]), len(got)), sentence)


def agree(pairs: Iterable[tuple[ArrayLike, ArrayLike]], rtol: float, atol: float = 0.0) -> Decision:
    """Decide that both sides of every pair are close, element by element; see `close`."""
    sides = [(np.ravel(a), np.ravel(b)) for a, b in pairs]
    return close(np.concatenate([a for a, _ in sides]), np.concatenate([b for _, b in sides]), rtol, atol)


def all_of(*decisions: Decision) -> Decision:
    """Decide that several statements hold together.

    Interval and explanation are those of the first that fails, else of the first that is inconclusive.
    """
    order: list[Outcome] = ["fails", "inconclusive", "holds"]
    weakest = min(decisions, key=lambda decision: order.index(decision.outcome))
    explanation = weakest.explanation
    if weakest.outcome == "holds":
        explanation = "; ".join(decision.explanation for decision in decisions)
    holds, fails = _joint(decisions)
    bands = tuple(band for decision in decisions for band in decision.bands)
    return Decision(weakest.outcome, weakest.interval, explanation, holds, fails, bands)


def _joint(decisions: Iterable[Decision]) -> tuple[float | None, float | None]:
    """Return the p-values of statements together: the largest to hold, the smallest to fail; None if one has none."""
    pairs = [(decision.p_holds, decision.p_fails) for decision in decisions if not _settled(decision)]
    if not pairs or any(None in pair for pair in pairs):
        return None, None
    return max(holds for holds, _ in pairs if holds is not None), min(fails for _, fails in pairs if fails is not None)


def _settled(decision: Decision) -> bool:
    """Whether a statement without randomness holds: nothing is left to test in it."""
    return decision.outcome == "holds" and decision.p_holds is None


def searched(ratios: ArrayLike, where: str) -> Decision:
    """Decide that no exact ratio of measured to bound exceeds 1; `where` says what was searched."""
    found = np.ravel(ratios)
    worst = float(found.max())
    outcome: Outcome = "holds" if worst <= 1 + ROUNDING else "fails"
    sentence = f"largest exact ratio to the bound {worst:.6g} in {len(found)} cases: {where}"
    return Decision(outcome, point(worst, len(found)), sentence)
