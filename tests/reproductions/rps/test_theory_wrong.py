"""The reproductions of the lemmas, Theorem 1 and Corollary 2 can fail: wrong algorithms turn their claims red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.rps import ModelAveraging
from reproductions.harness import descent
from reproductions.harness.descent import Simulation
from reproductions.harness.figures import FigureFolder
from reproductions.harness.settings import Settings
from reproductions.rps import bounds, test_lemmas, test_rates, test_theorem1
from reproductions.rps.bounds import Setting
from reproductions.workloads.objectives import Quadratic
from tests.reproductions.lab import assert_red, simulate
from tests.reproductions.rps.wrong import DropsIgnored, NoAveraging, OwnBlockTwice, PreStepFallback

SETTINGS = Settings(seeds=6)
GRID = tuple(bounds.PROBLEMS)
Simulations = Sequence[Simulation]


@dataclass(frozen=True)
class TooSteep(Quadratic):
    """Gradients are three times as large as the constants say."""

    def gradients(self, x: Tensor, workers: Sequence[int], n: int) -> Tensor:
        return 3 * super().gradients(x, workers, n)


@pytest.fixture(autouse=True)
def few_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent, "FEWEST", SETTINGS.seeds)


def chosen(experiments: Simulations, roles: Sequence[str], algorithm: Algorithm) -> list[Simulation]:
    """Return the experiments of some roles with another algorithm in the place of RPS."""
    return [
        replace(e, algorithm=algorithm) if isinstance(e.algorithm, ModelAveraging) else e
        for e in experiments
        if e.role in roles
    ]


@pytest.mark.parametrize(
    ("claim_id", "test", "algorithms"),
    [
        ("rps-eq22-contraction", test_lemmas.test_contraction, (NoAveraging(), DropsIgnored(), OwnBlockTwice())),
        ("rps-lemma4-second-moment", test_lemmas.test_second_moment, (NoAveraging(), DropsIgnored(), OwnBlockTwice())),
        ("rps-lemma4-mean", test_lemmas.test_mean_step, (PreStepFallback(),)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rounds_tell_wrong_algorithms(claim_id, test, algorithms):
    for algorithm in algorithms:
        runs = simulate(chosen(test_lemmas.experiments(SETTINGS), ["rounds"], algorithm))
        assert_red(claim_id, lambda claim, runs=runs: test(claim, runs))


def test_without_averaging_workers_drift_apart():
    runs = simulate(chosen(test_lemmas.experiments(SETTINGS), ["far", *GRID], NoAveraging()))
    assert_red("rps-lemma3-consensus-bound", lambda claim: test_lemmas.test_consensus(claim, runs))


def test_constants_that_are_too_small_violate_lemma5():
    experiments = [e for e in test_lemmas.experiments(SETTINGS) if e.role in ("stranded", "bowl")]
    steep = [replace(e, objective=TooSteep(1.0, tilt=1.0)) if e.role == "bowl" else e for e in experiments]
    runs = simulate(steep)
    assert_red("rps-lemma5-bound", lambda claim: test_lemmas.test_intermediate(claim, runs))


def test_a_fallback_to_the_model_before_the_step_violates_theorem1(tmp_path):
    runs = simulate(chosen(test_theorem1.experiments(SETTINGS), GRID, PreStepFallback()))
    figures = FigureFolder(tmp_path)
    assert_red("rps-theorem1-bound", lambda claim: test_theorem1.test_theorem1(claim, runs, figures))


def test_a_step_size_that_ignores_beta_violates_its_conditions(monkeypatch):
    right = bounds.corollary_step
    monkeypatch.setattr(bounds, "corollary_step", lambda s, steps: right(s, steps) / s.contraction)
    assert_red("rps-cor2-step-size", test_theorem1.test_step_size)


@pytest.mark.parametrize(
    ("claim_id", "roles", "algorithm"),
    [
        ("rps-cor2-rate", ["rate", "still"], PreStepFallback()),
        ("rps-linear-speedup", ["rate", "floor"], NoAveraging()),
        ("rps-larger-network-better", ["floor"], DropsIgnored()),
        ("rps-ball-constant-lr", ["constant", "decayed"], NoAveraging()),
        ("rps-abstract-comparable-rate", ["lossy", "reliable"], NoAveraging()),
    ],
)
def test_rates_tell_wrong_algorithms(claim_id, roles, algorithm, tmp_path):
    tests = {
        "rps-cor2-rate": lambda claim: test_rates.test_rate(claim, runs, FigureFolder(tmp_path)),
        "rps-linear-speedup": lambda claim: test_rates.test_speedup(claim, runs),
        "rps-larger-network-better": lambda claim: test_rates.test_larger_networks(claim, runs),
        "rps-ball-constant-lr": lambda claim: test_rates.test_ball(claim, runs),
        "rps-abstract-comparable-rate": lambda claim: test_rates.test_comparable(claim, runs),
    }
    runs = simulate(chosen(test_rates.experiments(SETTINGS), roles, algorithm))
    assert_red(claim_id, tests[claim_id])


def test_the_exact_moments_are_those_of_a_run_without_drops():
    # one worker's gradient descent on a bowl: |grad f|^2 falls by (1 - gamma)^2 a step, from 2 L (f(0) - f*)
    s = Setting(2, 0.0, 1.0, 0.0, 0.0, 2.0)
    assert bounds.expected(s, 0.5, 3).gradient == pytest.approx(4 * (1 + 0.25 + 0.0625) / 3)
