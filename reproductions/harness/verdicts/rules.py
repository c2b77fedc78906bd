"""Rules: which word a decision may be called by. A verdict is a statement to a referee."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from reproductions.harness.verdicts.claims import BASES, Claim
from reproductions.harness.verdicts.decisions import Decision, Interval, Outcome

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


def excludes(claim: Claim, number: Interval | None) -> bool:
    """Whether an interval has nothing in common with the band around the printed number, or with the number itself.

    Raises
    ------
    ValueError
        If the claim has neither a band nor a number.
    """
    if number is None:
        return False
    ends = claim.ends or ((claim.value, claim.value) if isinstance(claim.value, int | float) else None)
    if ends is None:
        raise ValueError(f"{claim.id} has neither a band nor a number as value: there is nothing to exclude")
    return number.high < ends[0] or number.low > ends[1]


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
