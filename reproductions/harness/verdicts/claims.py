"""Claims: what a paper prints, as data beside the tests that decide it.

The fields of a claims file are those of `Claim`; ``reproductions/claims.schema.json`` tells an editor the same.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.json_schema import SkipJsonSchema

from reproductions.harness.runs.settings import SCALES
from reproductions.harness.verdicts.bands import rounding
from reproductions.harness.verdicts.faults import brief, fault, first, read_yaml

Kind = Literal["number", "ordering", "bound", "identity", "rate-exponent", "ratio", "qualitative"]
Basis = Literal["exact", "executed", "simulated", "modelled"]
Scalar = bool | int | float | str
Label = int | float | str | tuple[int | float | str, ...]
Positive = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
PaperName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)]

FILE = "claims.yaml"
BASES: tuple[Basis, ...] = get_args(Basis)  # from the strongest to the weakest
RELATIONS = ("above", "below", "at_most_above", "at_most_below", "near", "rises", "falls")
MARGINS = dict.fromkeys(RELATIONS, (1, 1)) | {"above": (0, 1), "below": (0, 1), "rises": (0, 0), "falls": (0, 0)}


class ClaimsError(ValueError):
    """A claims file is wrong; the message is one sentence that names file, claim and field."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Trend(_Value):
    """What a reduced scale tests in place of the printed number: one relation to another curve, or along several."""

    above: Label | None = None
    """The quantity is above that of this label; with `by` or `share` also less than that above it."""
    below: Label | None = None
    """The quantity is below that of this label; with `by` or `share` also less than that below it."""
    at_most_above: Label | None = None
    """The quantity is less than that of this label plus the margin `by` or `share`."""
    at_most_below: Label | None = None
    """The quantity is more than that of this label minus the margin `by` or `share`."""
    near: Label | None = None
    """The quantity differs from that of this label by less than the margin `by` or `share`, on both sides."""
    rises: tuple[Label, ...] | None = None
    """The quantity rises along these labels."""
    falls: tuple[Label, ...] | None = None
    """The quantity falls along these labels."""
    by: Positive | None = None
    """Margin in the unit of the metric."""
    share: Positive | None = None
    """Margin as a share of the mean of the other label."""

    @property
    def relation(self) -> str:
        """The name of the one relation that is given."""
        return next(name for name in RELATIONS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_relation(self) -> Self:
        given = [name for name in RELATIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of {', '.join(RELATIONS)}, but has {', '.join(given) or 'none'}")
        relation, margins = given[0], sum(margin is not None for margin in (self.by, self.share))
        if margins > MARGINS[relation][-1] or margins < MARGINS[relation][0]:
            wanted = {(0, 1): "at most one", (1, 1): "exactly one", (0, 0): "none"}[MARGINS[relation]]
            raise ValueError(f"{relation} needs {wanted} of by and share, but has {margins}")
        if relation in ("rises", "falls") and len(getattr(self, relation)) < 2:
            raise ValueError(f"{relation} needs at least two labels")
        return self


class Claim(_Value):
    """One checkable statement of a paper."""

    id: Name
    """Name of the claim; begins with the name of the paper."""
    paper: SkipJsonSchema[str] = ""
    """Name of the paper; stands at the head of the file."""
    source: str
    """Place in the paper."""
    quote: str
    """Exact words of the paper."""
    kind: Kind
    """What kind of statement it is."""
    metric: str
    """What is measured."""
    unit: str = ""
    """Unit of the metric."""
    value: Any = None
    """What the paper prints for the metric; left out if it prints no number."""
    at: dict[str, Scalar] = Field(default_factory=dict)
    """Parameters at which the statement is made, such as {arrival: 0.95}."""
    tolerance: str
    """How far a reproduction may be off, as a sentence for the reader; written before the run."""
    reason: str
    """Why this tolerance; written before the run."""
    band: Positive | tuple[float, float] | None = None
    """The tolerance as data: a number is plus or minus around `value`, [low, high] are the ends."""
    rounded: Positive | None = None
    """Unit of the last digit that is printed: 0.01 if 0.02 stands for anything from 0.015 to 0.025."""
    no_effect: float | None = None
    """What the number would be without the effect that the statement is about; has to lie outside of the band."""
    resolution: Positive | None = None
    """Smallest effect that the test must be able to see, in the unit of the metric; plans the number of seeds."""
    scale: Literal["any", "paper"]
    """any: decided exactly anywhere; paper: only the paper's own setting decides it, a smaller scale shows a trend."""
    reduced: str = ""
    """What a reduced scale tests in its place, as a sentence for the reader."""
    trend: Trend | None = None
    """The same as data."""
    differences: tuple[str, ...] = ()
    """What a - b is in its decision where `trend` does not say it: one text, or one for each difference, in order."""
    needs: str = ""
    """What it would take to decide it, where nothing in this suite can: no command is shown."""
    basis: Basis | None = None
    """What the verdict rests on, where the runs do not say it: nothing modelled is ever reproduced."""
    options: str = ""
    """Options of pytest without which it is not run, such as --network real."""
    readings: dict[str, str] = Field(default_factory=dict)
    """Readings that the text supports, by name; the first is decided, the others are shown beside it."""
    erratum: str = ""
    """What is false in the statement as the paper uses it, and what is decided instead."""
    misprint: str = ""
    """Which symbol, factor or index is wrong in print, where the statement as the paper uses it holds."""
    illustration: bool = False
    """A drawing, a definition or a setting: shown, not counted."""
    deviates: dict[str, str] = Field(default_factory=dict)
    """By scale, the cause of a known deviation."""
    inconclusive: dict[str, str] = Field(default_factory=dict)
    """By scale, why the evidence is known to decide nothing."""
    opposite: dict[str, str] = Field(default_factory=dict)
    """By scale, why the opposite that was found refutes nothing, as in a stand-in or with an open parameter."""
    note: str = ""
    """Reading chosen where the text is ambiguous."""

    @property
    def reported(self) -> str:
        """What the paper reports, as a short text."""
        match self.value:
            case None:
                text = self.metric
            case dict():
                text = ", ".join(f"{name} {value}" for name, value in self.value.items())
            case _:
                text = str(self.value)
        return f"{text} {self.unit}".strip()

    @property
    def rounding(self) -> tuple[float, float] | None:
        """Smallest and largest value that is printed as `value`; None if the claim does not say how it is rounded."""
        return None if self.rounded is None else rounding(self.value, self.rounded)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The two ends of the band; that of the rounding if there is no other; None if there is neither."""
        if isinstance(self.band, float):
            return self.value - self.band, self.value + self.band
        return self.band or self.rounding

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for check in (self._check_band, self._check_effect, self._check_words):
            if fault := check():
                raise ValueError(fault)
        return self

    def _check_band(self) -> str:
        numeric = isinstance(self.value, int | float)
        if not numeric and (self.rounded is not None or isinstance(self.band, float)):
            return f"band and rounded need a number as value, but it is {repr(self.value)[:80]}"
        if self.ends is None:
            return ""
        (low, high), rounding = self.ends, self.rounding
        if not low <= high:
            return f"band is empty: [{low:g}, {high:g}]"
        slack = 1e-9 * (abs(low) + abs(high))  # rounding of the ends themselves
        if rounding and (rounding[0] < low - slack or rounding[1] > high + slack):
            return f"band [{low:g}, {high:g}] is narrower than the rounding [{rounding[0]:g}, {rounding[1]:g}]"
        return ""

    def _check_effect(self) -> str:
        if self.ends is None:
            return "no_effect needs a band" if self.no_effect is not None else ""
        low, high = self.ends
        if self.no_effect is not None and low <= self.no_effect <= high:
            return f"band [{low:g}, {high:g}] holds {self.no_effect:g}, which is no effect: it would decide nothing"
        if self.resolution is not None and math.inf > high - low > 2 * self.resolution * (1 + 1e-9):
            return f"band [{low:g}, {high:g}] is wider than what has to be seen, plus or minus {self.resolution:g}"
        return ""

    def _check_words(self) -> str:
        if self.erratum and self.misprint:
            return "erratum and misprint exclude each other"
        if self.trend and (self.scale != "paper" or not self.reduced):
            return "trend needs scale: paper and the sentence for the reader, reduced"
        if unknown := {*self.deviates, *self.inconclusive} - {*SCALES}:
            return f"scale {repr(min(unknown))[:80]} of deviates or inconclusive is not one of {', '.join(SCALES)}"
        if twice := self.deviates.keys() & self.inconclusive.keys():
            return f"scale {min(twice)[:80]} is listed under deviates and under inconclusive"
        return ""


class ClaimsFile(_Value):
    """All claims of a paper, in the paper's order."""

    paper: PaperName
    """Name of the paper and of its folder."""
    claims: tuple[Claim, ...]
    """The claims."""


def find_claims(path: Path) -> Path:
    """Return the claims file that belongs to a test: the nearest in its folder or above.

    Raises
    ------
    ClaimsError
        If there is none.
    """
    found = next((folder / FILE for folder in path.resolve().parents if (folder / FILE).is_file()), None)
    if found is None:
        raise ClaimsError(f"there is no {FILE} in {path.parent} or in a folder above it")
    return found


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
        If the file is no claims file, a field is unknown, missing or wrong, or an id occurs twice.
    """
    document: Any = None
    try:
        document = read_yaml(path)
        file = ClaimsFile.model_validate(document)
    except ValidationError as error:
        raise ClaimsError(f"{path}: {_sentence(error, document)}") from None
    except (OSError, ValueError) as error:
        raise ClaimsError(f"{path}: {error}") from None
    claims: dict[str, Claim] = {}
    for claim in file.claims:
        if claim.id in claims:
            raise ClaimsError(f"{path}: claim {claim.id} occurs twice")
        claims[claim.id] = claim.model_copy(update={"paper": file.paper})
    return claims


def of_folder(path: Path) -> dict[str, Claim]:
    """Read the claims file of a paper, whose name is that of its folder; see `load_claims`."""
    claims = load_claims(path)
    if wrong := next((claim.paper for claim in claims.values() if claim.paper != path.parent.name), None):
        raise ClaimsError(f"{path}: paper is {repr(wrong)[:80]}, but its folder is {path.parent.name!r}")
    return claims


def _sentence(error: ValidationError, document: Any) -> str:
    """Say the first error in one sentence, with the id of the claim in place of its position."""
    found = first(error)
    match found["loc"]:
        case ("claims", int(position), *field):
            entry = document["claims"][position]
            name = entry.get("id") if isinstance(entry, dict) else None
            named = brief(str(name)) if name else f"number {position + 1}"
            return f"claim {named}: {fault(field, found)}"
    return fault(found["loc"], found)
