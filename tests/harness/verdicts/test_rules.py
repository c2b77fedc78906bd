"""Which word a decision gets: the rules that a referee would sign."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pandas as pd
import pytest

from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.labelled import Runs
from reproductions.harness.runs.store import Run
from reproductions.harness.verdicts.bands import difference_of_rounded
from reproductions.harness.verdicts.claims import Claim
from reproductions.harness.verdicts.decisions import Decision, Interval, exactly, point
from reproductions.harness.verdicts.record import open_verdict
from reproductions.harness.verdicts.statistics import less, within
from reproductions.harness.verdicts.verdict import Decider

HOLDS, FAILS = exactly(1, 1), exactly(1, 2)
OPEN = within([0.0, 1.0, 2.0], 0.9, 1.1)
BASE = Claim(
    id="toy-loss", paper="toy", source="Figure 1", quote="0.02", kind="number", metric="loss", value=0.02,
    tolerance="+-0.01", reason="a toy", scale="paper",
)  # fmt: skip
PAPER = {"scale": "paper", "reduced": "above 1", "trend": {"above": 1}}


@dataclass(frozen=True)
class Executed(Experiment):
    seed: int = 0

    @property
    def workers(self) -> int:
        return 1

    def execute(self, context: Context) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Simulated(Executed):
    basis: ClassVar[str] = "simulated"


@dataclass(frozen=True)
class Modelled(Executed):
    basis: ClassVar[str] = "modelled"


def decider(at: str = "paper", family: int = 1, **fields: Any) -> Decider:
    claim = Claim.model_validate(BASE.model_dump() | fields)
    return Decider(claim, open_verdict(claim, at, "test"), family)


def outcome(decider: Decider, method: str, *arguments: Any, **options: Any) -> tuple[str, str]:
    """Return how the test ended and the verdict."""
    ended = "passed"
    try:
        getattr(decider, method)(*arguments, **options)
    except pytest.xfail.Exception:
        ended = "xfailed"
    except pytest.skip.Exception:
        ended = "skipped"
    except pytest.fail.Exception:
        ended = "failed"
    return ended, decider.verdict.verdict


def made(*kinds: type[Experiment]) -> list[Run]:
    return [Run(kind(), pd.DataFrame(), {"ranks": 1}) for kind in kinds]


@pytest.mark.parametrize(
    ("fields", "scale", "decision", "ended", "verdict"),
    [
        ({}, "paper", HOLDS, "passed", "reproduced"),
        ({}, "paper", FAILS, "failed", "deviates"),
        ({}, "paper", OPEN, "skipped", "inconclusive"),
        ({}, "smoke", HOLDS, "passed", "trend"),
        ({}, "small", FAILS, "failed", "deviates"),
        ({"scale": "any"}, "smoke", HOLDS, "passed", "reproduced"),
        ({"illustration": True, "scale": "any"}, "smoke", HOLDS, "passed", "illustration"),
        ({"illustration": True, "scale": "any"}, "smoke", FAILS, "failed", "deviates"),
        ({"basis": "modelled"}, "paper", HOLDS, "passed", "consistent"),
        ({"basis": "modelled"}, "smoke", HOLDS, "passed", "consistent"),
        ({"basis": "modelled", "scale": "any"}, "smoke", HOLDS, "passed", "consistent"),
        ({"basis": "modelled"}, "paper", FAILS, "failed", "deviates"),
        # what the claims file lists for the scale
        ({"deviates": {"smoke": "too short"}}, "smoke", FAILS, "xfailed", "deviates"),
        ({"deviates": {"smoke": "too short"}}, "smoke", HOLDS, "failed", "trend"),
        ({"deviates": {"smoke": "too short"}}, "smoke", OPEN, "failed", "inconclusive"),
        ({"deviates": {"smoke": "too short"}}, "smoke", within([0.0, 1.0], 0, 1), "skipped", "inconclusive"),
        ({"deviates": {"smoke": "too short"}}, "small", HOLDS, "passed", "trend"),
        ({"inconclusive": {"smoke": "too noisy"}}, "smoke", OPEN, "skipped", "inconclusive"),
        ({"inconclusive": {"smoke": "too noisy"}}, "smoke", HOLDS, "failed", "trend"),
        ({"inconclusive": {"smoke": "too noisy"}}, "smoke", FAILS, "failed", "deviates"),
        ({"opposite": {"smoke": "a stand-in"}}, "smoke", FAILS, "skipped", "inconclusive"),
        ({"opposite": {"smoke": "a stand-in"}}, "smoke", HOLDS, "failed", "trend"),
        ({"opposite": {"smoke": "a stand-in"}}, "paper", FAILS, "failed", "deviates"),
    ],
)
def test_the_word_of_a_decision(
    fields: dict[str, Any], scale: str, decision: Decision, ended: str, verdict: str
) -> None:
    assert outcome(decider(scale, **fields), "decide", decision) == (ended, verdict)


def test_a_verdict_that_is_not_the_listed_one_says_what_to_do() -> None:
    ours = decider("smoke", deviates={"smoke": "too short"})
    sentence = "toy-loss is listed under deviates at scale smoke, but the verdict is trend: update its claims file"
    with pytest.raises(pytest.fail.Exception, match=sentence):
        ours.decide(HOLDS)


@pytest.mark.parametrize(
    ("kinds", "fields", "basis"),
    [
        ((), {}, "exact"),
        ((Executed,), {}, "executed"),
        ((Executed, Simulated), {}, "simulated"),
        ((Modelled, Executed), {}, "modelled"),
        ((Executed,), {"basis": "modelled"}, "modelled"),
        ((Simulated,), {"basis": "exact"}, "exact"),
    ],
)
def test_the_weakest_of_the_runs_is_the_basis(
    kinds: tuple[type[Experiment], ...], fields: dict[str, Any], basis: str
) -> None:
    ours = decider(**fields)
    ours.decide(HOLDS, runs=made(*kinds))
    assert ours.verdict.basis == basis
    assert ours.verdict.verdict == ("consistent" if basis == "modelled" else "reproduced")


@pytest.mark.parametrize(
    ("number", "scale", "verdict"),
    [
        (Interval(0.5, 0.4, 0.6, 0.95, 8), "smoke", "trend-excluded"),
        (Interval(0.5, 0.029, 0.6, 0.95, 8), "smoke", "trend"),  # the band ends at 0.03
        (Interval(0.5, 0.4, 0.6, 0.95, 8), "paper", "reproduced"),  # there the number is what is decided
        (None, "smoke", "trend"),
    ],
)
def test_a_trend_says_where_the_number_is_excluded(number: Interval | None, scale: str, verdict: str) -> None:
    assert outcome(decider(scale, band=0.01), "decide", HOLDS, number=number) == ("passed", verdict)


def test_a_number_without_a_band_is_excluded_by_an_interval_beside_it() -> None:
    beside, around = Interval(0.5, 0.4, 0.6, 0.95, 8), Interval(0.5, 0.01, 0.6, 0.95, 8)
    assert outcome(decider("smoke"), "decide", HOLDS, number=beside)[1] == "trend-excluded"
    assert outcome(decider("smoke"), "decide", HOLDS, number=around)[1] == "trend"
    with pytest.raises(ValueError, match="toy-loss has neither a band nor a number as value"):
        decider("smoke", value="lower").decide(HOLDS, number=beside)


def test_a_model_that_cannot_give_the_printed_numbers_has_the_order_only() -> None:
    cells = {"value": {"slow": 4.79, "fast": 0.74}, "unit": "h", "basis": "modelled"}
    slow, fast, near = (Interval(at, at - 0.01, at + 0.01, 0.95, 8) for at in (1.3, 0.41, 0.745))
    ours = decider("smoke", **cells)
    ours.decide(HOLDS, number={"slow": slow, "fast": fast})
    assert ours.verdict.verdict == "consistent"
    assert ours.verdict.reason.startswith("order only: the model gives 1.3 h (slow) where 4.79 h is printed; ")
    given = decider("smoke", **cells)
    given.decide(HOLDS, number={"fast": near})
    assert given.verdict.reason == HOLDS.explanation
    with pytest.raises(ValueError, match="toy-loss prints slow, fast, but quick were found"):
        given.decide(HOLDS, number={"quick": near})


# ------------------------------------------------------------------------------------------- bands and resolutions


def test_a_band_in_which_no_effect_passes_decides_nothing() -> None:
    runs = [0.011, 0.012, 0.010]
    wide = {"value": 0.01, "resolution": 0.02}
    with pytest.raises(ValueError, match=r"band \[-0.01, 0.03\], in which 0, no effect, passes as well"):
        decider(**wide, band=[0.005, 0.015], no_effect=0).decide(within(runs, -0.01, 0.03))
    low, high = difference_of_rounded(0.02, 0.01, 0.01)
    ours = decider(**wide, band=[low, high], no_effect=0)
    assert outcome(ours, "decide", ours.within(runs)) == ("passed", "reproduced")
    with pytest.raises(ValueError, match=r"wider than the effect that has to be seen, plus or minus 0\.005"):
        decider(value=0.01, resolution=0.005).decide(within(runs, -0.01, 0.03))
    level, difference = within([0.7, 0.71, 0.72], 0, 1), within(runs, low, high)
    both = replace(level, bands=(*level.bands, *difference.bands))
    assert outcome(decider(**wide, band=[low, high], no_effect=0), "decide", both)[1] == "reproduced"


def test_the_band_and_the_level_are_those_of_the_claim() -> None:
    ours = decider(band=0.01, family=4)
    assert ours.alpha == 0.0125
    assert ours.within([0.019, 0.02, 0.021]) == within([0.019, 0.02, 0.021], 0.01, 0.03, confidence=0.9875)
    rounded = decider(rounded=0.01)
    assert rounded.within(point(0.015)).outcome == "holds"
    assert rounded.within(point(0.025)).outcome == "fails"
    with pytest.raises(ValueError, match="toy-loss has no band"):
        decider().within([1.0])


@pytest.mark.parametrize(
    ("trend", "own", "expected"),
    [
        ({"above": 1}, 2, "holds"),
        ({"above": 1}, 3, "holds"),
        ({"above": 2}, 1, "fails"),
        ({"below": 2}, 1, "holds"),
        ({"above": 1, "by": 0.5}, 2, "holds"),  # above, and by less than that: both sides
        ({"above": 1, "by": 0.5}, 3, "fails"),
        ({"above": 2, "by": 5}, 1, "fails"),
        ({"at_most_above": 1, "by": 0.5}, 2, "holds"),
        ({"at_most_above": 2, "by": 0.5}, 1, "holds"),
        ({"at_most_above": 1, "share": 0.1}, 3, "fails"),
        ({"at_most_below": 3, "share": 0.9}, 1, "holds"),
        ({"near": 1, "by": 0.5}, 2, "holds"),
        ({"near": 3, "by": 0.5}, 1, "fails"),
        ({"rises": [1, 2, 3]}, None, "holds"),
        ({"falls": [3, 2, 1]}, None, "holds"),
        ({"rises": [1, 3, 2]}, None, "fails"),
    ],
)
def test_trends_are_decided_from_the_claims_file(trend: dict[str, Any], own: int | None, expected: str) -> None:
    samples = {1: [1.0, 1.1, 1.2, 1.0], 2: [1.3, 1.4, 1.52, 1.31], 3: [5.0, 5.2, 5.1, 5.3]}
    ours = decider("smoke", reduced="a sentence", trend=trend)
    assert ours.follows(samples, own).outcome == expected


def test_a_trend_without_its_label_is_named() -> None:
    ours = decider("smoke", **PAPER)
    with pytest.raises(ValueError, match="the trend needs samples of 1, but there are only 'a', 'b'"):
        ours.follows({"a": [1.0], "b": [2.0]}, "a")
    with pytest.raises(ValueError, match="toy-loss has no trend"):
        decider().follows({})


# ---------------------------------------------------------------------------------- errata, misprints and readings


@pytest.mark.parametrize(
    ("printed", "used", "ended", "verdict"),
    [
        (FAILS, HOLDS, "passed", None),
        (HOLDS, HOLDS, "failed", "deviates"),
        (FAILS, FAILS, "failed", "deviates"),
        (FAILS, OPEN, "skipped", "inconclusive"),
        (OPEN, HOLDS, "skipped", "inconclusive"),
    ],
)
@pytest.mark.parametrize("name", ["erratum", "misprint"])
def test_what_is_wrong_in_print(name: str, printed: Decision, used: Decision, ended: str, verdict: str | None) -> None:
    ours = decider(**{name: "an index"})
    assert outcome(ours, f"decide_{name}", printed, used) == (ended, verdict or name)
    if verdict is None:
        assert ours.verdict.reason.startswith("as printed: value 1 of 1 is 1, wanted 2")
    with pytest.raises(ValueError, match=f"toy-loss has no {name} in its claims file"):
        getattr(decider(), f"decide_{name}")(printed, used)


def test_a_model_shows_no_erratum() -> None:
    ours = decider(erratum="an index")
    with pytest.raises(ValueError, match="rests on a model, which cannot show that a paper is wrong"):
        ours.decide_erratum(FAILS, HOLDS, runs=made(Modelled))


def test_readings_are_decided_side_by_side() -> None:
    ours = decider(readings={"rounds": "iterations are rounds", "passes": "iterations are passes"})
    found = {"passes": less([3.0, 3.1, 3.2], [1.0, 1.2, 1.1]), "rounds": less([1.0, 1.2, 1.1], [3.0, 3.1, 3.2])}
    assert outcome(ours, "decide_readings", found) == ("passed", "reproduced")
    assert ours.verdict.found == "rounds: -2; passes: 2"
    assert ours.verdict.reason.startswith("rounds: holds, a - b < 0")
    assert "; passes: fails, a - b < 0" in ours.verdict.reason
    assert list(ours.verdict.by_reading.items()) == [("rounds", "holds"), ("passes", "fails")]
    assert ours.verdict.otherwise == "Read as “rounds”; as “passes” it does not hold."
    same = decider(readings={"rounds": "iterations are rounds", "passes": "iterations are passes"})
    same.decide_readings({"rounds": HOLDS, "passes": HOLDS})
    assert (same.verdict.otherwise, decider().verdict.otherwise) == ("", "")
    with pytest.raises(ValueError, match="has the readings rounds, passes, but rounds were decided"):
        ours.decide_readings({"rounds": HOLDS})
    with pytest.raises(ValueError, match="has the readings none"):
        decider().decide_readings({"rounds": HOLDS})


def test_points_of_a_grid_are_no_seeds() -> None:
    ours = decider()
    ours.decide(HOLDS, runs=Runs({point: [Run(Executed(point), pd.DataFrame(), {"ranks": 1})] for point in range(5)}))
    assert ours.verdict.seeds == 1


def test_only_seeds_are_counted_as_seeds() -> None:
    ours = decider()
    ours.decide(HOLDS, runs=[*made(Executed), Run(Executed(3), pd.DataFrame(), {"ranks": 2})])
    assert (ours.verdict.seeds, ours.verdict.ranks) == (2, 2)
    assert decider().verdict.seeds == 0
