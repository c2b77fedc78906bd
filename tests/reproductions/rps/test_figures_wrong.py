"""Every figure has to turn red on wrong algorithms."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pytest

from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops
from algorithms.rps.averaging import GradientAveraging, ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.experiments.training import Training
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.verdicts.record import open_verdict
from reproductions.paper import Decider, Run, Runs, Settings
from reproductions.rps import (
    recipes,
    test_figure4b,
    test_figure4c,
    test_figure5_drift,
    test_figure5a,
    test_figure8,
    test_figure9,
    test_figure10,
    test_figures2_3,
    test_lemmas6_8,
    test_no_impact,
)
from reproductions.rps.recipes import by_arrival
from tests.reproductions.lab import decided, decider, swapped
from tests.reproductions.rps.wrong import DropsIgnored, LostIsZero, NoAveraging, OwnBlockTwice, PreStepFallback

FEW, MANY = 3, 8  # seeds; few suffice where a wrong algorithm makes no difference at all where there should be one
Grid = Mapping[Any, Sequence[Experiment]]


def settings_of(seeds: int) -> Settings:
    return Settings(device="cpu", seeds=seeds)


def runs_of(experiments: Grid, wrong: Algorithm) -> Runs[Any]:
    """Return the runs of a wrong algorithm in place of model averaging, under the names of the right ones."""

    def swap(right: Experiment) -> Experiment:
        return by(wrong, right) if getattr(right, "algorithm", None) == ModelAveraging() else right

    return swapped(experiments, swap)


def by(wrong: Algorithm, right: Experiment) -> Experiment:
    """Return an experiment of a wrong algorithm; of one that never sees the network, the same over any network."""
    if isinstance(right, Training) and wrong in (NoAveraging(), DropsIgnored()):
        right = replace(right, network=IndependentDrops(0.0))
    return replace(right, algorithm=wrong)  # type: ignore[call-arg]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train for two epochs, where a wrong algorithm shows at once."""
    monkeypatch.setitem(recipes.RECIPES, ("ResNet20", "smoke"), replace(recipes.RECIPES["ResNet20", "smoke"], epochs=2))


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("wrong", [NoAveraging(), DropsIgnored()], ids=["no averaging", "drops ignored"])
def test_figures_4_and_8_need_drops_to_matter(wrong: Algorithm) -> None:
    arrivals = sorted({*recipes.ARRIVALS, *test_figure8.WIDER}, reverse=True)
    runs = runs_of(by_arrival(settings_of(FEW), "ResNet20", arrivals), wrong)
    order = decided(test_figure4b.test_order_of_the_curves, "rps-fig4-ordering", runs=runs)
    lowest = decided(test_figure4b.test_lowest_arrival_converges_above_the_others, "rps-fig4-r20-arrival80", runs=runs)
    eight = decided(test_figure8.test_training_loss_rises_as_arrival_falls, "rps-fig8-train-loss", runs=runs)
    assert [order.verdict, lowest.verdict, eight.verdict] == ["deviates"] * 3


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True, reason="not seen: its rise at 99 % is below half of that at 90 % as well; figure 5 tells the two apart"
)
def test_figure_4_tells_gradient_averaging_from_model_averaging() -> None:
    settings = settings_of(12)
    runs = runs_of(by_arrival(settings, "ResNet20", [1.0, 0.99, 0.9]), GradientAveraging())
    verdict = decided(test_figure4b.test_rise_over_the_baseline, "rps-fig4-r20-arrival99", settings=settings, runs=runs)
    assert verdict.verdict == "deviates", verdict.reason


def halved(right: Experiment) -> Experiment:
    """Lose half as many messages as the label says."""
    network = getattr(right, "network", None)
    if not isinstance(network, IndependentDrops):
        return right
    return replace(right, network=replace(network, p=network.p / 2))  # type: ignore[call-arg]


def of_one_seed(right: Experiment) -> Experiment:
    """Lose the same messages whatever the seed."""
    network = getattr(right, "network", None)
    if not isinstance(network, IndependentDrops):
        return right
    return replace(right, network=replace(network, seed=0))  # type: ignore[call-arg]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("wrong", [halved, of_one_seed])
def test_figures_see_that_other_messages_are_lost(wrong: Callable[[Experiment], Experiment]) -> None:
    settings = settings_of(FEW)
    arrivals = sorted({*recipes.ARRIVALS, *test_figure8.WIDER}, reverse=True)
    runs = swapped(by_arrival(settings, "ResNet20", arrivals), wrong)
    order = decided(test_figure4b.test_order_of_the_curves, "rps-fig4-ordering", runs=runs)
    rise = decided(test_figure4b.test_rise_over_the_baseline, "rps-fig4-r20-arrival95", settings=settings, runs=runs)
    wider = runs.only(*test_figure8.WIDER)
    eight = decided(test_figure8.test_training_loss_rises_as_arrival_falls, "rps-fig8-train-loss", runs=wider)
    assert [order.verdict, rise.verdict, eight.verdict] == ["deviates"] * 3


def test_a_level_or_rise_that_is_not_there_is_not_reproduced() -> None:
    """A loss of 0.0134 is none of 0.02, and no rise is none of 0.01; what the paper prints is both."""
    level, rise = "rps-fig4c-atis-arrival90", "rps-fig4c-atis-arrival90-rise"
    none, printed = ({1.0: 0.0134, 0.9: 0.0134}, {1.0: 0.0102, 0.9: 0.0198})
    assert [at_paper_scale(claim, none) for claim in (level, rise)] == ["deviates", "deviates"]
    assert [at_paper_scale(claim, printed) for claim in (level, rise)] == ["reproduced", "reproduced"]


def at_paper_scale(claim_id: str, losses: dict[float, float]) -> str:
    """Return the verdict on runs of figure 4(c) that end at these losses, but for little noise."""
    settings = Settings(scale="paper", seeds=8)
    right = by_arrival(settings, "LSTM", losses)
    runs = Runs({arrival: [ended(arrival, losses[arrival], run) for run in group] for arrival, group in right.items()})
    claim = decider(claim_id).claim.model_copy(update={"inconclusive": {}, "opposite": {}})
    ours = Decider(claim, open_verdict(claim, "paper", "wrong"))
    test = test_figure4c.test_rise_over_the_baseline if "rise" in claim_id else test_figure4c.test_printed_loss
    with contextlib.suppress(pytest.fail.Exception, pytest.skip.Exception):
        test(ours, settings, runs)
    return ours.verdict.verdict


def ended(arrival: float, loss: float, run: Training) -> Run[Training]:
    sent, noise = 1_000_000, 1e-5 * (run.seed * 5 % 8) * arrival
    received = sent if arrival == 1 else round(arrival * sent) - run.seed
    final = {"train_loss": loss + noise, "sent_messages": sent, "received_messages": received}
    rows = [(20, metric, value) for metric, value in final.items()]
    return Run(run, pd.DataFrame(rows, columns=["step", "metric", "value"]), {"ranks": 1, "workload": "atis"})


@pytest.mark.parametrize("kept", [0.8, 1.0])
def test_accuracies_and_losses_of_figures_8_and_9_need_lost_messages(kept: float) -> None:
    """The same curves are a trend if as many messages arrive as the labels say, and no result if all do."""
    settings = settings_of(5)
    eight = {arrival: arrival if kept < 1 else 1.0 for arrival in test_figure8.WIDER}
    runs_8 = arrived(test_figure8.experiments(settings), eight, lambda arrival: 0.9)
    runs_9 = arrived(
        test_figure9.experiments(settings), dict.fromkeys(test_figure9.NODES, kept), lambda n: 0.9 - n / 500
    )
    verdicts = [
        decided(test_figure8.test_accuracy_gap_is_below_one_point, "rps-fig8-test-acc-gap", runs=runs_8),
        decided(test_figure9.test_training_loss_rises_with_nodes, "rps-fig9-similar-train-effect", runs=runs_9),
        decided(test_figure9.test_accuracy_falls_with_nodes, "rps-fig9-nodes-test-acc", settings=settings, runs=runs_9),
    ]
    assert [each.verdict for each in verdicts] == ["trend" if kept < 1 else "deviates"] * 3


def arrived(right: Grid, kept: Mapping[Any, float], accuracy: Callable[[Any], float]) -> Runs[Any]:
    """Return runs of which shares of the messages arrived, and that end at accuracies, and losses of one minus them."""

    def made(label: Any, run: Training) -> Run[Training]:
        sent, noise = 1_000_000, 1e-5 * (run.seed * 5 % 8)
        value = accuracy(label) + noise
        received = round(kept[label] * sent) - (run.seed if kept[label] < 1 else 0)
        final = {"test_accuracy": value, "train_loss": 1 - value, "sent_messages": sent, "received_messages": received}
        rows = [(20, metric, value) for metric, value in final.items()]
        return Run(run, pd.DataFrame(rows, columns=["step", "metric", "value"]), {"ranks": 1, "workload": "digits"})

    return Runs({label: [made(label, run) for run in group] for label, group in right.items()})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("epochs", "verdict"),
    [((11, 12, 11, 12), "trend"), ((14, 15, 14, 15), "deviates"), ((11, 12, 11, None), "inconclusive")],
)
def test_a_level_that_drops_reach_much_later_is_an_impact(epochs: tuple[int | None, ...], verdict: str) -> None:
    """The baseline has made 90 % of its fall after 10 of 20 epochs; who has not by the end takes longer than that."""
    settings = settings_of(len(epochs))
    right = test_no_impact.experiments(settings)
    runs = Runs({(model, arrival): [fallen(run, arrival, epochs[k]) for k, run in enumerate(group)]
                 for (model, arrival), group in right.items()})  # fmt: skip
    test = test_no_impact.test_ten_percent_do_not_slow_convergence
    assert decided(test, "rps-intro-no-impact-10pct", runs=runs).verdict == verdict


def fallen(run: Training, arrival: float, epoch: int | None) -> Run[Training]:
    """Return a run whose loss falls from 1 to 0.1 at an epoch, and after epoch 20 to 0; without drops at epoch 10."""
    when, sent = 10 if arrival == 1 else epoch or 99, 1_000_000
    losses = [1.0 if step < when else 0.1 for step in range(20)] + [0.0 if epoch or arrival == 1 else 1.0]
    rows = [(step, "train_loss", loss) for step, loss in enumerate(losses)]
    received = sent if arrival == 1 else round(arrival * sent) - run.seed
    rows += [(20, "sent_messages", sent), (20, "received_messages", received)]
    return Run(run, pd.DataFrame(rows, columns=["step", "metric", "value"]), {"ranks": 1, "workload": "digits"})


def test_figure_4c_sees_lost_blocks_that_count_as_zero() -> None:
    settings = settings_of(MANY)
    runs = runs_of(by_arrival(settings, "LSTM", [1.0, 0.9]), LostIsZero())
    rise = "rps-fig4c-atis-arrival90-rise"
    verdict = decided(test_figure4c.test_rise_over_the_baseline, rise, settings=settings, runs=runs)
    assert verdict.verdict == "deviates", verdict.reason


def test_figure_5_needs_gradients_that_drift() -> None:
    settings = settings_of(MANY)
    # the growth that is claimed of averaged gradients, looked for in averaged models, which stay together
    right = test_figure5_drift.experiments(settings)
    runs = swapped(right, lambda e: replace(e, algorithm=ModelAveraging()))
    drift = "rps-fig5-drift-mechanism"
    verdict = decided(test_figure5_drift.test_gradient_drift_accumulates, drift, runs=runs)
    assert verdict.verdict == "deviates"


@pytest.mark.usefixtures("short")
def test_figure_5_needs_gradient_averaging_to_suffer() -> None:
    settings = settings_of(FEW)
    right = test_figure5a.experiments(settings)
    runs = swapped(right, lambda e: by(DropsIgnored(), e))
    worse = "rps-fig5-r20-gradient-avg-99-worse"
    verdict = decided(test_figure5a.test_one_percent_hurts_gradient_averaging, worse, runs=runs)
    better = decided(test_figure5a.test_models_suffer_less_than_gradients, "rps-fig5-rps-beats-gradients", runs=runs)
    assert [verdict.verdict, better.verdict] == ["deviates", "deviates"]


@pytest.mark.usefixtures("short")
def test_figure_9_needs_the_number_of_nodes_to_matter() -> None:
    settings = settings_of(FEW)
    right = test_figure9.experiments(settings)
    runs = swapped(right, lambda e: replace(e, nodes=16, schedule=right[16][0].schedule))
    loss = decided(test_figure9.test_training_loss_rises_with_nodes, "rps-fig9-similar-train-effect", runs=runs)
    accuracy = decided(
        test_figure9.test_accuracy_falls_with_nodes, "rps-fig9-nodes-test-acc", settings=settings, runs=runs
    )
    assert [loss.verdict, accuracy.verdict] == ["deviates", "deviates"]


@pytest.mark.usefixtures("short")
def test_figure_10_sees_a_worker_that_forgets_its_step() -> None:
    right: Grid = test_figure10.experiments(settings_of(FEW))
    runs = runs_of(right, PreStepFallback())
    trains = decided(test_figure10.test_trains_but_generalizes_badly, "rps-fig10-zero-arrival-train", runs=runs)
    alone = decided(test_figure10.test_is_a_single_node_on_its_shard, "rps-fig10-identity-single-node", runs=runs)
    assert trains.verdict != "trend"  # two epochs of few seeds: it may be undecided, and the identity is broken
    assert alone.verdict == "deviates"


@pytest.mark.parametrize("wrong", [NoAveraging(), OwnBlockTwice(), DropsIgnored()], ids=["none", "twice", "ignored"])
def test_messages_of_wrong_algorithms_have_other_moments(wrong: Algorithm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_figures2_3, "_plot", lambda *_: None)
    settings = settings_of(1)
    cells: Grid = {cell: e for cell, e in test_figures2_3.experiments(settings).items() if cell[0] <= 4}
    drawn = {"runs": runs_of(cells, wrong), "settings": settings, "figures": None}
    lemmas = {"runs": runs_of(test_lemmas6_8.experiments(settings), wrong)}
    for claim, test, fixtures in (
        ("rps-fig2-alpha2-vs-n-p", test_figures2_3.test_figure2, drawn),
        ("rps-fig3-beta-vs-n-p", test_figures2_3.test_figure3, drawn),
        ("rps-eq5-structure", test_lemmas6_8.test_equation5_of_mixing_matrices, lemmas),
        ("rps-eq6-structure", test_lemmas6_8.test_equation6_of_mixing_matrices, lemmas),
        ("rps-alpha1-exact-enumeration", test_lemmas6_8.test_alpha1, lemmas),
        ("rps-alpha2-exact-enumeration", test_lemmas6_8.test_alpha2, lemmas),
    ):
        assert decided(test, claim, **fixtures).verdict == "deviates", claim


@dataclass(frozen=True)
class Late(StepDecay):
    """A schedule that is one epoch late."""

    def lr(self, epoch: float) -> float:
        return super().lr(epoch - 1)


@pytest.mark.usefixtures("short")
def test_figure_10_sees_a_schedule_that_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "StepDecay", Late)
    settings = settings_of(1)
    right: Grid = {label: group for label, group in test_figure10.experiments(settings).items() if label != 1.0}
    runs = swapped(right, lambda e: e)
    alone = decided(test_figure10.test_is_a_single_node_on_its_shard, "rps-fig10-identity-single-node", runs=runs)
    assert alone.verdict == "deviates"
