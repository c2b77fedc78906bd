"""The forest plot puts every claim where its interval lies, beside the region that decided it."""

import math

import numpy as np
import pytest

from reproductions.harness.verdicts.claims import load_claims
from reproductions.harness.verdicts.decisions import Decision
from reproductions.harness.verdicts.record import Verdict
from reproductions.harness.verdicts.statistics import increasing, less, within
from reproductions.report.forest import REACH, Bar, bar_of, blocks, draw, place
from reproductions.report.merge import Finding
from reproductions.report.regions import region_of
from reproductions.report.results import Evidence
from tests.harness.toy_session import TOY

CLAIM = load_claims(TOY / "claims.yaml")["toy-number"]


def finding(decision: Decision, verdict: str = "reproduced", reason: str = "", **changes: object) -> Finding:
    claim = CLAIM.model_copy(update={"value": 1.0, "band": 0.5, "scale": "any"} | changes)
    low, high, estimate = decision.interval.low, decision.interval.high, decision.interval.estimate
    row = Verdict(claim.id, "toy", "smoke", "t", verdict, reason=reason or decision.explanation)
    row.interval, row.estimate = (None if low == high else (low, high)), estimate
    return Finding(claim, Evidence(row))


def bar(*arguments: object, **changes: object) -> Bar:
    found = bar_of(finding(*arguments, **changes))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_band_reaches_from_minus_one_to_one() -> None:
    found = bar(within([1.1, 1.2, 1.3], 0.5, 1.5))
    assert (found.band, found.printed) == ((-1.0, 1.0), 0.0)
    assert found.estimate == pytest.approx(0.4)
    assert found.low < 0.4 < found.high


def test_a_bound_is_the_right_line_and_zero_the_left() -> None:
    found = bar(within([0.24, 0.25, 0.26], -math.inf, 1.0), value=None, band=None)
    assert (found.band, found.printed) == ((-1.0, 1.0), None)
    assert found.estimate == pytest.approx(-0.5)


@pytest.mark.parametrize("decision", [less([1.0, 1.1, 1.2], [3.0, 3.2, 3.1]), increasing([[1.0, 1.1], [2.0, 2.2]])])
def test_what_a_paper_says_of_an_order_is_on_the_right(decision: Decision) -> None:
    found = bar(decision, value=None, band=None)
    assert (found.band, found.estimate) == ((0.0, REACH), pytest.approx(2.0, rel=1e-4))


def test_the_wrong_order_is_on_the_left() -> None:
    wrong = less([3.0, 3.2, 3.1], [1.0, 1.1, 1.2])
    assert bar(wrong, value=None, band=None).high < 0
    known = bar(wrong, "deviates", "known: too short", value=None, band=None)  # its reason is the cause
    assert (known.estimate, known.band) == (-2.0, (0.0, REACH))
    assert known.low < known.high < 0


def test_an_exact_number_needs_a_band_that_is_about_it() -> None:
    exact = within([1.1] * 3, 0.5, 1.5, of="values")
    assert bar(exact).estimate == pytest.approx(0.2)
    assert bar_of(finding(exact, band=None)) is None
    assert bar_of(finding(within([9.0] * 3, 0.5, 1.5, of="values"))) is None  # of another quantity, such as a count


@pytest.mark.parametrize("seed", range(20))
def test_the_region_is_what_was_decided(seed: int) -> None:
    draws = np.random.default_rng(seed)
    size = 10.0 ** draws.integers(-6, 6)
    low, samples = size * draws.normal(), size * draws.normal(size=5)
    decision = within(samples, low, low + size)
    region = region_of(finding(decision).headline.verdict)
    assert region is not None
    assert (region.low, region.high) == pytest.approx((low, low + size), rel=1e-4, abs=1e-5 * size)
    assert region.estimate == pytest.approx(decision.interval.estimate, rel=1e-4)


def test_an_interval_of_another_sentence_has_no_region() -> None:
    found = finding(less([1.0, 1.1, 1.2], [3.0, 3.2, 3.1]))
    found.headline.verdict.interval = (0.5, 0.6)
    assert region_of(found.headline.verdict) is None


def test_every_claim_has_one_mark_inside_of_the_picture() -> None:
    findings = [finding(within([1.1, 1.2, 1.3 + i], 0.5, 1.5), source=f"Figure {i}", id=f"toy-{i}") for i in range(30)]
    findings += [finding(within([1.0] * 3, 0, 2), band=None, source="Lemma 1", id=f"toy-exact{i}") for i in range(9)]
    placed, height = place(blocks(findings))
    assert sum(len(here.block.marks) for here in placed if not here.bar) == 9
    assert [here.bar.finding.claim.id for here in placed if here.bar] == [f"toy-{i}" for i in range(30)]
    assert max(here.y for here in placed) < height - 17
    drawing = draw("A <paper>", findings)
    assert drawing.count('<rect class="v-reproduced"') == 39
    assert "A &lt;paper&gt;" in drawing
    assert "nan" not in drawing
