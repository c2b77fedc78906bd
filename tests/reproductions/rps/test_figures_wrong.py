"""Every figure has to turn red on wrong algorithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from algorithms.algorithm import Algorithm
from algorithms.rps import GradientAveraging, ModelAveraging
from reproductions.harness.experiment import Experiment
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.rps import (
    grids,
    test_figure4b,
    test_figure4c,
    test_figure5_drift,
    test_figure5a,
    test_figure8,
    test_figure9,
    test_figure10,
    test_mixing,
)
from reproductions.rps.grids import grid
from tests.reproductions.lab import decided, swapped
from tests.reproductions.rps.wrong import DropsIgnored, LostIsZero, NoAveraging, OwnBlockTwice, PreStepFallback

FEW, MANY = 3, 8  # seeds; few suffice where a wrong algorithm makes no difference at all where there should be one


class Lab:
    """Runs the grid of a figure with its model averaging replaced by something else."""

    def __init__(self, results: Path) -> None:
        self.results = results

    def settings(self, seeds: int) -> Settings:
        return Settings(device="cpu", results=self.results, seeds=seeds)

    def runs(self, experiments: Sequence[Experiment], wrong: Algorithm, seeds: int) -> list[Run]:
        """Return the runs of the wrong algorithm under the names of the right ones."""

        def swap(right: Experiment) -> Experiment:
            averages = getattr(right, "algorithm", None) == ModelAveraging()
            return replace(right, algorithm=wrong) if averages else right  # type: ignore[call-arg]

        return swapped(self.settings(seeds), experiments, swap)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("wrong"))


def r20(lab: Lab, arrivals: Sequence[float], seeds: int = FEW) -> list[Experiment]:
    return list(grid(lab.settings(seeds), "ResNet20", arrivals))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train for two epochs, where a wrong algorithm shows at once."""
    monkeypatch.setitem(grids.RECIPES, ("ResNet20", "smoke"), replace(grids.RECIPES["ResNet20", "smoke"], epochs=2))


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("wrong", [NoAveraging(), DropsIgnored()], ids=["no averaging", "drops ignored"])
def test_figures_4_and_8_need_drops_to_matter(lab: Lab, wrong: Algorithm) -> None:
    arrivals = sorted({*grids.ARRIVALS, *test_figure8.WIDER}, reverse=True)
    common = {"settings": lab.settings(FEW), "runs": lab.runs(r20(lab, arrivals), wrong, FEW)}
    order = decided(test_figure4b.test_order_of_the_curves, "rps-fig4-ordering", **common)
    lowest = decided(test_figure4b.test_lowest_arrival_converges_above_the_others, "rps-fig4-r20-arrival80", **common)
    eight = decided(test_figure8.test_training_loss_rises_as_arrival_falls, "rps-fig8-train-loss", **common)
    assert [order.verdict, lowest.verdict, eight.verdict] == ["deviates"] * 3


def test_figure_4_tells_gradient_averaging_from_model_averaging(lab: Lab) -> None:
    runs = lab.runs(r20(lab, [1.0, 0.99], 12), GradientAveraging(), 12)
    settings = lab.settings(12)
    verdict = decided(test_figure4b.test_printed_loss, "rps-fig4-r20-arrival99", settings=settings, runs=runs)
    assert verdict.verdict == "deviates"


def test_figure_4c_sees_lost_blocks_that_count_as_zero(lab: Lab) -> None:
    settings = lab.settings(MANY)
    right = grid(settings, "LSTM", [1.0, 0.9])
    runs = lab.runs(right, LostIsZero(), MANY)
    verdict = decided(test_figure4c.test_printed_loss, "rps-fig4c-atis-arrival90", settings=settings, runs=runs)
    assert verdict.verdict == "deviates", verdict.reason


def test_figure_5_needs_gradients_that_drift(lab: Lab) -> None:
    settings = lab.settings(MANY)
    right = [*test_figure5_drift.drift(settings, grads=True), *test_figure5_drift.drift(settings, grads=False)]
    # the growth that is claimed of averaged gradients, looked for in averaged models, which stay together
    runs = swapped(settings, right, lambda e: replace(e, algorithm=ModelAveraging()))
    drift = "rps-fig5-drift-mechanism"
    verdict = decided(test_figure5_drift.test_gradient_drift_accumulates, drift, settings=settings, runs=runs)
    assert verdict.verdict == "deviates"


@pytest.mark.usefixtures("short")
def test_figure_5_needs_gradient_averaging_to_suffer(lab: Lab) -> None:
    settings = lab.settings(FEW)
    right = test_figure5a.experiments(settings)
    runs = swapped(settings, right, lambda e: replace(e, algorithm=DropsIgnored()))
    worse = "rps-fig5-r20-gradient-avg-99-worse"
    verdict = decided(test_figure5a.test_one_percent_hurts_gradient_averaging, worse, settings=settings, runs=runs)
    assert verdict.verdict == "deviates"


@pytest.mark.usefixtures("short")
def test_figure_9_needs_the_number_of_nodes_to_matter(lab: Lab) -> None:
    settings = lab.settings(FEW)
    right = test_figure9.experiments(settings)
    runs = swapped(settings, right, lambda e: replace(e, nodes=16, schedule=right[-1].schedule))
    common = {"settings": settings, "runs": runs}
    loss = decided(test_figure9.test_training_loss_rises_with_nodes, "rps-fig9-similar-train-effect", **common)
    accuracy = decided(test_figure9.test_accuracy_falls_with_nodes, "rps-fig9-nodes-test-acc", **common)
    assert [loss.verdict, accuracy.verdict] == ["deviates", "deviates"]


@pytest.mark.usefixtures("short")
def test_figure_10_sees_a_worker_that_forgets_its_step(lab: Lab) -> None:
    settings = lab.settings(FEW)
    runs = lab.runs(test_figure10.experiments(settings), PreStepFallback(), FEW)
    common = {"settings": settings, "runs": runs}
    trains = decided(test_figure10.test_trains_but_generalizes_badly, "rps-fig10-zero-arrival-train", **common)
    alone = decided(test_figure10.test_is_a_single_node_on_its_shard, "rps-fig10-identity-single-node", **common)
    assert [trains.verdict, alone.verdict] == ["deviates", "deviates"]


MOMENTS = {
    "rps-fig2-alpha2-vs-n-p": test_mixing.test_figure2,
    "rps-fig3-beta-vs-n-p": test_mixing.test_figure3,
    "rps-alpha1-exact-enumeration": test_mixing.test_alpha1,
}


@pytest.mark.parametrize("wrong", [NoAveraging(), OwnBlockTwice(), DropsIgnored()], ids=["none", "twice", "ignored"])
def test_messages_of_wrong_algorithms_have_other_moments(
    lab: Lab, wrong: Algorithm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_mixing, "_plot", lambda *_: None)
    grid = [e for e in test_mixing.experiments(lab.settings(1)) if e.nodes <= 4]
    runs = lab.runs(grid, wrong, seeds=1)
    for claim, test in MOMENTS.items():
        fixtures = {"runs": runs} | ({"figures": None} if "fig" in claim else {})
        assert decided(test, claim, **fixtures).verdict == "deviates", claim
