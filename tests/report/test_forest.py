"""The forest plot puts every claim where its interval lies, beside the region that decided it."""

import math
import re

import numpy as np
import pytest

from reproductions.harness.verdicts.claims import load_claims
from reproductions.harness.verdicts.decisions import Decision
from reproductions.harness.verdicts.record import Verdict
from reproductions.harness.verdicts.statistics import increasing, less, within
from reproductions.report.forest import NARROW, REACH, WIDE, Bar, Columns, bar_of, blocks, draw, place
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


def drawn(*findings: Finding) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", draw("A paper", findings))


def test_what_is_printed_and_found_stands_beside_the_axis() -> None:
    printed = finding(within([1.1, 1.2, 1.3], 0.5, 1.5), unit="s")
    printed.headline.verdict.found = "1.2 s of 16% lost without priority, " + "and more, " * 50
    texts = drawn(printed)
    assert {"printed", "found", "1.0 s", "grey: where it has to lie (band: −1 to 1)"} <= set(texts)
    lines = texts[texts.index("1.0 s") + 1 : -1]
    assert len(lines) == 3
    assert lines[0].startswith("1.2 s of 16% lost without priority, and more")
    assert lines[-1].endswith("…")
    table = finding(within([1.1, 1.2, 1.3], 0.5, 1.5), value={"PSGD": 0.33, "QSGD": 0.36}, band=None, unit="h")
    assert "PSGD 0.33, QSGD 0.36 h" in drawn(table)


def test_no_mark_covers_a_title() -> None:
    (where, *_), _ = place(blocks([finding(within([1.0] * 3, 0, 2), band=None, source="Map of least squares")]))
    first = float(re.findall(r'<rect class="v-reproduced" x="([\d.]+)"', draw("A paper", where.block.marks))[0])
    assert first > 4 + 7 * len("Map of least squares")


@pytest.mark.parametrize("columns", [WIDE, NARROW])
def test_every_bar_lies_inside_of_its_picture(columns: Columns) -> None:
    findings = [finding(within([1.1, 1.2, 1.3], 0.5, 1.5), source=f"Figure {i}", id=f"toy-{i}") for i in range(9)]
    drawing = draw("A paper", findings, columns)
    ends = [float(at) for at in re.findall(r'(?:cx|x)="(-?[\d.]+)"', drawing)]
    assert min(ends) >= 0
    assert max(ends) <= columns.width
    assert ("found</text>" in drawing) == (columns is WIDE)


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


def test_a_difference_with_margin_one_is_no_ratio() -> None:
    found = bar(less([1.1, 1.3, 1.5], [1.0, 1.1, 1.2], margin=1.0), value="< 1", band=None)
    assert (found.band, found.estimate) == ((0.0, REACH), pytest.approx(2.0, rel=1e-4))
    assert 0 < found.low < 2 < found.high
