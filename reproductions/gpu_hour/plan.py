"""Plan: what is done on a GPU, part by part, as a file says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reproductions.harness.verdicts.faults import fault, first, read_yaml
from reproductions.report.errors import ReportError

FILE = Path(__file__).with_name("plan.yaml")


class PartKind(Enum):
    """What becomes of a part that does not end well."""

    PROOF = "has to pass on every machine, or nothing else is run there"
    RATES = "is done once; what it does not measure within its minutes is left out"
    FIGURE = "is resumed until all of its runs are made"


@dataclass(frozen=True)
class HourPart:
    """One session of pytest.

    Parameters
    ----------
    name, kind
        Its name in the state and of its log, and what becomes of it.
    arguments
        Of pytest; what depends on the command is added.
    minutes
        That it may take; None for as long as it needs, over several commands.
    """

    name: str
    kind: PartKind
    arguments: tuple[str, ...]
    minutes: float | None = None


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    pytest: Annotated[list[str], Field(min_length=1)]


class _Limited(_Row):
    minutes: float = Field(gt=0)


Seeds = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class HourPlan(BaseModel):
    """What the file of a plan holds: `options` are those of every session, `cifar10` says that figures need it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    proofs: list[_Limited] = []
    rates: list[_Limited] = []
    figures: Annotated[list[_Row], Field(min_length=1)]
    seeds: Seeds
    tiny_seeds: Seeds
    cifar10: bool = False
    options: list[str] = []

    def parts(self, tiny: bool) -> list[HourPart]:
        """Return all parts in order: figures once for each number of seeds."""
        firsts = ((PartKind.PROOF, self.proofs), (PartKind.RATES, self.rates))
        before = [
            HourPart(row.name, kind, (*row.pytest, *self.options), row.minutes) for kind, rows in firsts for row in rows
        ]
        return before + list(chain.from_iterable(map(self._figures, self.tiny_seeds if tiny else self.seeds)))

    def _figures(self, seeds: int) -> Iterator[HourPart]:
        for row in self.figures:
            more = *self.options, "--seeds", str(seeds)
            yield HourPart(f"{row.name}-seeds{seeds}", PartKind.FIGURE, (*row.pytest, *more))


def load(path: Path) -> HourPlan:
    """Read a plan.

    Raises
    ------
    ReportError
        If the file is missing or no plan, in one sentence that names what is wrong.
    """
    try:
        plan = HourPlan.model_validate(read_yaml(path))
    except OSError as error:
        raise ReportError(f"the plan {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        where = [name for name in first(error)["loc"] if isinstance(name, str)]
        raise ReportError(f"{path} is no plan: {fault(where, first(error))}") from None
    except ValueError as error:
        raise ReportError(f"{path} is no plan: {error}") from None
    names = [part.name for part in plan.parts(tiny=False)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ReportError(f"{path} has two parts {twice!r}: give each a name of its own")
    return plan
