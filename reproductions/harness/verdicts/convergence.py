"""Decisions about curves: levels that some runs never reach, and tails that have to be flat."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproductions.harness.verdicts.decisions import Decision, Interval
from reproductions.harness.verdicts.intervals import mean_interval
from reproductions.harness.verdicts.statistics import less, within

Times = NDArray[np.float64]


def reached(times: Mapping[Any, ArrayLike], decide: Callable[[], Decision], every: bool = False) -> Decision:
    """Compare times to a level where there is something to compare.

    Parameters
    ----------
    times
        By label, the time at which each run reached the level; infinite or NaN for a run that never did.
    decide
        The decision about these times, taken if enough runs reached the level.
    every
        Whether every run has to, or one of each label.

    Returns
    -------
    Decision
        That of `decide`; if too few runs reached the level, inconclusive: a run that is too short shows neither that
        the statement holds nor that it fails.
    """
    there = {str(label): np.isfinite(np.ravel(group)) for label, group in times.items()}
    late = {label: group for label, group in there.items() if not (group.all() if every else group.any())}
    if not late:
        return decide()
    sentence = f"no run reached the level for {', '.join(late)}: there is no time to compare"
    if every:
        counts = ", ".join(f"{group.sum()} of {group.size} runs of {label}" for label, group in late.items())
        sentence = f"the level was reached in {counts} only: the others have no time to compare"
    runs = sum(group.size for group in there.values())
    return Decision("inconclusive", Interval(math.nan, math.nan, math.nan, math.nan, runs), sentence)


def sooner(a: ArrayLike, b: ArrayLike, end: float, alpha: float = 0.05) -> Decision:
    """Decide mean(a) < mean(b) for times to a level, paired; see `less`.

    A run that never got there, whose time is infinite or NaN, counts as `end`, the earliest it could have. This
    understates it, so "holds" is taken back if a run of `a` never got there, and "fails" if one of `b` did not.
    """
    times = [np.where(np.isfinite(group), group, math.inf).astype(float) for group in (a, b)]

    def compare() -> Decision:
        first, second = (np.minimum(group, end) for group in times)
        decision = less(first, second, alpha=alpha)
        censored = [int(np.isinf(group).sum()) for group in times]
        return _censored(decision, *censored) if any(censored) else decision

    if np.isinf(times[0]).all() == np.isinf(times[1]).all():
        return reached({"a": times[0], "b": times[1]}, compare)
    return compare()  # one of them never gets there: that is an order


def _censored(decision: Decision, first: int, second: int) -> Decision:
    """Take back an outcome that rests on the end of a run in place of a time."""
    blocked = {"holds": first, "fails": second}.get(decision.outcome, 0)
    sentence = f"{decision.explanation}; the level was not reached in {first} runs of a and {second} of b"
    if not blocked:
        return replace(decision, explanation=sentence, p_holds=None, p_fails=None)
    return Decision("inconclusive", decision.interval, f"{sentence}, longer runs would decide")


def flat_tail(curves: Sequence[ArrayLike], by: float, share: float = 0.25, confidence: float = 0.95) -> Decision:
    """Decide that curves have come to rest: a condition of every statement about a floor or about convergence.

    The tail, the last `share` of a curve, is cut into halves, and their means may differ by at most `by`.

    Parameters
    ----------
    curves
        One curve a seed, at equal distances of time.
    by
        Largest change that does not matter for the statement, such as a tenth of the difference that it is about.
    share
        Part of the curve that is its tail, above 0 and at most 1; it needs at least two points.

    Returns
    -------
    Decision
        Holds, or is inconclusive: runs that still change say nothing about where they end.
    """
    if not 0 < share <= 1 or not by > 0:
        raise ValueError(f"a share in (0, 1] and a change above 0 are needed, not {share} and {by}")
    changes = [_change(np.asarray(curve, dtype=float), share) for curve in curves]
    decision = within(mean_interval(changes, confidence), -by, by)
    if decision.outcome != "fails":
        return replace(decision, bands=())
    sentence = f"not at rest: {decision.explanation}, longer runs would decide"
    return Decision("inconclusive", decision.interval, sentence)


def _change(curve: Times, share: float) -> float:
    tail = curve[-max(round(share * len(curve)), 2) :]
    if len(tail) < 2:
        raise ValueError(f"a tail needs at least two points, but the curve has {len(curve)}")
    middle = len(tail) // 2
    return float(tail[-middle:].mean() - tail[:middle].mean())
