"""Regions: what the interval of a decision is of, and where it has to lie, read back from the sentence that it left."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from reproductions.harness.verdicts.claims import Claim, Label
from reproductions.harness.verdicts.record import HOLM, Verdict

CLAUSE = re.compile(
    r"(?:mean in \[(?P<low>\S+), (?P<high>\S+)\]|a - b < (?P<below>\S+)|mean\(last\) - mean\(first\) > 0[^:;]*): "
    r"(?P<estimate>\S+) \[(?P<from>\S+), (?P<to>\S+)\]"
)
RISE = "the end that has to be the higher one minus the other"


@dataclass(frozen=True)
class Region:
    """What was found, beside where it has to lie for the claim to hold.

    Attributes
    ----------
    estimate, interval
        What was found.
    low, high
        Ends of the region, which may be infinite.
    difference
        (index, count): the interval is of the index-th of count differences in the reason; None if it is of none.
    rise
        Whether it is of the two ends of several groups.
    """

    estimate: float
    interval: tuple[float, float]
    low: float
    high: float
    difference: tuple[int, int] | None = None
    rise: bool = False

    @property
    def words(self) -> str:
        """The region in words."""
        if math.isinf(self.low):
            return f"has to lie below {self.high:.4g}"
        if math.isinf(self.high):
            return f"has to lie above {self.low:.4g}"
        return f"has to lie in [{self.low:.4g}, {self.high:.4g}]"


def region_of(verdict: Verdict) -> Region | None:
    """Return the region of the interval that a verdict is kept with; None if its reason does not say it."""
    if verdict.interval is None:
        return None
    _, corrected, rest = verdict.reason.partition("corrected: ")  # of an erratum, what holds is what was kept
    clauses = list(CLAUSE.finditer(rest if corrected else verdict.reason))
    differences = [clause for clause in clauses if clause["below"] is not None]
    for clause in clauses:
        found = tuple(float(clause[name].rstrip(",;")) for name in ("estimate", "from", "to"))
        if all(
            math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-12) for a, b in zip(found[1:], verdict.interval, strict=True)
        ):
            place = (differences.index(clause), len(differences)) if clause in differences else None
            rise = place is None and clause["low"] is None
            return Region(found[0], verdict.interval, *_ends(clause), place, rise)
    return None


def interval_name(claim: Claim, verdict: Verdict) -> str:
    """Say what the interval of a verdict is of and what it had to do; the interval itself goes after it."""
    region = region_of(verdict)
    if region is None:
        return "Interval"
    of = f" of {what}" if (what := _what(claim, region)) else ""
    if verdict.by_holm:
        return f"Interval{of}, which {region.words}: alone not enough, {HOLM}"
    return f"Interval{of}, which {region.words}"


def _what(claim: Claim, region: Region) -> str:
    """Say which difference an interval is of, as far as the claims file says it."""
    if region.rise:
        return RISE
    names = claim.differences or _of_trend(claim)
    if region.difference is None or not names:
        return "" if region.difference is None else "the difference that was tested"
    place, count = region.difference
    if not claim.differences:
        return names[-1] if region.high else names[0]  # the second of a trend has the margin
    return names[place] if count == len(names) else " or of ".join(names)


def _of_trend(claim: Claim) -> tuple[str, ...]:
    """Return what is subtracted from what to decide the trend of a claim."""
    trend = claim.trend
    if trend is None or trend.relation in ("rises", "falls", "near"):
        return ()
    other = getattr(trend, trend.relation)
    own, its = _named(claim, other)
    over, under = f"{own} minus {its}", f"{its} minus {own}"
    first, second = (over, under) if trend.relation in ("below", "at_most_above") else (under, over)
    both = trend.relation in ("above", "below") and (trend.by or trend.share)
    return (first, second) if both else (first,)


def _named(claim: Claim, other: Label) -> tuple[str, str]:
    """Return names of the two sides of a trend: by the parameters of the claim, if the other label is of these."""
    values = other if isinstance(other, tuple) else (other,)
    alike = [type(value) in (int, float) for value in (*values, *claim.at.values())]
    if len(values) == len(claim.at) and all(alike):
        sides = (claim.at.items(), zip(claim.at, values, strict=True))
        own, its = (", ".join(f"{name} = {value:g}" for name, value in side) for side in sides)
        return f"the value at {own}", f"the value at {its}"
    return "what was found", " ".join(map(str, values))


def _ends(clause: re.Match[str]) -> tuple[float, float]:
    if clause["low"] is not None:
        return float(clause["low"]), float(clause["high"])
    return (-math.inf, float(clause["below"])) if clause["below"] is not None else (0.0, math.inf)
