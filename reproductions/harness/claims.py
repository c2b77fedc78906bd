"""Claims: what a paper prints, as data beside the tests that decide it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

KINDS = {"number", "ordering", "bound", "identity", "rate-exponent", "ratio", "qualitative"}
SCALES = {"any", "paper"}


class ClaimsError(ValueError):
    """A claims file is wrong; the message names file, claim and field."""


@dataclass(frozen=True)
class Claim:
    """One checkable statement of a paper.

    Attributes
    ----------
    id, paper, source, quote
        Name, paper, place in the paper and the exact words.
    kind
        One of `KINDS`.
    metric, unit, value
        What is measured, in which unit and what the paper prints for it (None: the paper prints no number).
    tolerance, reason
        How far a reproduction may be off and why, written before the run.
    scale
        ``"any"`` if the claim can be decided exactly anywhere, ``"paper"`` if only the paper's own setting decides
        it; a smaller scale then shows a trend at best.
    trend
        What a smaller scale tests in its place, if anything.
    merges
        Ids of other lists that this claim stands for.
    erratum
        What is wrong in the printed statement and what is decided instead, if it is wrong.
    deviates
        By scale, the cause of a known deviation.
    note
        Reading chosen where the text is ambiguous.
    """

    id: str
    paper: str
    source: str
    quote: str
    kind: str
    metric: str
    tolerance: str
    reason: str
    scale: str
    unit: str = ""
    value: Any = None
    trend: str = ""
    merges: tuple[str, ...] = ()
    erratum: str = ""
    deviates: dict[str, str] | None = None
    note: str = ""

    @property
    def reported(self) -> str:
        """What the paper reports, as a short text."""
        text = self.metric if self.value is None else str(self.value)
        return f"{text} {self.unit}".strip()


@functools.cache
def load_claims(path: Path) -> dict[str, Claim]:
    """Read a claims file.

    Returns
    -------
    dict
        Claims by id, in the order of the file.

    Raises
    ------
    ClaimsError
        If the file is no claims file, a field is unknown or missing, or an id occurs twice.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ClaimsError(f"{path}: {error}") from None
    if not isinstance(document, dict) or not {"paper", "claims"} <= document.keys():
        raise ClaimsError(f"{path}: a claims file needs the keys 'paper' and 'claims'")
    claims: dict[str, Claim] = {}
    for entry in document["claims"]:
        claim = _claim(path, document["paper"], entry)
        if claim.id in claims:
            raise ClaimsError(f"{path}: the claim {claim.id} occurs twice")
        claims[claim.id] = claim
    return claims


def _claim(path: Path, paper: str, entry: dict[str, Any]) -> Claim:
    name = entry.get("id", "without an id")
    known = {field.name for field in fields(Claim)} - {"paper"}
    if unknown := entry.keys() - known:
        raise ClaimsError(f"{path}: claim {name} has unknown fields: {', '.join(sorted(unknown))}")
    try:
        claim = Claim(paper=paper, **(entry | {"merges": tuple(entry.get("merges", ()))}))
    except TypeError as error:
        raise ClaimsError(f"{path}: claim {name}: {error}") from None
    for field, allowed in (("kind", KINDS), ("scale", SCALES)):
        if getattr(claim, field) not in allowed:
            raise ClaimsError(
                f"{path}: claim {name}: {field} is {getattr(claim, field)!r}, not one of {sorted(allowed)}"
            )
    return claim
