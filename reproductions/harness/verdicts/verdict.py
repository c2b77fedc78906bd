"""Verdicts: how a claim is decided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from numpy.typing import ArrayLike

from reproductions.harness.runs.labelled import Runs
from reproductions.harness.runs.provenance import hardware
from reproductions.harness.runs.store import Run
from reproductions.harness.verdicts import rules, statistics
from reproductions.harness.verdicts.claims import Claim, Label
from reproductions.harness.verdicts.decisions import Counted, Decision, Interval
from reproductions.harness.verdicts.faults import brief
from reproductions.harness.verdicts.power import FEWEST_SEEDS
from reproductions.harness.verdicts.record import Verdict
from reproductions.harness.verdicts.trends import Samples, follows

ALPHA = 0.05  # of all claims of a family together


class Decider:
    """Decides one claim for one test.

    Each method ends the test by pytest's own outcomes: a deviation fails, a known deviation is an xfail, an
    inconclusive or undecidable claim is a skip with its reason, everything else passes. A verdict that is not the one
    that the claims file lists for the scale fails.

    Parameters
    ----------
    claim, verdict
        What is decided, and the record that is filled.
    family
        Number of claims that are tested together, as those of one figure.

    Attributes
    ----------
    decision
        What was decided; None before that.
    """

    def __init__(self, claim: Claim, verdict: Verdict, family: int = 1) -> None:
        self.claim, self.verdict, self.family = claim, verdict, family
        self.decision: Decision | None = None
        self.excluded = ""  # which printed number is; see `rules.excludes`
        self.diverged = ""  # see the function of this name

    @property
    def alpha(self) -> float:
        """Level of one test: 5 % over all claims of the family."""
        return ALPHA / self.family

    def within(self, samples: ArrayLike | Interval, of: Counted = "seeds") -> Decision:
        """Decide that the mean of samples lies in the band of the claim; a ValueError if it has none."""
        if self.claim.ends is None:
            raise ValueError(f"{self.claim.id} has no band in its claims file")
        return statistics.within(samples, *self.claim.ends, confidence=1 - self.alpha, of=of)

    def follows(self, samples: Samples, own: Label | None = None) -> Decision:
        """Decide the trend of the claim for samples by label, `own` being its own; a ValueError if it has none."""
        if self.claim.trend is None:
            raise ValueError(f"{self.claim.id} has no trend in its claims file")
        return follows(self.claim.trend, samples, own, self.alpha)

    def decide(
        self, decision: Decision, found: str = "", runs: Runs | Sequence[Run] = (), number: rules.Number = None
    ) -> None:
        """Decide the claim as it is printed.

        Parameters
        ----------
        decision
            Whether the statement, or its trend at a reduced scale, holds.
        found
            What was found, as a short text that is computed; by default the estimate.
        runs
            Runs that the decision rests on; none for exact computations.
        number
            What a reduced scale or a model found in place of the printed number, or of several by their names, where
            that can be compared.

        Raises
        ------
        ValueError
            If "no effect" lies in the band of the decision, or the band is wider than the resolution of the claim.
        """
        if fault := rules.too_wide(self.claim, decision):
            raise ValueError(fault)
        self._record(decision, found, runs)
        self.excluded = rules.excludes(self.claim, number)
        self.settle(rules.at_level(decision, self.alpha))
        self._end()

    def decide_readings(
        self,
        readings: Mapping[str, Decision],
        found: str = "",
        runs: Runs | Sequence[Run] = (),
        number: rules.Number = None,
    ) -> None:
        """Decide the readings of a statement side by side: the verdict is that of the first in the claims file.

        The decisions go by the names that the claims file has; other names are a ValueError. `number` is that of the
        first reading, see `decide`.
        """
        if not readings or readings.keys() != self.claim.readings.keys():
            known = ", ".join(self.claim.readings) or "none"
            raise ValueError(f"{self.claim.id} has the readings {known}, but {', '.join(readings)} were decided")
        first = next(iter(self.claim.readings))
        ordered = {name: readings[name] for name in self.claim.readings}
        sides = "; ".join(f"{name}: {each.outcome}, {each.explanation}" for name, each in ordered.items())
        text = found or "; ".join(f"{name}: {_text(each.interval)}" for name, each in ordered.items())
        self.verdict.by_reading = {name: each.outcome for name, each in ordered.items()}
        self.decide(replace(readings[first], explanation=sides), text, runs, number)

    def decide_erratum(
        self, printed: Decision, corrected: Decision, found: str = "", runs: Runs | Sequence[Run] = ()
    ) -> None:
        """Decide an erratum: the printed statement has to fail at its counter-example, the corrected one to hold."""
        self._decide_corrected("erratum", printed, corrected, found, runs)

    def decide_misprint(
        self, printed: Decision, used: Decision, found: str = "", runs: Runs | Sequence[Run] = ()
    ) -> None:
        """Decide a misprint: the statement has to fail taken literally, and to hold as the paper goes on to use it."""
        self._decide_corrected("misprint", printed, used, found, runs)

    def not_run(self, reason: str) -> None:
        """Say what is missing to decide the claim."""
        self.verdict.verdict, self.verdict.reason = "not run", reason
        pytest.skip(reason)

    def undecidable(self) -> None:
        """Say that nothing in this suite can decide the claim; what it would take stands in the claims file."""
        if not self.claim.needs:
            raise ValueError(f"{self.claim.id} does not say in its claims file what it needs")
        self.not_run(f"nothing here can decide it: it would take {self.claim.needs}")

    def settle(self, decision: Decision) -> None:
        """Write the word for a decision, and why, into the record."""
        row, self.decision = self.verdict, decision
        row.verdict = rules.word(self.claim, row.scale, row.basis, decision.outcome, bool(self.excluded))
        only = f"order only: the model gives {self.excluded}" if row.verdict == "consistent" and self.excluded else ""
        row.reason = "; ".join(filter(None, (only, decision.explanation, self.diverged)))
        if row.verdict == "inconclusive" and decision.outcome == "fails":
            row.reason = f"{self.claim.opposite[row.scale]} ({row.reason})"
        if self.diverged and decision.outcome == "inconclusive":
            row.reason = f"{self.diverged}: more seeds would not decide"

    @property
    def p(self) -> float | None:
        """The smaller p-value of what was decided, that it holds or that it fails; None if nothing was tested."""
        ours = self.decision
        return None if ours is None or ours.p_holds is None or ours.p_fails is None else min(ours.p_holds, ours.p_fails)

    @property
    def fault(self) -> str:
        """Why the verdict has to fail the session: it is not what the claims file lists; nothing if it is."""
        row = self.verdict
        expected, _ = rules.listed(self.claim, row.scale)
        few = self.decision is not None and 0 < self.decision.interval.n < FEWEST_SEEDS
        if expected not in ("", row.verdict) and not (few and row.verdict == "inconclusive"):
            listed = f"{row.id} is listed under {expected} at scale {row.scale}, but the verdict is {row.verdict}"
            return f"{listed}: update its claims file ({row.reason})"
        return f"{row.id} deviates: {row.reason}" if row.verdict == "deviates" and not expected else ""

    def _decide_corrected(
        self, name: str, printed: Decision, corrected: Decision, found: str, runs: Runs | Sequence[Run]
    ) -> None:
        if not getattr(self.claim, name):
            raise ValueError(f"{self.claim.id} has no {name} in its claims file")
        stands = printed.outcome == "fails" and corrected.outcome == "holds"
        blamed = corrected if printed.outcome == "fails" else printed
        self._record(blamed, found, runs)
        if self.verdict.basis == "modelled":
            raise ValueError(f"{self.claim.id} rests on a model, which cannot show that a paper is wrong")
        if stands:
            self.verdict.verdict = name
            self.verdict.reason = f"as printed: {printed.explanation}; corrected: {corrected.explanation}"
        else:
            contradicted = printed.outcome == "holds" or corrected.outcome == "fails"
            self.verdict.verdict = "deviates" if contradicted else "inconclusive"
            outcomes = f"printed {printed.outcome}, corrected {corrected.outcome}"
            self.verdict.reason = f"the {name} does not stand ({outcomes}): {blamed.explanation}"
        self.verdict.reason = "; ".join(filter(None, (self.verdict.reason, self.diverged)))
        self._end()

    def _record(self, decision: Decision, found: str, runs: Runs | Sequence[Run]) -> None:
        row, interval = self.verdict, decision.interval
        used = runs.all if isinstance(runs, Runs) else runs
        row.reason, row.found = decision.explanation, found or _text(interval)
        row.basis = rules.basis_of(self.claim, (run.experiment.basis for run in used))
        if math.isfinite(interval.estimate):
            row.estimate, row.confidence, row.df = interval.estimate, interval.confidence, interval.df
            if interval.low != interval.high:
                row.interval, row.samples = (interval.low, interval.high), f"{interval.n} {interval.of}"
        self.diverged = diverged(used)
        if used:
            row.workload = ", ".join(sorted({str(run.provenance.get("workload", "simulation")) for run in used}))
            groups = [runs[label] for label in runs] if isinstance(runs, Runs) else [used]
            row.seeds = max(_seeds(group) for group in groups)
            row.ranks = max(int(run.provenance["ranks"]) for run in used)
            row.hardware = hardware(used[0].provenance)

    def _end(self) -> None:
        row = self.verdict
        _, cause = rules.listed(self.claim, row.scale)
        if self.fault:
            pytest.fail(self.fault, pytrace=False)
        if row.verdict == "deviates":
            row.reason = f"known: {cause}"
            pytest.xfail(cause)
        if row.verdict == "inconclusive":
            pytest.skip(f"inconclusive: {row.reason}")


def diverged(runs: Sequence[Run]) -> str:
    """Say how many runs diverged and name the first with its settings; nothing if none did."""
    lost = [run for run in runs if run.diverged]
    return f"{len(lost)} of {len(runs)} runs diverged, as {brief(repr(lost[0].experiment), 300)}" if lost else ""


def _seeds(runs: Sequence[Run]) -> int:
    """Return how many seeds there are under one label: points of a grid, each with its own, are no repetitions."""
    return len({run.experiment.seed for run in runs if hasattr(run.experiment, "seed")})


def _text(interval: Interval) -> str:
    return f"{interval.estimate:.4g}" if math.isfinite(interval.estimate) else ""
