"""Trends: what a reduced scale tests in place of a printed number, decided from the claims file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reproductions.harness.verdicts.claims import Label, Trend
from reproductions.harness.verdicts.decisions import Decision, all_of
from reproductions.harness.verdicts.intervals import paired_difference
from reproductions.harness.verdicts.statistics import increasing, less, within

Samples = Mapping[Any, Sequence[float]]  # by label; the keys of a mapping are invariant, and runs have a wider label


def follows(trend: Trend, samples: Samples, own: Label | None = None, alpha: float = 0.05) -> Decision:
    """Decide a trend.

    Parameters
    ----------
    trend
        The relation, as the claims file has it.
    samples
        Values by label, one a seed and paired by it; labels of the trend that are missing are a ValueError.
    own
        Label of the quantity that the claim is about; not needed for one that rises or falls along labels.
    alpha
        Level of each one-sided test.
    """
    relation = trend.relation
    if relation in ("rises", "falls"):
        groups = [_of(samples, label) for label in getattr(trend, relation)]
        return increasing(groups if relation == "rises" else groups[::-1], alpha=alpha)
    mine, other = _of(samples, own), _of(samples, getattr(trend, relation))
    margin = _margin(trend, other)
    match relation:
        case "near":
            return within(paired_difference(mine, other, 1 - 2 * alpha), -margin, margin)
        case "at_most_above":
            return less(mine, other, margin=margin, alpha=alpha)
        case "at_most_below":
            return less(other, mine, margin=margin, alpha=alpha)
    lower, upper = (other, mine) if relation == "above" else (mine, other)
    order = less(lower, upper, alpha=alpha)
    return all_of(order, less(upper, lower, margin=margin, alpha=alpha)) if margin else order


def _of(samples: Samples, label: Label | None) -> Sequence[float]:
    if label is None or label not in samples:
        raise ValueError(f"the trend needs samples of {label!r}, but there are only {', '.join(map(repr, samples))}")
    return samples[label]


def _margin(trend: Trend, other: Sequence[float]) -> float:
    """Return the margin in the unit of the metric; 0 if there is none."""
    if trend.share is not None:
        return trend.share * abs(float(np.mean(other)))
    return trend.by or 0.0
