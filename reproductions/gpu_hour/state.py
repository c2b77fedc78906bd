"""State: which parts of a plan are done, as a file says it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reproductions.harness.runs.checkpoints import replace_file
from reproductions.harness.verdicts.faults import fault, first
from reproductions.report.errors import ReportError

SCHEMA = 1
FILE = "state.json"


class PartRecord(BaseModel):
    """What became of a part so far.

    Attributes
    ----------
    outcome
        ``done``, ``more`` if it was cut off and goes on, ``failed``.
    seconds
        That it took, over all commands.
    tests
        What its last session did, such as ``3 passed, 1 skipped``.
    why
        Why it failed, or what was left out.
    """

    model_config = ConfigDict(strict=True)

    outcome: Literal["done", "more", "failed"]
    seconds: float = 0.0
    tests: str = ""
    why: str = ""


class HourState(BaseModel):
    """What is known of a plan.

    Attributes
    ----------
    settings
        Scale, device and precision, which all commands of a plan share.
    lineage, saved
        Tell copies of this plan from those of another, and later copies from earlier ones.
    parts
        By name, those that were begun.
    proved
        By proof, on which GPU and for which source it passed: stays on the machine.
    volumes
        Files of the copy and their SHA-256, in order.
    left_out
        What did not fit into the copy.
    """

    model_config = ConfigDict(strict=True, populate_by_name=True)

    schema_: int = Field(default=SCHEMA, alias="schema", ge=SCHEMA, le=SCHEMA)
    settings: dict[str, str]
    lineage: str = Field(default_factory=lambda: secrets.token_hex(8))
    saved: int = 0
    parts: dict[str, PartRecord] = {}
    proved: dict[str, str] = {}
    volumes: dict[str, str] = {}
    left_out: list[str] = []

    def is_(self, name: str, outcome: str) -> bool:
        """Whether a part was begun and has this outcome."""
        return name in self.parts and self.parts[name].outcome == outcome


def read(folder: Path) -> HourState | None:
    """Return the state in a folder; None if there is none.

    Raises
    ------
    ReportError
        If it is damaged or of another schema.
    """
    path = folder / FILE
    try:
        return HourState.model_validate_json(path.read_bytes()) if path.exists() else None
    except ValidationError as error:
        wrong = fault(first(error)["loc"], first(error))
    raise ReportError(f"{path} is no state of a plan ({wrong}): give an earlier copy, or remove it to begin anew")


def write(folder: Path, state: HourState) -> None:
    """Write a state; whoever reads it has the old one or the new."""
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / FILE, state.model_dump_json(by_alias=True, indent=1).encode())
