"""The training figures turn red on wrong algorithms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import Tensor

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.topology import value
from algorithms.world import World
from reproductions.coopsgd import (
    floors,
    recipes,
    test_figure3,
    test_figure4,
    test_figure5,
    test_figure7,
    test_section62,
    test_tradeoff,
)
from reproductions.experiments.training import Training
from reproductions.paper import Run, Runs, Settings, exactly
from tests.reproductions.lab import decided, swapped

Change = Callable[[CooperativeSGD], CooperativeSGD]
GREEN = {"reproduced", "trend", "consistent"}


def every_step(algorithm: CooperativeSGD) -> CooperativeSGD:
    """Average in every iteration, whatever tau."""
    return replace(algorithm, tau=1)


def everybody(algorithm: CooperativeSGD) -> CooperativeSGD:
    """Average over all, whatever W."""
    n = len(algorithm.weights)
    return replace(algorithm, weights=value(np.full((n, n), 1 / n)), diverges=False)


def same_alpha(algorithm: CooperativeSGD) -> CooperativeSGD:
    """Pull by the empirical alpha, whatever alpha; beyond the limit it then converges."""
    return recipes.easgd(test_figure4.M, test_figure4.EMPIRICAL)


def nobody(algorithm: CooperativeSGD) -> CooperativeSGD:
    """Leave out the auxiliary variable: it stays, but no model is mixed with it."""
    if not algorithm.v:
        return algorithm
    w = algorithm.W
    w[-1], w[:, -1] = 0, 0
    return replace(algorithm, weights=value(w + np.diag(1 - w.sum(axis=0))), diverges=True)


@dataclass(frozen=True)
class Pinned(CooperativeSGD):
    """Auxiliary variables pull, but stay where they began."""

    def _average(self, world: World, x: Tensor) -> None:
        anchors = [row for row, i in enumerate(world.local) if i >= self.workers]
        before = x[anchors].clone()
        super()._average(world, x)
        x[anchors] = before


def pinned(algorithm: CooperativeSGD) -> CooperativeSGD:
    return Pinned(**vars(algorithm))


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """Few seeds and short runs: where a wrong algorithm makes no difference at all, no more are needed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "RECIPES", {"smoke": replace(recipes.RECIPES["smoke"], epochs=4, longer=0.5)})
        patch.setattr(test_tradeoff, "SEARCH", {"smoke": replace(recipes.SEARCH["smoke"], epochs=3)})
        yield Settings(device="cpu", seeds=3)


def wrong(right: Training, change: Change) -> Training:
    assert isinstance(right.algorithm, CooperativeSGD)
    return replace(right, algorithm=change(right.algorithm))


def runs_of(settings: Settings, figure: ModuleType, change: Change) -> Runs[Any]:
    return swapped(figure.experiments(settings), partial(wrong, change=change))


def verdicts(tests: dict[str, Callable[..., None]], runs: Runs[Any]) -> set[str]:
    return {decided(test, claim, runs=runs).verdict for claim, test in tests.items()}


@pytest.fixture
def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are too short to be at rest here, which would make everything inconclusive."""
    monkeypatch.setattr(floors, "STILL", 1e9)
    monkeypatch.setattr(floors, "FIRM", 1e9)


FIGURE_3 = dict.fromkeys(("coopsgd-fig3-tau", "coopsgd-fig3-zeta"), test_figure3.test_the_floor_rises)
FIGURE_4 = {
    "coopsgd-fig4a-loss-order": test_figure4.test_best_alpha_has_a_lower_loss_than_the_empirical_choice,
    "coopsgd-fig4b-discrepancy": test_figure4.test_best_alpha_has_the_least_discrepancy,
    "coopsgd-fig4-divergence": test_figure4.test_beyond_the_limit_it_cannot_converge,
}
FIGURE_5 = {"coopsgd-fig5-loss": test_figure5.test_loss_is_below_that_of_a_large_period}
FIGURE_7 = {
    "coopsgd-fig7-tau100-highest-loss": test_figure7.test_the_largest_period_is_the_fastest_and_worst,
    "coopsgd-fig7-360-epochs": test_figure7.test_its_floor_stays_above_after_three_times_the_epochs,
    "coopsgd-fig7-small-lr": test_figure7.test_a_small_step_size_narrows_the_gap,
}
CONSENSUS = {"coopsgd-sec62-consensus": test_section62.test_an_auxiliary_variable_increases_consensus}
LOSS = {"coopsgd-sec62-loss": test_section62.test_an_auxiliary_variable_lowers_the_floor}


@pytest.mark.usefixtures("at_rest")
@pytest.mark.parametrize(
    ("figure", "tests"),
    [
        pytest.param(test_figure3, FIGURE_3, marks=pytest.mark.slow, id="3"),
        pytest.param(test_figure4, FIGURE_4, id="4"),
        pytest.param(test_figure5, FIGURE_5, id="5"),
        pytest.param(test_figure7, FIGURE_7, marks=pytest.mark.slow, id="7"),
        pytest.param(test_section62, CONSENSUS | LOSS, id="6.2"),
    ],
)
def test_right_algorithms_are_green_on_as_few_and_short_runs(
    figure: ModuleType, tests: dict[str, Callable[..., None]], settings: Settings
) -> None:
    assert verdicts(tests, runs_of(settings, figure, lambda algorithm: algorithm)) <= GREEN


@pytest.mark.usefixtures("at_rest")
def test_figure_3_needs_tau_and_zeta_to_matter(settings: Settings) -> None:
    for claim, change in (("coopsgd-fig3-tau", every_step), ("coopsgd-fig3-zeta", everybody)):
        runs = runs_of(settings, test_figure3, change)
        assert not verdicts({claim: FIGURE_3[claim]}, runs) & GREEN


@pytest.mark.usefixtures("at_rest")
def test_figure_4_needs_alpha_to_matter_and_to_diverge(settings: Settings) -> None:
    assert not verdicts(FIGURE_4, runs_of(settings, test_figure4, same_alpha)) & GREEN


def test_a_limit_that_is_off_by_a_hundredth_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert test_figure4._bracketed().outcome == "holds"
    for share in (0.998, 1.002):
        with monkeypatch.context() as patch:
            patch.setattr(test_figure4, "LIMIT", share * test_figure4.LIMIT)
            assert test_figure4._bracketed().outcome == "fails"


@pytest.mark.usefixtures("at_rest")
def test_figure_5_needs_its_period(settings: Settings) -> None:
    assert not verdicts(FIGURE_5, runs_of(settings, test_figure5, every_step)) & GREEN


@pytest.mark.usefixtures("at_rest")
def test_figure_7_needs_local_updates(settings: Settings) -> None:
    assert not verdicts(FIGURE_7, runs_of(settings, test_figure7, every_step)) & GREEN


@pytest.mark.usefixtures("at_rest")
def test_section_62_needs_an_auxiliary_variable_that_mixes_and_moves(settings: Settings) -> None:
    assert not verdicts(CONSENSUS, runs_of(settings, test_section62, nobody)) & GREEN
    assert not verdicts(LOSS, runs_of(settings, test_section62, pinned)) & GREEN


def test_the_middle_way_needs_averaging_to_be_rare(settings: Settings) -> None:
    tests = {"coopsgd-abstract-best-balance": test_tradeoff.test_a_middle_way_is_the_fastest}
    assert not verdicts(tests, runs_of(settings, test_tradeoff, every_step)) & GREEN


# --------------------------------------------------------------------------------------------------------------- floors


def curves(*rows: Sequence[float]) -> list[Run[Any]]:
    """Return runs whose losses are these."""
    experiment = recipes.RECIPES["smoke"].training(recipes.gossip_on_ring(4), seed=0)
    frames = [pd.DataFrame({"step": range(len(row)), "metric": floors.LOSS, "value": row}) for row in rows]
    return [Run(experiment, frame, {}) for frame in frames]


def test_a_floor_that_still_falls_is_not_at_rest() -> None:
    noise = np.random.default_rng(0).normal(scale=1e-3, size=(2, 4, 8))
    flat, falling = 1 + noise[0], np.linspace(2, 1, 8) + noise[1]
    runs = Runs({"flat": curves(*flat), "higher": curves(*(1.3 + noise[1])), "falling": curves(*falling)})
    assert floors.at_rest(runs, "flat", "higher").outcome == "holds"
    assert floors.at_rest(runs, "falling").outcome == "inconclusive"
    assert floors.at_rest(runs, "flat", "falling").outcome == "inconclusive"
    assert floors.floors(runs["flat"]) == pytest.approx(flat[:, 4:].mean(axis=1))


def test_floors_that_are_not_at_rest_say_nothing() -> None:
    holds = exactly([1], [1])
    wrong_order = exactly([1], [2])
    assert floors.where_at_rest(holds, lambda: holds).outcome == "holds"
    assert floors.where_at_rest(holds, lambda: wrong_order).outcome == "fails"
    assert floors.where_at_rest(wrong_order, lambda: wrong_order).outcome == "inconclusive"


def test_a_run_that_diverged_has_no_floor() -> None:
    runs = Runs({"up": curves([1.0, np.inf], [1.0, np.nan], [1.0, 2.0])})
    assert floors.at_rest(runs, "up").outcome == "inconclusive"
