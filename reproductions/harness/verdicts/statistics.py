"""Decisions about random quantities.

Every decision is an interval against a threshold: on one side it holds, on the other it fails, across it nothing is
decided and the explanation says how many seeds would. Fewer than three seeds decide nothing, and neither does one
number that all seeds repeat: what has no randomness is decided by `exactly` or `close`, or says ``of="values"``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from reproductions.harness.verdicts.decisions import ROUNDING, Counted, Decision, Interval
from reproductions.harness.verdicts.intervals import (
    constant,
    difference,
    finite,
    mean_interval,
    p_below,
    standard_error,
)
from reproductions.harness.verdicts.power import FEWEST_SEEDS, holm, seeds_to_see

_DIVERGED = Decision("fails", Interval(math.nan, math.nan, math.nan, math.nan, 0), "diverged")


def within(
    samples: ArrayLike | Interval,
    low: float,
    high: float,
    confidence: float = 0.95,
    diverged_fails: bool = False,
    of: Counted = "seeds",
) -> Decision:
    """Decide low <= mean <= high: the confidence interval inside the band holds, wholly outside fails.

    A sample that is not finite is a ValueError, or makes it fail if ``diverged_fails`` is set; so below. `of` says what
    the samples are.
    """
    if not low <= high:
        raise ValueError(f"the band from {low} to {high} is empty")
    if diverged_fails and not isinstance(samples, Interval) and not np.isfinite(samples).all():
        return _DIVERGED
    interval = samples if isinstance(samples, Interval) else mean_interval(samples, confidence, of)
    edge = min((low, high), key=lambda end: abs(end - interval.estimate))
    decision = _decide(
        interval,
        holds=low <= interval.low and interval.high <= high,
        fails=interval.high < low or interval.low > high,
        statement=f"mean in [{low:.6g}, {high:.6g}]",
        missing=_missing(interval, edge, (1 - interval.confidence) / 2),
        repeated=interval.low == interval.high,
    )
    below, above = (p_below(interval, end) for end in (low, high))
    return _with_p(decision, 2 * max(1 - below, above), 2 * min(below, 1 - above), bands=((low, high),))


def less(
    a: ArrayLike,
    b: ArrayLike,
    paired: bool = True,
    margin: float = 0,
    alpha: float = 0.05,
    diverged_fails: bool = False,
    of: Counted = "seeds",
) -> Decision:
    """Decide mean(a) < mean(b) + margin: an ordering with margin 0, non-inferiority with margin > 0.

    The interval is that of mean(a) - mean(b) with alpha at each side. The statement is strict: an ordering fails if
    samples do not differ at all, seed by seed.
    """
    if diverged_fails and not (np.isfinite(a).all() and np.isfinite(b).all()):
        return _DIVERGED
    interval = difference(a, b, paired, 1 - 2 * alpha, of)
    decision = _decide(
        interval,
        holds=interval.high < margin,
        fails=interval.low >= margin,
        statement=f"a - b < {margin:.6g}",
        missing=_missing(interval, margin, alpha),
        repeated=constant(a) and constant(b),
    )
    below = p_below(interval, margin)
    return _with_p(decision, below, 1 - below)


def increasing(
    groups: Sequence[ArrayLike],
    paired: bool = True,
    alpha: float = 0.05,
    of: Counted = "seeds",
) -> Decision:
    """Decide whether the means of the groups increase in the order given.

    It fails if a step from one group to the next decreases significantly (one-sided t tests, Holm over the steps) or
    if the last mean is not above the first with its whole interval. It holds if the last mean is significantly above
    the first and no step decreases even without Holm's correction. The interval is that of mean(last) - mean(first)
    with alpha at each side.
    """
    if len(groups) < 2:
        raise ValueError(f"a trend needs at least two groups of samples, not {len(groups)}")
    samples = [finite(group, f"groups[{i}]") for i, group in enumerate(groups)]
    steps = [difference(after, before, paired, 1 - 2 * alpha, of) for before, after in pairwise(samples)]
    interval = difference(samples[-1], samples[0], paired, 1 - 2 * alpha, of)
    interval = replace(interval, n=min(step.n for step in steps))
    decreases = [p_below(step, 0) if standard_error(step) else float(step.estimate >= 0) for step in steps]
    worst, tolerable = steps[int(np.argmin(decreases))], min(decreases) >= alpha
    decrease = float(holm(decreases).min())
    decision = _decide(
        interval,
        holds=interval.low > 0 and tolerable,
        fails=decrease < alpha or interval.high <= 0,
        statement=f"mean(last) - mean(first) > 0 and no step down (lowest step {worst.estimate:+.6g})",
        missing=_missing(interval if tolerable else worst, 0, alpha),
        repeated=all(constant(group) for group in samples),
    )
    overall = p_below(interval, 0)
    return _with_p(decision, 1 - overall if tolerable else 1.0, min(overall, decrease))


def at_most_one(ratios: Iterable[ArrayLike], of: Counted = "seeds") -> Decision:
    """Decide that no mean ratio of measured to bound exceeds 1 (but for rounding: some bounds are attained).

    Intervals hold jointly at 95 % (Bonferroni); the one that violates the bound or comes closest to it is reported.
    """
    samples = list(ratios)
    intervals = [mean_interval(sample, 1 - 0.05 / len(samples), of) for sample in samples]
    worst = max(intervals, key=lambda interval: (interval.low > 1 + ROUNDING, interval.high))
    return within(worst, -math.inf, 1 + ROUNDING)


def _decide(interval: Interval, holds: bool, fails: bool, statement: str, missing: str, repeated: bool) -> Decision:
    of = interval.of
    found = f"{statement}: {interval.estimate:.6g} [{interval.low:.6g}, {interval.high:.6g}] from {interval.n} {of}"
    if _random(interval) and interval.n < FEWEST_SEEDS:
        return Decision("inconclusive", interval, f"{found}, at least {FEWEST_SEEDS} are needed")
    if _random(interval) and of == "seeds" and repeated:
        sentence = "all of one value: a number that every seed repeats is one sample, not several"
        return Decision("inconclusive", interval, f"{found}, {sentence}")
    if holds or fails:
        return Decision("fails" if fails else "holds", interval, found)
    return Decision("inconclusive", interval, f"{found}, {missing} {of} would decide")


def _random(interval: Interval) -> bool:
    return interval.of != "values" and interval.confidence < 1


def _missing(interval: Interval, edge: float, level: float) -> str:
    """Say how many samples would tell the mean from an edge with probability 0.8."""
    distance, spread = abs(interval.estimate - edge), standard_error(interval) * math.sqrt(interval.n)
    if not (0 < distance < math.inf and level > 0 and 0 < spread < math.inf):
        return "no number of"
    return str(seeds_to_see(distance, spread, level))


def _with_p(decision: Decision, holds: float, fails: float, bands: tuple[tuple[float, float], ...] = ()) -> Decision:
    """Add p-values, where there is a t test behind the decision and enough seeds, and what was compared with."""
    interval = decision.interval
    tested = _random(interval) and interval.df is not None and interval.n >= FEWEST_SEEDS
    if not tested or standard_error(interval) == 0:
        return replace(decision, bands=bands)
    return replace(decision, p_holds=min(holds, 1.0), p_fails=min(fails, 1.0), bands=bands)
