"""The convex experiments can fail: wrong algorithms turn their claims red."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from algorithms.popsgd import loops, population, simulation
from algorithms.popsgd.population import Gradient, Population, Rate, edges_of, interactions
from algorithms.popsgd.simulation import Simulation
from reproductions.harness.figures import FigureFolder
from reproductions.paper import Run, Runs, Settings
from reproductions.popsgd import recipes, test_algorithm1, test_data, test_figure1, test_figure3, test_speedup
from reproductions.popsgd.convex import Convex, Interacting
from reproductions.workloads.linear import LinearTask, SyntheticSquares, YearLike
from tests.reproductions.lab import assert_red, decided, simulate

SETTINGS = Settings(seeds=4)


# ------------------------------------------------------------------------------------------------- wrong algorithms


def average_first(nodes: Population, i: int, j: int, gradient: Gradient, rate: Rate) -> None:
    """Average, then step."""
    eta_i, eta_j = rate(int(nodes.clock[i])), rate(int(nodes.clock[j]))
    nodes.x[[i, j]] = (nodes.x[i] + nodes.x[j]) / 2
    population.descend(nodes, i, eta_i, gradient)
    population.descend(nodes, j, eta_j, gradient)
    population.tick(nodes.clock, i, j)


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


def runs_of(experiments, wrong, only=lambda label: True):
    """Return what wrong experiments give, under the names of the right ones; `only` some labels are wrong."""
    made = {}
    for label, group in experiments.items():
        runs = simulate([wrong(right) if only(label) else right for right in group])
        made[label] = [replace(run, experiment=right) for right, run in zip(group, runs, strict=True)]
    return Runs(made)


@pytest.fixture
def short(monkeypatch):
    """Ten times the learning rate, a tenth of the steps, and few nodes."""
    monkeypatch.setattr(recipes, "FIGURE3", recipes.Constant(eta=0.01, steps=2000, looks=100))
    monkeypatch.setattr(recipes, "FIGURE3_NODES", (1, 4, 12))
    monkeypatch.setattr(recipes, "SPEEDUP", recipes.Decreasing(steps=4000))
    monkeypatch.setattr(test_speedup, "BATCHES", (1, 4, 16))


# --------------------------------------------------------------------------------------------------------- figure 3


@pytest.mark.usefixtures("short")
def test_figure_3_needs_averaging(tmp_path):
    runs = runs_of(test_figure3.experiments(SETTINGS), alone)
    figures = FigureFolder(tmp_path)
    assert_red(
        "popsgd-fig3a-variance-1-over-n", lambda claim: test_figure3.test_variance_is_one_over_n(claim, runs, figures)
    )
    verdict = decided(test_figure3.test_loss_and_its_variance_fall_with_nodes, "popsgd-fig3a-floor", runs=runs)
    assert verdict.verdict != "reproduced"


@pytest.mark.usefixtures("short")
def test_figure_3a_needs_one_rate_for_all_nodes():
    def grown(run: Convex) -> Convex:
        return replace(run, rate=population.constant(run.rate.b * run.nodes**2 / 10))

    runs = runs_of(test_figure3.experiments(SETTINGS), grown)
    falls = test_figure3.test_loss_and_its_variance_fall_with_nodes
    assert_red("popsgd-fig3a-floor", lambda claim: falls(claim, runs))


@pytest.mark.usefixtures("short")
def test_convergence_of_figure_3a_needs_averaging_and_one_rate():
    right, convergence = test_figure3.experiments(SETTINGS), test_figure3.test_convergence_improves_with_nodes
    verdict = decided(convergence, "popsgd-fig3a-convergence", runs=runs_of(right, alone))
    assert verdict.by_reading["level"] != "holds"
    steeper = lambda run: replace(run, rate=population.constant(run.rate.b * run.nodes**2 / 10))  # noqa: E731
    runs = runs_of(right, steeper)
    assert_red("popsgd-fig3a-convergence", lambda claim: convergence(claim, runs))


@pytest.mark.usefixtures("short")
def test_figure_3a_sees_nodes_that_are_faster():
    right, convergence = test_figure3.experiments(SETTINGS), test_figure3.test_convergence_improves_with_nodes
    for by, speed in ((1.1, "holds"), (0.8, "fails")):
        other = lambda run, by=by: replace(run, rate=population.constant(by * run.rate.b))  # noqa: E731
        runs = runs_of(right, other, only=lambda label: label == 12)
        verdict = decided(convergence, "popsgd-fig3a-convergence", runs=runs)
        assert verdict.by_reading == {"level": "holds", "speed": speed}


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    "wrong", [one_sided, lambda run: variant(run, AverageFirst)], ids=["one-sided", "average first"]
)
def test_figure_3b_knows_the_symmetric_rule(tmp_path, wrong):
    right = {label: group for label, group in test_figure3.experiments(SETTINGS).items() if label in (12, "mini-batch")}
    runs = runs_of(right, wrong, only=lambda label: label == 12)
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
    runs = runs_of(right, wrong, only=lambda label: label[0] == "together")
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
    monkeypatch.setattr(recipes, "POWERS", (1, 10, 100))
    for scale in ("smoke", "small"):
        for panel in ("year", "gisette"):
            monkeypatch.setitem(recipes.FIGURE1, (panel, scale), recipes.Search(YearLike(), 128, (0.1, 0.2), 20))


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


@pytest.mark.usefixtures("small_search")
def test_rates_of_figure_1_are_chosen_on_seeds_that_the_test_does_not_use():
    def ends(label: tuple[str, str, int, float], run: Convex) -> Run[Convex]:
        better = {"tuning": 0.2, "test": 0.1}[label[1]]  # by the runs that are tested, the other rate would be chosen
        rows = [(step, "test_loss", 1.0 if label[-1] == better else 2.0) for step in (10, 20)]
        return Run(run, pd.DataFrame(rows, columns=["step", "metric", "value"]), {})

    grid = test_figure1.experiments(SETTINGS)
    runs = Runs({label: [ends(label, run) for run in group] for label, group in grid.items()})
    for n, group in test_figure1.tuned(runs, "year").items():
        assert [run.experiment.rate(0) for run in group] == pytest.approx([0.2] * len(group))
        choosing = {run.seed for eta in (0.1, 0.2) for run in grid["year", "tuning", n, eta]}
        assert choosing
        assert not choosing & {run.experiment.seed for run in group}


# ----------------------------------------------------------------------------------------------- algorithm 1 and data


@pytest.mark.parametrize("wrong", [population.read, population.part, average_first])
def test_the_update_is_that_of_algorithm_1(monkeypatch, wrong):
    monkeypatch.setattr(population, "interact", wrong)
    assert_red("popsgd-eq11-update", test_algorithm1.test_update_of_an_interaction)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("average(x, i, j, partner)", "x[i], x[j] = 0.6 * x[i] + 0.4 * x[j], 0.4 * x[i] + 0.6 * x[j]"),
        ("descend(x[j], eta_j", "descend(x[j], eta_i"),
        ("draw_rows(j, steps[j]", "draw_rows(i, steps[j]"),
        ("tick(clock, i, j, partner)", "tick(clock, i, i, partner)"),
    ],
)
def test_the_compiled_loop_is_that_of_algorithm_1(monkeypatch, right, wrong):
    source = textwrap.dedent(inspect.getsource(loops.interact_all.py_func)).replace("@kernel\n", "")
    assert right in source
    planted = dict(vars(loops))
    exec(source.replace(right, wrong), planted)
    monkeypatch.setattr(simulation, "interact_all", planted["interact_all"])
    assert_red("popsgd-eq11-update", test_algorithm1.test_update_of_an_interaction)


@pytest.mark.parametrize("graph", [nx.complete_graph, nx.cycle_graph], ids=["without replacement", "neighbours only"])
def test_pairs_are_drawn_with_replacement_from_all(monkeypatch, graph):
    monkeypatch.setattr(test_algorithm1, "Complete", lambda n: edges_of(graph(n)))
    assert_red("popsgd-alg1-self-interaction", test_algorithm1.test_pairs_with_replacement)


def test_time_is_that_of_interactions(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(population, "tick", both_tick)
        assert_red("popsgd-parallel-time", test_algorithm1.test_parallel_time)
    monkeypatch.setitem(population.RULES, "symmetric", population.read)
    assert_red("popsgd-parallel-time", test_algorithm1.test_parallel_time)


def test_one_node_that_makes_one_step_an_interaction_is_not_sequential_sgd(monkeypatch):
    one_sided = lambda nodes, graph, samples, rate: Simulation(nodes, graph, samples, rate, "one-sided")  # noqa: E731
    monkeypatch.setattr(test_algorithm1, "Simulation", one_sided)
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
