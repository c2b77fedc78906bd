"""The reproductions of the theory of Cooperative SGD can fail: wrong algorithms and constants turn their claims red."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from algorithms.coopsgd import elastic
from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.topology import lazy, uniform, zeta
from reproductions.coopsgd import (
    bounds,
    problems,
    spectra,
    test_corollary1,
    test_figure2,
    test_lemma1,
    test_lemma2,
    test_lemmas,
    test_mixing_matrices,
    test_theorem1,
    test_theorem2,
)
from reproductions.experiments import descent
from reproductions.experiments.descent import Descent
from reproductions.paper import FigureFolder, Run, Runs, Settings
from tests.reproductions.coopsgd.wrong import (
    AuxiliaryGradients,
    EveryStep,
    FarNeighbours,
    Frozen,
    Lopsided,
    NoAveraging,
    OneStepEarly,
    wrong,
)
from tests.reproductions.lab import assert_red, simulate

SETTINGS = Settings(seeds=4)
Kind = type[CooperativeSGD]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent, "FEWEST", SETTINGS.seeds)
    for module in (test_corollary1, test_figure2, test_lemma1, test_theorem1):
        monkeypatch.setattr(module, "_draw", lambda *_: None)


def with_algorithm(kind: Kind, experiments: Sequence[Descent]) -> list[Descent]:
    return [replace(e, algorithm=wrong(kind, problems.member(e))) for e in experiments]


# --------------------------------------------------------------------------------------------------------- simulations


@pytest.mark.parametrize("kind", [EveryStep, OneStepEarly, NoAveraging, FarNeighbours, Lopsided, Frozen])
def test_figure2_tells_wrong_algorithms(kind: Kind, tmp_path: Path) -> None:
    chosen = {EveryStep: (4, 0.0), OneStepEarly: (4, 0.0), FarNeighbours: (1, 0.8047)}.get(kind, (1, 0.5))
    right = test_figure2.experiments(SETTINGS)
    runs = simulate({(1, 0.0): right[1, 0.0], chosen: with_algorithm(kind, right[chosen])})
    runs = Runs({label: named(group, right[label]) for label, group in runs.items()})
    assert_red(
        "coopsgd-fig2-network-error", lambda claim: test_figure2.test_figure2(claim, runs, FigureFolder(tmp_path))
    )


def named(runs: Sequence[Run[Any]], experiments: Sequence[Descent]) -> list[Run[Any]]:
    """Return runs under the names of other experiments: exact values are those of the right algorithm."""
    return [replace(run, experiment=experiment) for run, experiment in zip(runs, experiments, strict=True)]


def test_models_that_never_meet_are_not_synchronous() -> None:
    right = test_figure2.experiments(SETTINGS)[1, 0.0]
    runs = simulate({(1, 0.0): with_algorithm(NoAveraging, right)})
    assert_red("coopsgd-network-error-zero-sync", lambda claim: test_figure2.test_zero(claim, runs))


def test_theorem1_is_not_about_the_alternative_rule(theorem1: Runs, tmp_path: Path) -> None:
    crowd = simulate({"crowd": test_theorem1.experiments(SETTINGS)[test_theorem1.CROWD]})["crowd"]
    runs = Runs({**theorem1, problems.Cell("fully synchronous", "waves", 0.98): crowd})
    assert_red("coopsgd-theorem1-bound", lambda claim: test_theorem1.test_theorem1(claim, runs, FigureFolder(tmp_path)))


@pytest.mark.parametrize("kind", [Frozen, NoAveraging, AuxiliaryGradients])
def test_runs_of_theorem1_are_those_of_the_exact_moments(kind: Kind, theorem1: Runs, tmp_path: Path) -> None:
    cell = problems.Cell("EASGD", "bowl", 0.98)
    right = [run.experiment for run in theorem1[cell]]
    changed = named(simulate({cell: with_algorithm(kind, right)})[cell], right)
    runs = Runs({**theorem1, cell: changed})
    assert_red("coopsgd-theorem1-bound", lambda claim: test_theorem1.test_theorem1(claim, runs, FigureFolder(tmp_path)))


@pytest.fixture(scope="module")
def theorem1() -> Runs:
    experiments = test_theorem1.experiments(SETTINGS)
    return simulate({cell: experiments[cell] for cell in problems.GRID})


@pytest.mark.parametrize("kind", [NoAveraging, Lopsided, Frozen])
def test_runs_at_the_corollary_follow_the_exact_moments(kind: Kind, tmp_path: Path) -> None:
    right = test_corollary1.experiments(SETTINGS)
    runs = simulate(right | {"EASGD": with_algorithm(kind, right["EASGD"])})
    runs = Runs({label: named(group, right[str(label)]) for label, group in runs.items()})
    assert_red("coopsgd-cor1-bound", lambda claim: test_corollary1.test_first_part(claim, runs, FigureFolder(tmp_path)))


# ----------------------------------------------------------------------------------------------------------- constants

mixing, corollaries, lemmas = test_mixing_matrices, test_corollary1, test_lemmas
lemma1, lemma2 = test_lemma1, test_lemma2
halved_alpha = SimpleNamespace(elastic=lambda w, alpha: elastic.elastic(w, alpha / 2), best_alpha=elastic.best_alpha)
lopsided = np.array([[0.5, 0.1], [0.5, 0.9]])
right_error = bounds.network_error


def one_for_five(s: bounds.Assumptions) -> bounds.Condition:
    return bounds.Condition(1 / s.columns, (s.lipschitz * s.reach / s.columns) ** 2)


def half(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **options: function(*arguments, **options) / 2


Wrong = tuple[Callable[..., None], ModuleType, str, Any]
WRONG: dict[str, Wrong] = {
    "zeta-extremes": (mixing.test_extremes, mixing, "zeta", lambda w: float(np.linalg.eigvalsh(w)[-1])),
    "eq20-zeta-easgd": (lemma1.test_zeta_of_elastic_averaging, lemma1, "elastic", halved_alpha),
    "alpha-range": (lemma1.test_range_of_alpha, lemma1, "elastic", halved_alpha),
    "fig4-alpha-best": (lemma1.test_alphas_of_figure4, spectra, "elastic", halved_alpha),
    "fig4-alpha-limit": (lemma1.test_alphas_of_figure4, lemma1, "elastic", halved_alpha),
    "lemma2": (lemma2.test_zeta_of_generalized_elastic_averaging, lemma2, "elastic", halved_alpha),
    "lemma10-fiedler": (lemma2.test_eigenvalues_of_a_bordered_matrix, lemma2, "elastic", halved_alpha),
    "lemma2-best-alpha": (lemma2.test_best_alpha_of_lemma2, lemma2, "lemma2", lambda m, z: (z / m, z / m)),
    "lemma2-improves": (
        lemma2.test_an_auxiliary_variable_lowers_the_floor,
        lemma2,
        "lemma2",
        lambda m, z: (0.0, (m + 1) * z / (m + 1 + z)),  # below zeta, but (1 + 1/m)^2 eats it up
    ),
    "lemma9": (mixing.test_operator_norm_of_powers, mixing, "GRAPHS", {"lopsided": lopsided}),
    "eq22-zeta-tau": (mixing.test_equal_floors, mixing, "equation_22", lambda tau: np.sqrt(1 - 1 / tau)),
    "zeta-tau-limit": (mixing.test_limit_of_the_threshold, mixing, "equation_22", lambda tau: 1 - 1 / tau**2),
    "sparser-zeta": (test_figure2.test_a_sparser_matrix_has_a_larger_zeta, test_figure2, "zeta", lambda w: 1 - zeta(w)),
    "zeta-075-ring7": (mixing.test_ring_of_seven, mixing, "uniform", lambda graph: lazy(uniform(graph))),
    "bound-monotone": (test_figure2.test_monotone, bounds, "network_error", lambda tau, z: tau * (1 - z)),
    "fig2-sensitivity": (test_figure2.test_sensitivity, test_figure2, "ZETAS", [0.0, 0.995]),
    "dpsgd-vs-pasgd": (test_figure2.test_comparison, bounds, "network_error", lambda tau, z: right_error(tau, z * z)),
    "eq16-lr-condition": (test_theorem1.test_step_size, bounds, "eq16", one_for_five),
    "eq18-error-floor": (test_theorem1.test_floor, bounds, "theorem1", half(bounds.theorem1)),
    "cor1-second": (corollaries.test_second_part, bounds, "eq153", lambda s: (s.m + s.v) * s.m * s.reach**2),
    "cor1-tau-range": (corollaries.test_largest_period, bounds, "eq153", lambda s: s.m**2 * s.tau**4),
    "eq153-threshold": (corollaries.test_threshold, bounds, "eq147", lambda s: 4 * s.m * s.reach**2),
    "eq153-threshold: by tau": (
        corollaries.test_threshold,
        bounds,
        "eq153",
        lambda s: (s.m + s.v) ** 2 * s.m * s.reach**2 * (1 + s.tau / 100),  # a threshold for each tau
    ),
    "v-dependence": (test_theorem2.test_auxiliary_variables, bounds, "synchronous", lambda s, eta, k: s.gap + s.sigma),
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
    assert_red(f"coopsgd-{claim_id.partition(':')[0]}", test)


@pytest.fixture(scope="module")
def edges() -> Runs:
    return simulate(test_theorem2.experiments(SETTINGS))


def no_one_over_m(s: bounds.Assumptions, eta: float, k: float = np.inf) -> float:
    return eta**2 * s.m**2 / (s.m + 1)


@pytest.mark.parametrize(
    ("claim_id", "test", "name", "replacement"),
    [
        ("theorem2-bound", test_theorem2.test_theorem2, "theorem2", no_one_over_m),
        ("cor2-pasgd", test_theorem2.test_periodic_averaging, "corollary2", half(bounds.corollary2)),
        ("cor3-dpsgd", test_theorem2.test_decentralized, "corollary3", half(bounds.corollary3)),
    ],
)
def test_wrong_corollaries_are_noticed(
    claim_id: str,
    test: Callable[..., None],
    name: str,
    replacement: Any,
    edges: Runs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, name, replacement)
    assert_red(f"coopsgd-{claim_id}", lambda claim: test(claim, edges))


def test_another_step_size_has_another_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = simulate(test_corollary1.experiments(SETTINGS))
    monkeypatch.setattr(bounds, "corollary1_step", lambda s, k: 0.1 / k**0.25)
    test = test_corollary1.test_finite_horizon_of_elastic_averaging
    assert_red("coopsgd-easgd-finite-horizon", lambda claim: test(claim, runs))


@pytest.mark.filterwarnings("ignore:.*in matmul")  # without it, quadratics diverge
def test_a_condition_without_beta_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = bounds.eq138
    monkeypatch.setattr(bounds, "eq138", lambda s: right(s._replace(beta=0.0)))
    runs = simulate(problems.noisier(SETTINGS))
    assert_red(
        "coopsgd-eq138-lr-beta", lambda claim: test_theorem1.test_noise_that_grows_with_the_gradient(claim, runs)
    )


def test_lemma3_needs_the_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "lemma3", lambda s, eta, k, consensus: bounds.synchronous(s, eta, k) / 2)
    runs = simulate({"EASGD": test_lemmas.experiments(SETTINGS)["EASGD"]})
    assert_red("coopsgd-lemma3-decomposition", lambda claim: test_lemmas.test_decomposition(claim, runs))


def test_the_extension_of_remark1_needs_its_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "alternative_error", lambda tau, z: bounds.network_error(tau, z) + 0.5)
    experiments = test_theorem1.experiments(SETTINGS)
    runs = simulate({cell: experiments[cell] for cell in test_theorem1.OTHERS})
    assert_red("coopsgd-remark1-alternative", lambda claim: test_theorem1.test_alternative_rule(claim, runs))


def test_the_best_alpha_is_searched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lemma1, "_elastic_error", lambda alpha: lemma1.equation_20(8, alpha))  # the bound's minimum
    assert_red("coopsgd-lemma1-best-alpha", lambda claim: lemma1.test_best_alpha(claim, FigureFolder(tmp_path)))
