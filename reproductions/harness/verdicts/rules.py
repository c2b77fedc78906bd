"""Rules: which word a decision may be called by. A verdict is a statement to a referee."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from reproductions.harness.verdicts.claims import BASES, Claim
from reproductions.harness.verdicts.decisions import Decision, Interval, Outcome

Number = Interval | Mapping[str, Interval] | None
"""What was found in place of the printed number, or of several by their names; None where nothing can be compared."""
LISTED = {  # verdicts that a claims file says beforehand, with their cause, by its fields
    "deviates": "deviates",
    "inconclusive": "inconclusive",
    "opposite": "inconclusive",
}


def basis_of(claim: Claim, bases: Iterable[str]) -> str:
    """Return what a verdict rests on: what the claims file says, else the weakest of its runs, else exact."""
    return claim.basis or max(bases, key=BASES.index, default="exact")


def word(claim: Claim, scale: str, basis: str, outcome: Outcome, excluded: bool = False) -> str:
    """Return the verdict on the printed statement.

    Parameters
    ----------
    claim, scale, basis
        What was decided, at which scale, resting on what; see `basis_of`.
    outcome
        Whether the statement, or at a reduced scale what stands in its place, holds.
    excluded
        Whether the printed number is excluded by what was found at a reduced scale.
    """
    if outcome == "fails" and claim.opposite.get(scale):
        return "inconclusive"
    if outcome != "holds":
        return "deviates" if outcome == "fails" else "inconclusive"
    if claim.illustration:
        return "illustration"
    if basis == "modelled":
        return "consistent"
    if claim.scale == "paper" and scale != "paper":
        return "trend-excluded" if excluded else "trend"
    return "reproduced"


def at_level(decision: Decision, alpha: float) -> Decision:
    """Return a decision as it is at the level that the other claims of its figure leave: maybe inconclusive."""
    p = {"holds": decision.p_holds, "fails": decision.p_fails}.get(decision.outcome)
    if p is None or p < alpha:
        return decision
    sentence = f"{decision.explanation}, but p = {p:.2g} is not below the level of {alpha:.2g}"
    return replace(decision, outcome="inconclusive", explanation=sentence)


def excludes(claim: Claim, number: Number) -> str:
    """Say which printed number is furthest from an interval that has nothing in common with it; nothing if none is.

    It is held against the band around the printed number or, without one, against the number itself. Several numbers
    go by the names that the value of the claim has.

    Raises
    ------
    ValueError
        If the claim has neither a band nor a number.
    """
    missed = [cell for cell in _cells(claim, number) if cell.interval.high < cell.low or cell.interval.low > cell.high]
    if not missed:
        return ""
    worst = max(missed, key=_Cell.factor)
    unit = f" {claim.unit}".rstrip()
    which = f" ({worst.name})" if worst.name else ""
    return f"{worst.interval.estimate:.3g}{unit}{which} where {worst.printed:g}{unit} is printed"


class _Cell(NamedTuple):
    """A printed number, its band and what was found in its place."""

    name: str
    printed: float
    low: float
    high: float
    interval: Interval

    def factor(self) -> float:
        """Return by what factor the two are apart; if one is 0 or their signs differ, infinity."""
        found, printed = self.interval.estimate, self.printed
        return max(found / printed, printed / found) if found * printed > 0 else math.inf


def _cells(claim: Claim, number: Number) -> list[_Cell]:
    if number is None:
        return []
    values = claim.value if isinstance(claim.value, dict) else {}
    if isinstance(number, Mapping):
        if not number.keys() <= values.keys():
            raise ValueError(
                f"{claim.id} prints {', '.join(values) or 'no numbers'}, but {', '.join(number)} were found"
            )
        return [_Cell(name, values[name], values[name], values[name], found) for name, found in number.items()]
    printed = claim.value if isinstance(claim.value, int | float) else None
    ends = claim.ends or ((printed, printed) if printed is not None else None)
    if ends is None:
        raise ValueError(f"{claim.id} has neither a band nor a number as value: there is nothing to exclude")
    return [_Cell("", sum(ends) / 2 if printed is None else printed, *ends, number)]


def too_wide(claim: Claim, decision: Decision) -> str:
    """Say why the bands of a decision are too wide for what the claim is about; nothing if one is narrow enough."""
    bands = [band for band in decision.bands if math.isfinite(band[1] - band[0])]
    if not bands:
        return ""
    low, high = min(bands, key=lambda band: band[1] - band[0])
    found = f"{claim.id} is decided by the band [{low:g}, {high:g}], "
    if claim.no_effect is not None and all(low <= claim.no_effect <= high for low, high in bands):
        return f"{found}in which {claim.no_effect:g}, no effect, passes as well: it decides nothing"
    if claim.resolution is not None and high - low > 2 * claim.resolution * (1 + 1e-9):
        return f"{found}wider than the effect that has to be seen, plus or minus {claim.resolution:g}"
    return ""


def listed(claim: Claim, scale: str) -> tuple[str, str]:
    """Return the verdict that the claims file lists for a scale and its cause; two empty texts if it lists none."""
    causes = ((word, getattr(claim, name).get(scale)) for name, word in LISTED.items())
    return next(((word, cause) for word, cause in causes if cause), ("", ""))
