"""The training figures turn red on wrong algorithms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from types import ModuleType

import numpy as np
import pytest

from algorithms.cooperative import CooperativeSGD
from algorithms.topology import value
from reproductions.coopsgd import grids, test_figure3, test_figure4, test_figure5, test_figure7, test_tradeoff
from reproductions.harness.runner import Runner
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.training import Training
from tests.reproductions.lab import decided, swapped

Change = Callable[[CooperativeSGD], CooperativeSGD]


def every_step(algorithm: CooperativeSGD) -> CooperativeSGD:
    """Average in every iteration, whatever tau."""
    return replace(algorithm, tau=1)


def everybody(algorithm: CooperativeSGD) -> CooperativeSGD:
    """Average over all, whatever W."""
    n = len(algorithm.weights)
    return replace(algorithm, weights=value(np.full((n, n), 1 / n)), diverges=False)


def same_alpha(algorithm: CooperativeSGD) -> CooperativeSGD:
    """Pull by the empirical alpha, whatever alpha; beyond the limit it then converges."""
    return test_figure4.MEMBERS["alpha = 0.1125"]


WRONG: list[tuple[ModuleType, Change]] = [
    (test_figure3, every_step),
    (test_figure3, everybody),
    (test_figure4, same_alpha),
    (test_figure5, every_step),
    (test_figure7, every_step),
    (test_tradeoff, every_step),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Few seeds and short runs: where a wrong algorithm makes no difference at all, no more are needed.

    All runs are made here, in one launch of ranks.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grids, "RECIPES", {"smoke": replace(grids.RECIPES["smoke"], epochs=2, longer=0.5)})
        patch.setattr(test_tradeoff, "SEARCH", {"smoke": replace(grids.SEARCH["smoke"], epochs=3)})
        chosen = Settings(device="cpu", results=tmp_path_factory.mktemp("wrong"), seeds=3)
        Runner(chosen).run([wrong(e, change) for figure, change in WRONG for e in figure.experiments(chosen)])
        yield chosen


def wrong(right: Training, change: Change) -> Training:
    return replace(right, algorithm=change(right.algorithm))  # type: ignore[arg-type]


def runs_of(settings: Settings, figure: ModuleType, change: Change) -> list[Run]:
    assert (figure, change) in WRONG
    return swapped(settings, figure.experiments(settings), partial(wrong, change=change))


def test_figure_3_needs_tau_and_zeta_to_matter(settings: Settings) -> None:
    tau = {"settings": settings, "runs": runs_of(settings, test_figure3, every_step)}
    zeta = {"settings": settings, "runs": runs_of(settings, test_figure3, everybody)}
    assert decided(test_figure3.test_loss_rises_with_tau, "coopsgd-fig3-tau", **tau).verdict == "deviates"
    assert decided(test_figure3.test_loss_rises_with_zeta, "coopsgd-fig3-zeta", **zeta).verdict == "deviates"


def all_deviate(tests: dict[str, Callable[..., None]], settings: Settings, runs: list[Run]) -> None:
    verdicts = {claim: decided(test, claim, settings=settings, runs=runs).verdict for claim, test in tests.items()}
    assert verdicts == dict.fromkeys(tests, "deviates")


def test_figure_4_needs_alpha_to_matter_and_to_diverge(settings: Settings) -> None:
    tests = {
        "coopsgd-fig4a-loss-order": test_figure4.test_best_alpha_has_the_lowest_loss,
        "coopsgd-fig4b-discrepancy": test_figure4.test_best_alpha_has_the_least_discrepancy,
        "coopsgd-fig4-divergence": test_figure4.test_beyond_the_limit_it_cannot_converge,
    }
    all_deviate(tests, settings, runs_of(settings, test_figure4, same_alpha))


def test_figure_5_needs_its_period(settings: Settings) -> None:
    runs = runs_of(settings, test_figure5, every_step)
    test = test_figure5.test_loss_is_below_that_of_a_large_period
    assert decided(test, "coopsgd-fig5-loss", settings=settings, runs=runs).verdict != "trend"


def test_figure_7_needs_local_updates(settings: Settings) -> None:
    tests = {
        "coopsgd-fig7-tau100-highest-loss": test_figure7.test_the_largest_period_is_the_fastest_and_worst,
        "coopsgd-fig7-360-epochs": test_figure7.test_its_floor_stays_above_after_three_times_the_epochs,
        "coopsgd-fig7-small-lr": test_figure7.test_a_small_step_size_narrows_the_gap,
        "coopsgd-fig7c-generalisation": test_figure7.test_large_periods_generalize_better,
    }
    all_deviate(tests, settings, runs_of(settings, test_figure7, every_step))


def test_the_middle_way_needs_averaging_to_be_rare(settings: Settings) -> None:
    runs = runs_of(settings, test_tradeoff, every_step)
    test = test_tradeoff.test_a_middle_way_is_the_fastest
    assert decided(test, "coopsgd-abstract-best-balance", settings=settings, runs=runs).verdict == "deviates"
