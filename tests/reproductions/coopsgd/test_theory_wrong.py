"""The reproductions of the theory of Cooperative SGD can fail: wrong algorithms and constants turn their claims red."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from algorithms import cooperative as co
from algorithms import elastic
from algorithms.cooperative import CooperativeSGD
from algorithms.topology import lazy, uniform
from reproductions.coopsgd import (
    bounds,
    problems,
    test_corollaries,
    test_figure2,
    test_lemmas,
    test_mixing_matrices,
    test_special_cases,
    test_theorem1,
)
from reproductions.harness import descent
from reproductions.harness.descent import Descent
from reproductions.harness.figures import FigureFolder
from reproductions.harness.settings import Settings
from reproductions.harness.verdicts import Decider
from tests.reproductions.coopsgd.wrong import (
    AuxiliaryGradients,
    EveryStep,
    FarNeighbours,
    Lopsided,
    NoAveraging,
    OneStepEarly,
    alternative,
    wrong,
)
from tests.reproductions.lab import assert_red, simulate

SETTINGS = Settings(seeds=4)
Kind = type[CooperativeSGD]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent, "FEWEST", SETTINGS.seeds)
    for module in (test_corollaries, test_figure2, test_mixing_matrices, test_theorem1):
        monkeypatch.setattr(module, "_draw", lambda *_: None)


def with_algorithm(experiments: Sequence[Descent], kind: Kind) -> list[Descent]:
    return [replace(e, algorithm=wrong(kind, problems.member(e))) for e in experiments]


# ------------------------------------------------------------------------------------------------------ special cases

MEMBERS = test_special_cases.MEMBERS


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("sync", (NoAveraging, Lopsided)),
        ("pasgd", (EveryStep, OneStepEarly, NoAveraging)),
        ("easgd", (AuxiliaryGradients, Lopsided, NoAveraging)),
        ("dpsgd", (FarNeighbours, Lopsided, NoAveraging)),
    ],
)
def test_special_cases_tell_wrong_algorithms(name: str, kinds: Sequence[Kind], monkeypatch: pytest.MonkeyPatch) -> None:
    claim_id = f"coopsgd-special-{name}"
    right, wanted = MEMBERS[claim_id]
    for variant in [wrong(kind, right) for kind in kinds] + [alternative(right)] * (name in ("easgd", "dpsgd")):
        monkeypatch.setitem(MEMBERS, claim_id, (variant, wanted))
        assert_red(claim_id, test_special_cases.test_members_of_the_family_are_their_equations)


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


# --------------------------------------------------------------------------------------------------------- simulations


@pytest.mark.parametrize("kind", [EveryStep, OneStepEarly, NoAveraging, FarNeighbours, Lopsided])
def test_figure2_tells_wrong_algorithms(kind: Kind, tmp_path: Path) -> None:
    chosen = {
        EveryStep: "circled (4, 0.0)",
        OneStepEarly: "circled (4, 0.0)",
        FarNeighbours: "circled (1, 0.8047)",
    }.get(kind, "circled (1, 0.5)")
    right = [e for e in test_figure2.experiments(SETTINGS) if e.role in (chosen, "circled (1, 0.0)")]
    mixed = [replace(e, algorithm=wrong(kind, problems.member(e))) if e.role == chosen else e for e in right]
    runs = simulate(mixed)
    # the exact values are those of the right algorithm
    assert_red(
        "coopsgd-fig2-network-error", lambda claim: test_figure2.test_figure2(claim, runs, FigureFolder(tmp_path))
    )


def test_models_that_never_meet_are_not_synchronous() -> None:
    right = [e for e in test_figure2.experiments(SETTINGS) if e.role == "circled (1, 0.0)"]
    runs = simulate(with_algorithm(right, NoAveraging))
    assert_red("coopsgd-network-error-zero-sync", lambda claim: test_figure2.test_zero(claim, runs))


def test_theorem1_is_not_about_the_alternative_rule(tmp_path: Path) -> None:
    experiments = test_theorem1.experiments(SETTINGS)
    crowd = [replace(e, role="fully synchronous on waves") for e in experiments if e.role == test_theorem1.CROWD]
    bowls = [e for e in experiments if e.role.endswith("bowl")]
    runs = simulate([*crowd, *bowls])
    assert_red("coopsgd-theorem1-bound", lambda claim: test_theorem1.test_theorem1(claim, runs, FigureFolder(tmp_path)))


@pytest.mark.parametrize("kind", [NoAveraging, Lopsided])
def test_runs_at_the_corollaries_follow_the_exact_moments(kind: Kind, tmp_path: Path) -> None:
    right = test_corollaries.experiments(SETTINGS)
    runs = simulate([*with_algorithm([e for e in right if e.role == "finite, EASGD"], kind), *right[:4]])
    assert_red(
        "coopsgd-cor1-bound", lambda claim: test_corollaries.test_first_part(claim, runs, FigureFolder(tmp_path))
    )


# ----------------------------------------------------------------------------------------------------------- constants

mixing, corollaries, lemmas = test_mixing_matrices, test_corollaries, test_lemmas
halved_alpha = SimpleNamespace(elastic=lambda w, alpha: elastic.elastic(w, alpha / 2), best_alpha=elastic.best_alpha)
lopsided = np.array([[0.5, 0.1], [0.5, 0.9]])
right_error = bounds.network_error


def one_for_five(s: bounds.Setting) -> bounds.Condition:
    return bounds.Condition(1 / s.columns, (s.lipschitz * s.reach / s.columns) ** 2)


def half(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **options: function(*arguments, **options) / 2


Wrong = tuple[Callable[..., None], ModuleType, str, Any]
WRONG: dict[str, Wrong] = {
    "zeta-extremes": (mixing.test_extremes, mixing, "zeta", lambda w: float(np.linalg.eigvalsh(w)[-1])),
    "eq20-zeta-easgd": (mixing.test_zeta_of_elastic_averaging, mixing, "elastic", halved_alpha),
    "alpha-range": (mixing.test_range_of_alpha, mixing, "elastic", halved_alpha),
    "fig4-alpha-best": (mixing.test_alphas_of_figure4, mixing, "elastic", halved_alpha),
    "fig4-alpha-limit": (mixing.test_alphas_of_figure4, mixing, "elastic", halved_alpha),
    "lemma2": (mixing.test_zeta_of_generalized_elastic_averaging, mixing, "elastic", halved_alpha),
    "lemma10-fiedler": (mixing.test_eigenvalues_of_a_bordered_matrix, mixing, "elastic", halved_alpha),
    "lemma2-best-alpha": (mixing.test_best_alpha_of_lemma2, mixing, "lemma2", lambda m, z: (z / m, z / m)),
    "lemma2-improves": (
        mixing.test_an_auxiliary_variable_lowers_the_floor,
        mixing,
        "lemma2",
        lambda m, z: (0.0, (m + 1) * z / (m + 1 + z)),  # below zeta, but (1 + 1/m)^2 eats it up
    ),
    "lemma9": (mixing.test_operator_norm_of_powers, mixing, "GRAPHS", {"lopsided": lopsided}),
    "eq22-zeta-tau": (mixing.test_equal_floors, mixing, "equation_22", lambda tau: np.sqrt(1 - 1 / tau)),
    "zeta-tau-limit": (mixing.test_limit_of_the_threshold, mixing, "equation_22", lambda tau: 1 - 1 / tau**2),
    "zeta-075-ring7": (mixing.test_ring_of_seven, mixing, "uniform", lambda graph: lazy(uniform(graph))),
    "bound-monotone": (test_figure2.test_monotone, bounds, "network_error", lambda tau, z: tau * (1 - z)),
    "fig2-sensitivity": (test_figure2.test_sensitivity, test_figure2, "BALANCE", 0.25),
    "dpsgd-vs-pasgd": (test_figure2.test_comparison, bounds, "network_error", lambda tau, z: right_error(tau, z * z)),
    "eq16-lr-condition": (test_theorem1.test_step_size, bounds, "eq16", one_for_five),
    "eq18-error-floor": (test_theorem1.test_floor, bounds, "theorem1", half(bounds.theorem1)),
    "cor1-second": (corollaries.test_second_part, bounds, "eq153", lambda s: (s.m + s.v) * s.m * s.reach**2),
    "cor1-tau-range": (corollaries.test_largest_period, bounds, "eq153", lambda s: s.m**2 * s.tau**4),
    "eq153-threshold": (corollaries.test_threshold, bounds, "eq147", lambda s: 4 * s.m * s.reach**2),
    "v-dependence": (corollaries.test_auxiliary_variables, bounds, "synchronous", lambda s, eta, k: s.gap + s.sigma),
    "lemma4-6": (lemmas.test_moments_of_the_mean_gradient, lemmas, "_outcomes", None),
    "lemma5": (lemmas.test_inner_product, lemmas, "_outcomes", None),
    "lemma7-8": (lemmas.test_norms_of_products, lemmas, "operator_norm", lambda b: float(abs(b).max())),
    "eq113-T1": (lemmas.test_noise_part_of_the_network_error, bounds, "eq113", half(bounds.eq113)),
}


def shared_minibatch(exact: Any, beta: float, sigma: float, kick: float) -> tuple[Any, Any]:
    """Return outcomes in which all workers draw the same mini-batch, which is biased too."""
    odds = np.sqrt((1 - kick) / kick)
    sizes = np.sqrt(beta * (exact**2).sum(axis=1) + sigma**2)
    unit = np.array([odds, -1 / odds])[:, None, None] * sizes[:, None] * np.array([2.0, -1.0, 2.0]) / 3
    return np.array([kick, 1 - kick]), 1.1 * exact + unit


@pytest.mark.parametrize("claim_id", WRONG)
def test_wrong_constants_are_noticed(claim_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test, module, name, replacement = WRONG[claim_id]
    monkeypatch.setattr(module, name, replacement or shared_minibatch)
    assert_red(f"coopsgd-{claim_id}", test)


@pytest.fixture(scope="module")
def edges() -> list[Any]:
    return simulate(test_corollaries.experiments(SETTINGS))


@pytest.mark.parametrize(
    ("claim_id", "test", "name", "replacement"),
    [
        (
            "theorem2-bound",
            test_corollaries.test_theorem2,
            "theorem2",
            lambda s, eta, k=np.inf: eta**2 * s.m**2 / (s.m + 1),
        ),
        ("cor2-pasgd", test_corollaries.test_periodic_averaging, "corollary2", half(bounds.corollary2)),
        ("cor3-dpsgd", test_corollaries.test_decentralized, "corollary3", half(bounds.corollary3)),
        (
            "easgd-finite-horizon",
            test_corollaries.test_finite_horizon_of_elastic_averaging,
            "corollary1_step",
            lambda s, k: 0.1 / k**0.25,
        ),
    ],
)
def test_wrong_corollaries_are_noticed(
    claim_id: str,
    test: Callable[..., None],
    name: str,
    replacement: Any,
    edges: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, name, replacement)
    assert_red(f"coopsgd-{claim_id}", lambda claim: test(claim, edges))


@pytest.mark.filterwarnings("ignore:.*in matmul")  # without it, quadratics diverge
def test_a_condition_without_beta_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = bounds.eq138
    monkeypatch.setattr(bounds, "eq138", lambda s: right(s._replace(beta=0.0)))
    drafts = [e for e in problems.noisier(SETTINGS) if e.role == "PASGD on bowl, beta = 4"]
    runs = simulate(drafts)
    assert_red(
        "coopsgd-eq138-lr-beta", lambda claim: test_theorem1.test_noise_that_grows_with_the_gradient(claim, runs)
    )


def test_lemma3_needs_the_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "lemma3", lambda s, eta, k, consensus: bounds.synchronous(s, eta, k) / 2)
    runs = simulate(e for e in test_lemmas.experiments(SETTINGS) if e.role.startswith("EASGD"))
    assert_red("coopsgd-lemma3-decomposition", lambda claim: test_lemmas.test_decomposition(claim, runs))


def test_the_extension_of_remark1_needs_its_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "alternative_error", lambda tau, z: bounds.network_error(tau, z) + 0.5)
    experiments = test_theorem1.experiments(SETTINGS)
    runs = simulate(e for e in experiments if e.role == test_theorem1.CROWD or e.role.startswith("EASGD by"))
    assert_red("coopsgd-remark1-alternative", lambda claim: test_theorem1.test_alternative_rule(claim, runs))


def test_the_best_alpha_is_searched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mixing, "_elastic_error", lambda alpha: mixing.equation_20(8, alpha))  # the bound's minimum
    assert_red("coopsgd-lemma1-best-alpha", lambda claim: mixing.test_best_alpha(claim, FigureFolder(tmp_path)))
