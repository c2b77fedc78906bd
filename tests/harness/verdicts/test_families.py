"""Claims of one figure share a level, and Holm's procedure spends what is left of it."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from reproductions.harness.verdicts import statistics
from reproductions.harness.verdicts.claims import Claim, load_claims
from reproductions.harness.verdicts.families import family, sizes, step_down
from reproductions.harness.verdicts.record import open_verdict
from reproductions.harness.verdicts.statistics import less, within
from reproductions.harness.verdicts.verdict import Decider
from tests.harness.toy_session import TOY

BASE = load_claims(TOY / "claims.yaml")["toy-order"]


def claim(name: str, source: str = "Figure 4(a)", **fields: Any) -> Claim:
    return BASE.model_copy(update={"id": name, "source": source, "resolution": 0.1} | fields)


def test_the_random_claims_of_a_figure_are_a_family() -> None:
    claims = [
        claim("a"), claim("b", "Fig 4(b); Sec 6"), claim("c", "Figure 4"), claim("d", "Figure 40"),
        claim("e", "Table II"), claim("f", "Theorem 1"), claim("g", resolution=None),
    ]  # fmt: skip
    assert list(sizes(claims).values()) == [3, 3, 3, 1, 1, 1, 1]
    assert family(claims[0]) == family(claims[1]) == "toy Figure 4"
    assert (family(claims[5]), family(claims[6])) == ("f", "g")


def decided(name: str, p: float, tests: int, sign: int = -1, **fields: Any) -> Decider:
    """Return what decided a claim by samples whose one-sided test has this p-value."""
    noise = np.array([-1.0, 0.0, 1.0, -0.5, 0.5])
    error = noise.std(ddof=1) / np.sqrt(5)
    samples = noise + sign * float(stats.t.isf(p, 4)) * error
    ours = claim(name, **fields)
    decider = Decider(ours, open_verdict(ours, "smoke", "test"), tests)
    with pytest.MonkeyPatch.context() as patch:
        for end in ("fail", "skip", "xfail"):
            patch.setattr(pytest, end, lambda *_, **__: None)
        decider.decide(less(samples, np.zeros(5), alpha=decider.alpha))
    return decider


def test_the_level_that_decided_claims_leave_is_spent() -> None:
    p = [0.001, 0.012, 0.018, 0.04]
    deciders = [decided(f"claim{i}", each, 4) for i, each in enumerate(p)]
    assert [each.verdict.verdict for each in deciders] == ["trend", "trend", "inconclusive", "inconclusive"]
    changed = step_down(deciders)
    assert [each.claim.id for each in changed] == ["claim2", "claim3"]
    assert [each.verdict.verdict for each in deciders] == ["trend"] * 4
    assert (multipletests(p, method="holm")[1] < 0.05).all()
    for each in changed:
        assert "alone not enough: decided with the others of its figure" in each.verdict.reason
        assert "over 4 claims" in each.verdict.reason
        assert "would decide" not in each.verdict.reason
        assert each.verdict.why == each.verdict.reason


def test_claims_that_were_not_tested_count() -> None:
    deciders = [decided("a", 0.001, 4), decided("b", 0.02, 4)]
    assert step_down(deciders) == []
    assert deciders[1].verdict.verdict == "inconclusive"


def test_what_fails_is_decided_too_and_other_families_are_left_alone() -> None:
    deciders = [
        decided("a", 0.001, 2), decided("b", 0.04, 2, sign=1), decided("c", 0.04, 2, source="Figure 5"),
    ]  # fmt: skip
    assert [each.claim.id for each in step_down(deciders)] == ["b"]
    assert deciders[1].verdict.verdict == "deviates"
    assert "b deviates" in deciders[1].fault
    assert deciders[2].verdict.verdict == "inconclusive"


def test_a_listed_verdict_that_changes_is_a_fault() -> None:
    deciders = [decided("a", 0.001, 2), decided("b", 0.04, 2, inconclusive={"smoke": "too noisy"})]
    step_down(deciders)
    assert "b is listed under inconclusive at scale smoke, but the verdict is trend" in deciders[1].fault


def test_a_decision_at_a_level_that_the_figure_does_not_leave_is_inconclusive() -> None:
    ours = claim("a", resolution=0.15)
    decider = Decider(ours, open_verdict(ours, "smoke", "test"), 13)
    with pytest.raises(pytest.skip.Exception, match=r"p = 0\.0\d+ is not below the level of 0\.0038"):
        decider.decide(within([0.9, 1.0, 1.1, 1.0], 0.85, 1.15))
    assert decider.verdict.verdict == "inconclusive"


def test_a_family_of_true_nulls_is_wrong_as_seldom_as_its_level_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_missing", lambda *_: "some")  # a sentence that takes longer than the decision
    rng, wrong = np.random.default_rng(17), []
    for _ in range(300):
        p = stats.ttest_1samp(rng.normal(size=(6, 4)), 0, axis=-1, alternative="less").pvalue
        sided = [decided(f"claim{i}", min(each, 1 - each), 6, 1 if each > 0.5 else -1) for i, each in enumerate(p)]
        step_down(sided)
        wrong.append(any(each.verdict.verdict == "trend" for each in sided))
    assert np.mean(wrong) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 300))


def test_what_fails_alone_is_not_said_to_need_the_others_where_its_opposite_refutes_nothing() -> None:
    deciders = [decided("a", 0.001, 2, sign=1, opposite={"smoke": "a stand-in"}), decided("b", 0.04, 2)]
    before = deciders[0].verdict.reason
    assert [each.claim.id for each in step_down(deciders)] == ["b"]
    assert (deciders[0].verdict.verdict, deciders[0].verdict.reason) == ("inconclusive", before)
    assert before.startswith("a stand-in (")
