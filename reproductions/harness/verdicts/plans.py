"""Plans: how many seeds a test module needs to see what its claims are about, by pilots that are kept beside them.

``reproductions pilots VERDICTS`` writes ``pilots.yaml`` of every paper: for each claim that
says its resolution, the standard deviation over seeds behind its interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from reproductions.harness.verdicts import kept
from reproductions.harness.verdicts.claims import FILE, Claim, load_claims
from reproductions.harness.verdicts.decisions import Interval
from reproductions.harness.verdicts.faults import fault, first, read_yaml
from reproductions.harness.verdicts.intervals import standard_error
from reproductions.harness.verdicts.power import FEWEST_SEEDS, seeds_to_see
from reproductions.harness.verdicts.verdict import ALPHA

FEWEST_PLANNED = {"smoke": 5}  # by scale, else three: a deviation of a few seeds is uncertain, and smoke runs are short
MOST_PLANNED = 32
PILOTS = "pilots.yaml"
HEAD = "# Standard deviations over seeds, from which the number of seeds of the next session is planned.\n"


@dataclass(frozen=True)
class Pilot:
    """What an earlier session found about the noise of a claim.

    Attributes
    ----------
    deviation
        Standard deviation over seeds of what is compared (differences, if seeds are paired), in the unit of the metric.
    seeds
        Number of seeds that it is from.
    date
        Day on which they were run.
    """

    deviation: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    seeds: Annotated[int, Field(ge=2)]
    date: str


Pilots = Mapping[str, Mapping[str, Pilot]]
"""Pilots by claim and scale."""
_PILOTS = TypeAdapter(dict[str, dict[str, Pilot]])


@dataclass(frozen=True)
class Plan:
    """Number of seeds of a test module, and why in one sentence."""

    seeds: int
    sentence: str


def plan(claims: Sequence[Claim], pilots: Pilots, scale: str, sizes: Mapping[str, int] | None = None) -> Plan | None:
    """Plan the seeds of a module so that each claim's resolution is seen with probability 0.8.

    Parameters
    ----------
    claims
        Claims that the tests of the module decide.
    pilots, scale
        What is known about their noise, and the scale of the session.
    sizes
        By claim, the number of claims among which the level is divided; one if it is not given.

    Returns
    -------
    Plan or None
        From 3, at smoke scale 5, to 32 seeds; None if a claim that is not exact has no resolution or, at this scale, no
        pilot.
    """
    random = [claim for claim in claims if claim.basis != "exact"]
    needed: dict[str, int] = {}
    for claim in random:
        pilot = pilots.get(claim.id, {}).get(scale)
        if claim.resolution is None or pilot is None:
            return None
        needed[claim.id] = seeds_to_see(claim.resolution, pilot.deviation, ALPHA / (sizes or {}).get(claim.id, 1))
    if not needed:
        return None
    return _most(max(random, key=lambda claim: needed[claim.id]), pilots, scale, max(needed.values()))


def _most(claim: Claim, pilots: Pilots, scale: str, needed: int) -> Plan:
    pilot, fewest = pilots[claim.id][scale], FEWEST_PLANNED.get(scale, FEWEST_SEEDS)
    seeds = min(max(needed, fewest), MOST_PLANNED)
    why = f"{claim.id} sees {claim.resolution:g} at a standard deviation of {pilot.deviation:.2g} with {needed}"
    missing = f", more than the {MOST_PLANNED} that are run" if needed > seeds else ""
    return Plan(seeds, f"{seeds} seeds planned: {why}{missing} (pilot of {pilot.seeds} seeds, {pilot.date})")


def load_pilots(path: Path) -> Pilots:
    """Read the pilots beside a claims file; none if there is no file.

    Raises
    ------
    ValueError
        If the file is damaged; names it.
    """
    try:
        return _PILOTS.validate_python((read_yaml(path) or {}) if path.exists() else {})
    except ValidationError as error:
        raise ValueError(f"{path} is no file of pilots: {fault(first(error)['loc'], first(error))}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no file of pilots: {error}") from None


def pilot_of(row: Mapping[str, Any]) -> Pilot | None:
    """Return the pilot that a verdict is; None if there is no t interval over three or more seeds behind it."""
    ends = row["interval"]
    if row["seeds"] < FEWEST_SEEDS or ends is None or row["df"] is None or not math.isfinite(ends[1] - ends[0]):
        return None
    interval = Interval(row["estimate"], ends[0], ends[1], row["confidence"], row["seeds"], row["df"])
    deviation = standard_error(interval) * math.sqrt(row["seeds"])
    return Pilot(float(f"{deviation:.3g}"), row["seeds"], row["time"][:10])


def write_pilots(folder: Path, rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Write the pilots of a paper's claims from verdicts, beside those of other scales.

    An older pilot of more seeds stays, as it knows the noise better.

    Returns
    -------
    int, int
        How many were written, and how many stayed.
    """
    import yaml

    claims = load_claims(folder / FILE)
    pilots = {name: dict(scales) for name, scales in load_pilots(folder / PILOTS).items() if name in claims}
    written = stayed = 0
    for row in rows:
        claim, pilot = claims.get(row["id"]), pilot_of(row)
        if claim is None or claim.resolution is None or pilot is None:
            continue
        scales = pilots.setdefault(claim.id, {})
        old = scales.get(row["scale"], pilot)
        if old.seeds > pilot.seeds:
            stayed += 1
        else:
            scales[row["scale"]] = pilot
            written += 1
    if written:
        ordered = {name: {s: asdict(p) for s, p in pilots[name].items()} for name in claims if name in pilots}
        (folder / PILOTS).write_text(HEAD + yaml.safe_dump(ordered, sort_keys=False))
    return written, stayed


def write_all(verdicts: Path, papers: Path) -> None:
    """Write the pilots of all papers from a file of verdicts, and say what was written and what stayed."""
    rows = kept.read(verdicts)["claims"]
    for path in sorted(papers.glob(f"*/{FILE}")):
        written, stayed = write_pilots(path.parent, rows)
        left = f"; {stayed} older stayed, as they are of more seeds: remove them there to replace them"
        where = f" to {path.with_name(PILOTS)}" if written else ""
        print(f"{path.parent.name}: {written} pilots written{where}{left if stayed else ''}")
