"""Regions: where a decision said that a number has to lie, read back from the sentence that it left."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from reproductions.harness.verdicts.record import Verdict

CLAUSE = re.compile(
    r"(?:mean in \[(?P<low>\S+), (?P<high>\S+)\]|a - b < (?P<below>\S+)|mean\(last\) - mean\(first\) > 0[^:;]*): "
    r"(?P<estimate>\S+) \[(?P<from>\S+), (?P<to>\S+)\]"
)


@dataclass(frozen=True)
class Region:
    """What was found, beside where it has to lie for the claim to hold.

    Attributes
    ----------
    estimate, interval
        What was found.
    low, high
        Ends of the region, which may be infinite.
    """

    estimate: float
    interval: tuple[float, float]
    low: float
    high: float

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
    for clause in CLAUSE.finditer(verdict.reason):
        found = tuple(float(clause[name].rstrip(",;")) for name in ("estimate", "from", "to"))
        if all(
            math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-12) for a, b in zip(found[1:], verdict.interval, strict=True)
        ):
            return Region(found[0], verdict.interval, *_ends(clause))
    return None


def _ends(clause: re.Match[str]) -> tuple[float, float]:
    if clause["low"] is not None:
        return float(clause["low"]), float(clause["high"])
    return (-math.inf, float(clause["below"])) if clause["below"] is not None else (0.0, math.inf)
