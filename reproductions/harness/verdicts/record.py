"""Records: what a verdict says, from which every report is made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from reproductions.harness.runs.provenance import hardware, provenance
from reproductions.harness.runs.settings import SCALES
from reproductions.harness.verdicts.claims import BASES, Claim, Name, PaperName
from reproductions.harness.verdicts.decisions import Outcome

SCHEMA = 2
Count = Annotated[int, Field(ge=0)]
VERDICTS = (
    "reproduced",
    "misprint",
    "trend",
    "trend-excluded",
    "consistent",
    "erratum",
    "deviates",
    "inconclusive",
    "not run",
    "illustration",
    "crashed",
)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.(?P<decimals>\d+))?(?:e[-+]?\d+)?")
HOLM = "decided with the others of its figure or table by Holm's procedure"
OLDER = re.compile(r"; decided by Holm's procedure over (\d+) claims")  # what records of older sessions say


def one_of(words: Sequence[str]) -> Any:
    """Return what allows only these words."""
    return Field(pattern=f"^({'|'.join(words)})$")


@dataclass
class Verdict:
    """What was found about one claim at one scale; what the claim says stands in its claims file alone.

    Attributes
    ----------
    id, paper, scale, test
        The claim, where it was decided, and the node id of the test.
    verdict, basis, reason
        One of `VERDICTS`, what it rests on (exact, executed, simulated or modelled), and why.
    found
        What was found, as a short text.
    by_reading
        What became of each reading of the statement, the one that decides first; none where it has one reading alone.
    interval, estimate, confidence, df, samples
        The number behind it, and its interval at this confidence with these degrees of freedom from these samples, such
        as ``"5 seeds"`` or ``"6 grid points"``.
    workload, seeds, ranks, hardware
        What it was found on.
    commit, time
        When it was decided.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    id: Name
    paper: PaperName
    scale: Annotated[str, one_of(SCALES)]
    test: str
    verdict: Annotated[str, one_of(VERDICTS)] = "crashed"
    basis: Annotated[str, one_of(BASES)] = "exact"
    reason: str = "the test ended before it decided the claim"
    found: str = ""
    by_reading: dict[str, Outcome] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    estimate: float | None = None
    confidence: float | None = None
    df: float | None = None
    samples: str = ""
    workload: str = "exact"
    seeds: Count = 0
    ranks: Count = 0
    hardware: str = ""
    commit: str | None = None
    time: str = ""

    @property
    def decided(self) -> bool:
        """Whether something was decided, so that data, hardware and what the verdict rests on are known."""
        return self.verdict not in ("not run", "crashed")

    @property
    def found_with_interval(self) -> str:
        """What was found, with the interval that decided it; after its own number, if that is not the one found."""
        if self.interval is None:
            return self.found
        low, high = self.interval
        if not self.found or self._found_estimate:
            return f"{self.found} [{low:.3g}, {high:.3g}]".strip()
        number = "" if self.estimate is None else f"{self.estimate:.3g} "
        return f"{self.found}; tested: {number}[{low:.3g}, {high:.3g}]"

    @property
    def _found_estimate(self) -> bool:
        """Whether the only number of what was found is the estimate, to the digits that are there."""
        numbers = list(NUMBER.finditer(self.found))
        if self.estimate is None or len(numbers) != 1:
            return False
        unit = 10.0 ** -len(numbers[0]["decimals"] or "")
        return "e" not in numbers[0][0] and abs(float(numbers[0][0]) - self.estimate) <= unit / 2 * (1 + 1e-9)

    @property
    def otherwise(self) -> str:
        """Which readings end otherwise than the one that decides, as a sentence; nothing if none does."""
        words = {"holds": "it holds", "fails": "it does not hold", "inconclusive": "it is inconclusive"}
        first, *others = self.by_reading.items() or [("", "")]
        differing = [f"as “{name}” {words[outcome]}" for name, outcome in others if outcome != first[1]]
        return f"Read as “{first[0]}”; {', '.join(differing)}." if differing else ""

    @property
    def by_holm(self) -> bool:
        """Whether the interval alone was not enough, and Holm's procedure decided."""
        return HOLM in self.reason or OLDER.search(self.reason) is not None

    @property
    def why(self) -> str:
        """The reason in the words of a report."""
        text = self.reason.removeprefix("known: ")
        older = OLDER.search(text)
        return stepped(OLDER.sub("", text), int(older[1])) if older else text


def stepped(reason: str, tests: int) -> str:
    """Say that Holm's procedure decided, in place of how many more seeds would have decided alone."""
    words = f"alone not enough: {HOLM} over {tests} claims"
    text, replaced = re.subn(r"(\d+|no number of) \w+ would decide", words, reason, count=1)
    return (text if replaced else f"{reason}; {words}").replace(": inconclusive, ", ": inconclusive alone, ", 1)


def open_verdict(claim: Claim, scale: str, test: str) -> Verdict:
    """Return the pessimistic record with which every decision starts."""
    here = provenance()
    return Verdict(
        claim.id, claim.paper, scale, test, hardware=hardware(here), commit=here["commit"], time=here["time"]
    )
