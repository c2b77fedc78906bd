"""The convex experiments can fail: wrong algorithms turn their claims red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import networkx as nx
import numpy as np
import pytest

from algorithms import popsgd
from algorithms.popsgd import ClockRate, Gradient, Population, Rate, edges_of, interactions
from algorithms.popsgd_engine import Simulation
from reproductions.harness.figures import FigureFolder
from reproductions.harness.settings import Settings
from reproductions.popsgd import grids, test_algorithm1, test_data, test_figure1, test_figure3, test_speedup
from reproductions.popsgd.convex import Convex, Interacting
from reproductions.workloads.linear import DigitsParity, DigitsValue, LinearTask, SyntheticSquares
from tests.reproductions.lab import assert_red, decided, simulate

SETTINGS = Settings(seeds=4)


# ------------------------------------------------------------------------------------------------- wrong algorithms


def average_first(nodes: Population, i: int, j: int, gradient: Gradient, rate: Rate) -> None:
    """Average, then step."""
    eta_i, eta_j = rate(int(nodes.clock[i])), rate(int(nodes.clock[j]))
    nodes.x[[i, j]] = (nodes.x[i] + nodes.x[j]) / 2
    popsgd.descend(nodes, i, eta_i, gradient)
    popsgd.descend(nodes, j, eta_j, gradient)
    popsgd.tick(nodes.clock, i, j)


def both_tick(clock, i, j):
    """Let both clocks advance, whichever is lower."""
    clock[i] += 1
    clock[j] += 1


@dataclass
class Loop:
    """The loop of the specification with another interaction."""

    nodes: Population
    pairs: np.ndarray
    rule: Callable[..., None]
    gradient: Gradient
    rate: Rate
    t: int = 0

    def to_step(self, node: int, steps: int) -> None:
        while self.nodes.steps[node] < steps:
            i, j = self.pairs[self.t]
            self.rule(self.nodes, int(i), int(j), self.gradient, self.rate)
            self.t += 1


@dataclass(frozen=True)
class AverageFirst(Convex):
    """Averaging before the step."""

    def start(self, task: LinearTask) -> Interacting:
        right = super().start(task)
        assert isinstance(right, Simulation)
        pairs = interactions(right.graph, right.seed, 0, 2 * self.nodes * self.steps)
        return Loop(right.nodes, pairs, average_first, right.samples.gradient, self.rate)


def variant(run: Convex, kind: type[Convex]) -> Convex:
    return kind(**{name: getattr(run, name) for name in (field.name for field in fields(run))})


def by_global_time(run: Convex) -> Convex:
    """Let rates fall with the interactions of all nodes, not divided by n."""
    return replace(run, rate=replace(run.rate, n=run.nodes * run.rate.n))


def alone(run: Convex) -> Convex:
    """Never average."""
    return replace(run, averaging="none")


def one_sided(run: Convex) -> Convex:
    """Leave the partner unchanged."""
    return replace(run, averaging="one-sided")


def runs_of(experiments, wrong):
    """Return what wrong experiments give, under the names of the right ones."""
    made = simulate([wrong(experiment) for experiment in experiments])
    return [replace(run, experiment=right) for right, run in zip(experiments, made, strict=True)]


@pytest.fixture
def short(monkeypatch):
    """Ten times the learning rate, a tenth of the steps, and few nodes."""
    monkeypatch.setattr(grids, "FIGURE3", grids.Constant(eta=0.01, steps=2000, looks=100))
    monkeypatch.setattr(grids, "FIGURE3_NODES", (1, 4, 12))
    monkeypatch.setattr(grids, "SPEEDUP", grids.Decreasing(steps=4000))
    monkeypatch.setattr(test_speedup, "BATCHES", (1, 4, 16))


# --------------------------------------------------------------------------------------------------------- figure 3


@pytest.mark.usefixtures("short")
def test_figure_3_needs_averaging(tmp_path):
    runs = runs_of(test_figure3.experiments(SETTINGS), alone)
    figures = FigureFolder(tmp_path)
    assert_red(
        "popsgd-fig3a-variance-1-over-n", lambda claim: test_figure3.test_variance_is_one_over_n(claim, runs, figures)
    )
    verdict = decided(test_figure3.test_loss_and_its_variance_fall_with_nodes, "popsgd-fig3a-convergence", runs=runs)
    assert verdict.verdict != "reproduced"


@pytest.mark.usefixtures("short")
def test_figure_3a_needs_one_rate_for_all_nodes():
    def grown(run: Convex) -> Convex:
        return replace(run, rate=popsgd.constant(run.rate.b * run.nodes**2 / 10))

    runs = runs_of(test_figure3.experiments(SETTINGS), grown)
    assert_red(
        "popsgd-fig3a-convergence", lambda claim: test_figure3.test_loss_and_its_variance_fall_with_nodes(claim, runs)
    )


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    "wrong", [one_sided, lambda run: variant(run, AverageFirst)], ids=["one-sided", "average first"]
)
def test_figure_3b_knows_the_symmetric_rule(tmp_path, wrong):
    right = [run for run in test_figure3.experiments(SETTINGS) if run.role == "mini-batch" or run.nodes == 12]
    runs = runs_of(right, lambda run: run if run.role == "mini-batch" else wrong(run))
    figures = FigureFolder(tmp_path)
    assert_red(
        "popsgd-fig3b-vs-minibatch",
        lambda claim: test_figure3.test_more_variance_than_a_mini_batch(claim, runs, figures),
    )


# --------------------------------------------------------------------------------------------------------- speed-up


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("wrong", [alone, by_global_time], ids=["alone", "global time"])
def test_speedup_needs_averaging_and_local_time(tmp_path, wrong):
    right = test_speedup.experiments(SETTINGS)
    runs = runs_of(right, lambda run: wrong(run) if run.role == "speed-up" else run)
    figures = FigureFolder(tmp_path)
    assert_red("popsgd-linear-speedup", lambda claim: test_speedup.test_linear_speedup(claim, runs, figures))


@pytest.mark.usefixtures("short")
def test_no_speedup_and_batches_can_fail():
    right = test_speedup.experiments(SETTINGS)
    runs = runs_of(right, lambda run: replace(run, averaging="symmetric", batch=1))
    assert_red("popsgd-no-averaging-rate", lambda claim: test_speedup.test_no_speedup_without_averaging(claim, runs))
    assert_red(
        "popsgd-batch-generalisation", lambda claim: test_speedup.test_local_batch_divides_the_variance(claim, runs)
    )


# --------------------------------------------------------------------------------------------------------- figure 1


@pytest.fixture
def small_search(monkeypatch):
    monkeypatch.setattr(grids, "POWERS", (1, 10, 100))
    for scale in ("smoke", "small"):
        monkeypatch.setitem(grids.FIGURE1, ("year", scale), grids.Search(DigitsValue(), 2, (0.03, 0.1), 48))
        monkeypatch.setitem(grids.FIGURE1, ("gisette", scale), grids.Search(DigitsParity(), 2, (0.3, 1.0), 48))


@pytest.mark.usefixtures("small_search")
def test_figure_1_sees_rates_by_global_time(tmp_path):
    runs = runs_of(test_figure1.experiments(SETTINGS), by_global_time)
    common = {"settings": SETTINGS, "runs": runs, "figures": FigureFolder(tmp_path)}
    left = decided(test_figure1.test_least_squares_falls_with_nodes, "popsgd-fig1-left-year", **common)
    right = decided(test_figure1.test_every_power_of_ten_lowers_the_loss, "popsgd-fig1-right-gisette", **common)
    assert [left.verdict, right.verdict] == ["deviates", "deviates"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # they overflow
@pytest.mark.usefixtures("small_search")
def test_figure_1_sees_runs_that_diverge_and_rates_elsewhere():
    steep = lambda run: replace(run, rate=replace(run.rate, b=100 * run.rate.b))  # noqa: E731
    right = test_figure1.experiments(SETTINGS)
    runs = runs_of(right, steep)
    assert_red(
        "popsgd-powers-of-10", lambda claim: test_figure1.test_all_numbers_of_nodes_converge(claim, SETTINGS, runs)
    )
    small = Settings(seeds=4, scale="small")
    runs = runs_of(test_figure1.experiments(small), lambda run: run)
    rates = test_figure1.test_tuned_rates_are_in_the_printed_intervals  # those of stand-ins are not in them
    assert_red("popsgd-lr-gisette", lambda claim: rates(claim, small, runs))


# ----------------------------------------------------------------------------------------------- algorithm 1 and data


@pytest.mark.parametrize("wrong", [popsgd.read, popsgd.part, average_first])
def test_the_update_is_that_of_algorithm_1(monkeypatch, wrong):
    monkeypatch.setattr(popsgd, "interact", wrong)
    assert_red("popsgd-eq11-update", test_algorithm1.test_update_of_an_interaction)


@pytest.mark.parametrize("graph", [nx.complete_graph, nx.cycle_graph], ids=["without replacement", "neighbours only"])
def test_pairs_are_drawn_with_replacement_from_all(monkeypatch, graph):
    monkeypatch.setattr(test_algorithm1, "Complete", lambda n: edges_of(graph(n)))
    assert_red("popsgd-alg1-self-interaction", test_algorithm1.test_pairs_with_replacement)


def test_time_is_that_of_interactions(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(popsgd, "tick", both_tick)
        assert_red("popsgd-parallel-time", test_algorithm1.test_parallel_time)
    monkeypatch.setitem(popsgd.RULES, "symmetric", popsgd.read)
    assert_red("popsgd-parallel-time", test_algorithm1.test_parallel_time)


def test_one_node_is_not_sgd_with_a_clock_that_ticks_at_each_step(monkeypatch):
    def ticking(nodes, graph, samples, rate):
        return Simulation(nodes, graph, samples, ClockRate(2 * rate.n, rate.a, rate.b))

    monkeypatch.setattr(test_algorithm1, "Simulation", ticking)
    assert_red("popsgd-fig1-baseline-identity", test_algorithm1.test_one_node_is_sequential_sgd)


def test_other_data_are_noticed(monkeypatch, tmp_path):
    for name in ("YearPredictionMSD", "gisette_scale"):
        (tmp_path / name).write_text("1 1:1\n-1 2:1\n")
        (tmp_path / f"{name}.t").write_text("1 1:1\n")
    settings = Settings(data=tmp_path)
    assert_red("popsgd-data-year", lambda claim: test_data.test_year_prediction(claim, settings))
    assert_red("popsgd-data-gisette", lambda claim: test_data.test_gisette(claim, settings))
    monkeypatch.setattr(test_data, "SQUARES", SyntheticSquares(m=5000))
    assert_red("popsgd-data-synthetic", test_data.test_synthetic_least_squares)
