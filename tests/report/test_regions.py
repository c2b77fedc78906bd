"""What the interval of a verdict is said to be of, and that it is never shown as that of another number."""

from dataclasses import replace
from typing import Any

import pytest

from reproductions.harness.verdicts.claims import Trend, load_claims
from reproductions.harness.verdicts.record import Verdict
from reproductions.report.merge import merge
from reproductions.report.papers import load_papers
from reproductions.report.regions import interval_name, region_of
from reproductions.report.results import read_folder
from tests.harness.toy_session import ROOT, TOY

CLAIM = load_claims(TOY / "claims.yaml")["toy-number"]
ROW = Verdict(
    "toy-number", "toy", "smoke", "t", "trend", found="+1.08 points", estimate=-1.0764, interval=(-1.9, -0.25)
)
HELD, OPEN = "a - b < 0: -1.0764 [-1.9, -0.25] from 8 seeds", "a - b < 0: 0.1 [-0.2, 0.4] from 8 seeds"
OLD = (
    "100: inconclusive, a - b < 0: -1.0764 [-1.9, 0.25] from 8 seeds, 11 seeds would decide; "
    "{}decided by Holm's procedure over 21 claims"
)
OTHER = "20: inconclusive, a - b < 0: 0.1 [-0.2, 0.4] from 8 seeds, 9 seeds would decide; "


@pytest.mark.parametrize(
    ("claim", "reason", "said"),
    [
        ({}, HELD, "the difference that was tested"),
        ({"differences": ("ours minus theirs",)}, HELD, "ours minus theirs"),
        ({"differences": ("one", "another")}, f"{OPEN}; {HELD}", "another"),
        ({"differences": ("one", "another")}, HELD, "one or of another"),  # the only part that is in the reason
        ({"at": {"n": 2}, "trend": Trend(above=1)}, HELD, "the value at n = 1 minus the value at n = 2"),
        ({"at": {"n": 2}, "trend": Trend(below=1)}, HELD, "the value at n = 2 minus the value at n = 1"),
        ({"trend": Trend(above="no effect")}, HELD, "no effect minus what was found"),
    ],
)
def test_a_difference_is_named(claim: dict[str, Any], reason: str, said: str) -> None:
    named = interval_name(CLAIM.model_copy(update={"at": {}, "trend": None} | claim), replace(ROW, reason=reason))
    assert named == f"Interval of {said}, which has to lie below 0"


def test_of_an_erratum_the_corrected_statement_is_named() -> None:
    row = replace(
        ROW, reason="as printed: mean in [1, 2]: -1 [-1.9, -0.25]; corrected: mean in [-2, 0]: -1 [-1.9, -0.25]"
    )
    assert interval_name(CLAIM, row) == "Interval, which has to lie in [-2, 0]"


@pytest.mark.parametrize("more", ["", OTHER])
def test_what_holms_procedure_decided_is_said_to_be_decided_by_it(more: str) -> None:
    row = replace(ROW, reason=OLD.format(more), interval=(-1.9, 0.25))
    said = interval_name(CLAIM, row)
    assert "which has to lie below 0: alone not enough, decided with the others of its figure" in said
    assert row.why.startswith(
        "100: inconclusive alone, a - b < 0: -1.0764 [-1.9, 0.25] from 8 seeds, alone not enough: "
    )
    assert "11 seeds would decide" not in row.why
    assert row.why.count("over 21 claims") == 1
    assert ("9 seeds would decide" in row.why) == bool(more)  # the other reading was not decided


@pytest.mark.parametrize(
    ("found", "estimate", "shown"),
    [
        ("exponent -0.658", -0.65823, "exponent -0.658 [-1, 1]"),
        ("+1.08 points", -1.0764, "+1.08 points; tested: -1.08 [-1, 1]"),  # of the other sign
        ("31% lost", 0.31, "31% lost; tested: 0.31 [-1, 1]"),
        ("slope -0.47 in n, -0.49 far out", -0.468, "slope -0.47 in n, -0.49 far out; tested: -0.468 [-1, 1]"),
        ("", -0.468, "[-1, 1]"),
    ],
)
def test_an_interval_follows_no_other_number_than_its_own(found: str, estimate: float, shown: str) -> None:
    assert replace(ROW, found=found, estimate=estimate, interval=(-1.0, 1.0)).found_with_interval == shown


def test_no_interval_of_this_checkout_is_said_to_lie_where_it_does_not() -> None:
    findings = merge([read_folder(ROOT / "results")], load_papers()).findings
    rows = [(finding.claim, finding.headline.verdict) for finding in findings if finding.headline.verdict.interval]
    wrong = []
    for claim, row in rows:
        region, said = region_of(row), interval_name(claim, row)
        assert "difference that was tested" not in said, row.id  # nameless
        inside = region is None or (region.low <= row.interval[0] and row.interval[1] <= region.high)
        if not inside and row.verdict != "inconclusive" and "alone not enough" not in said:
            wrong.append(row.id)
        if "alone not enough" in said:
            assert "Holm" in row.why, row.id
    assert wrong == []
