"""The special cases of Cooperative SGD can fail: wrong algorithms are none of its members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from algorithms.coopsgd import cooperative as co
from algorithms.coopsgd.cooperative import CooperativeSGD
from reproductions.coopsgd import (
    test_special_cases,
)
from reproductions.paper import Decider
from tests.reproductions.coopsgd.wrong import (
    AuxiliaryGradients,
    EveryStep,
    FarNeighbours,
    Frozen,
    Lopsided,
    NoAveraging,
    OneStepEarly,
    alternative,
    wrong,
)
from tests.reproductions.lab import assert_red

Kind = type[CooperativeSGD]

MEMBERS = test_special_cases.MEMBERS
SPECIAL = (
    test_special_cases.test_members_of_the_family_are_their_equations,
    test_special_cases.test_members_of_the_family_are_their_equations_by_one_of_the_rules,
)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("sync", (NoAveraging, Lopsided)),
        ("pasgd", (EveryStep, OneStepEarly, NoAveraging)),
        ("easgd", (AuxiliaryGradients, Lopsided, NoAveraging, Frozen)),
        ("dpsgd", (FarNeighbours, Lopsided, NoAveraging)),
    ],
)
def test_special_cases_tell_wrong_algorithms(name: str, kinds: Sequence[Kind], monkeypatch: pytest.MonkeyPatch) -> None:
    claim_id = f"coopsgd-special-{name}"
    right, wanted = MEMBERS[claim_id]
    for variant in [wrong(kind, right) for kind in kinds] + [alternative(right)] * (name in ("easgd", "dpsgd")):
        monkeypatch.setitem(MEMBERS, claim_id, (variant, wanted))
        assert_red(claim_id, SPECIAL[name in ("easgd", "dpsgd")])


@pytest.mark.parametrize(
    ("claim_id", "test", "kinds"),
    [
        ("coopsgd-eq14-averaged-recursion", test_special_cases.test_mean_model, (Lopsided, AuxiliaryGradients)),
        (
            "coopsgd-eq79-discrepancy",
            test_special_cases.test_disagreement,
            (Lopsided, AuxiliaryGradients, NoAveraging, EveryStep, OneStepEarly),
        ),
    ],
)
def test_recursions_tell_wrong_algorithms(
    claim_id: str, test: Callable[[Decider], None], kinds: Sequence[Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in kinds:
        family = {name: wrong(kind, algorithm) for name, algorithm in test_special_cases.FAMILY.items()}
        with monkeypatch.context() as patch:
            patch.setattr(test_special_cases, "FAMILY", family)
            assert_red(claim_id, test)


@pytest.mark.parametrize("kind", [EveryStep, OneStepEarly, NoAveraging, Lopsided])
def test_timing_tells_wrong_algorithms(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    made = SimpleNamespace(periodic_averaging=lambda m, tau: wrong(kind, co.periodic_averaging(m, tau)))
    monkeypatch.setattr(test_special_cases, "co", made)
    assert_red("coopsgd-eq10-timing", test_special_cases.test_timing)


@pytest.mark.parametrize("kind", [EveryStep, AuxiliaryGradients, NoAveraging])
def test_auxiliary_variables_tell_wrong_algorithms(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    made = SimpleNamespace(elastic_averaging=lambda m, alpha, tau: wrong(kind, co.elastic_averaging(m, alpha, tau)))
    monkeypatch.setattr(test_special_cases, "co", made)
    assert_red("coopsgd-sec33-auxiliary-chain", test_special_cases.test_auxiliary_variables_between_averagings)
