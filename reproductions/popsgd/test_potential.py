"""Lemmas 4.3 and 4.4 and section 5: the potential Gamma_t on the complete graph and on the cycle."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from algorithms.popsgd import ClockRate, Complete, Graph, constant, edges_of
from algorithms.streams import stream
from algorithms.topology import complete
from reproductions.harness.decisions import agree, all_of, close, searched
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import at_most_one, slope_interval, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.popsgd import bounds
from reproductions.popsgd.descent import PopulationDescent, at, by_setting, over_time, repeat
from reproductions.popsgd.exact import Array, Slope, cycle, expected, outcomes, potential, still, uniform
from reproductions.popsgd.problems import Flat, Halves, Problem, Ridge

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ETA = 0.1
FEWEST = 8  # seeds: Gamma at one time varies by its own size
CYCLES = (4, 8, 16, 32, 64)
COMPLETE, CYCLE = (4, 10, 36), (4, 10)  # n of the runs
ROUNDS = 64  # T/n
PROBLEMS: dict[str, tuple[Problem, float]] = {  # gradients with E |g|^2 = d, and their noise
    "noise": (Flat(16), 1.0),
    "drift": (Flat(16, 1.0), 0.0),
    "apart": (Ridge(16), 0.3),
    "halves": (Halves(16, 1.0), 0.0),
}


def experiments(settings: Settings) -> list[PopulationDescent]:
    """Return runs at the edge of Lemma 4.4, a = 18 n, and at a constant rate."""
    grids: list[tuple[str, Graph, ClockRate, int]] = [
        *(
            (role, Complete(n), ClockRate(n, 18 * n, 18 * n * ETA), ROUNDS * n)
            for role in PROBLEMS
            for n in COMPLETE[:2]
        ),
        *((role, cycle(n), ClockRate(n, 18 * n, 18 * n * ETA), 2 * n**3) for role in PROBLEMS for n in CYCLE),
        *(("constant", Complete(n), constant(ETA), ROUNDS * n) for n in COMPLETE),
    ]
    return [
        copy
        for role, graph, rate, steps in grids
        for copy in repeat(_descent(role, graph, rate, steps), max(settings.seeds, FEWEST))
    ]


def _descent(role: str, graph: Graph, rate: ClockRate, steps: int) -> PopulationDescent:
    problem, noise = PROBLEMS["noise" if role == "constant" else role]
    return PopulationDescent(role, graph, steps, 0, problem, noise, rate, every=graph.nodes)


# ------------------------------------------------------------------------------------------------- the complete graph


@decides("popsgd-gamma-averaging-only")
def test_averaging_only(claim: Decider) -> None:
    factors = []
    for n in (2, 3, 8, 32):
        x = stream(0, "models", n).standard_normal((n, 4))
        for graph, wanted in ((Complete(n), 1 - 1 / n), (_simple(n), 1 - 1 / (n - 1))):
            after = expected(outcomes(x, graph, still, [ETA] * n), potential)
            factors.append((after / potential(x), np.full(4, wanted)))
    fair = all_of(*(uniform(graph(n)) for n in (2, 3, 8, 32) for graph in (Complete, _simple)))
    text = f"{factors[4][0][0]:.6f} at n = 8 with replacement, {factors[5][0][0]:.6f} without"
    claim.decide(all_of(agree(factors, rtol=1e-9), fair), text)


@decides("popsgd-lemma43-bound")
def test_lemma43(claim: Decider) -> None:
    ratios, alone = [], []
    for n in (2, 3, 4, 6):
        x, push, etas, noise = _one_step(n)
        after = expected(outcomes(x, Complete(n), _pushing(push), list(etas), noise), potential)
        ratios.append((after - (1 - 1 / n) * potential(x)) / bounds.drift43(n, potential(x), 1.0, 1.0))
        # (B.7): nodes at one place, pushed alike at twice eta_t, that meet themselves
        alone.append((_meets_itself(n), 16 * (1 - 1 / n)))
    search = searched(np.concatenate(ratios), "n = 2 to 6, any models, gradients up to M, rates in [eta/2, 2 eta]")
    text = f"{search.interval.estimate:.3f} of what it adds to (1 - 1/n) Gamma at worst"
    claim.decide(all_of(search, agree(alone, rtol=1e-9)), text)


@decides("popsgd-lemma44-gamma")
def test_lemma44(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    groups = by_setting(runs, PopulationDescent, *PROBLEMS)
    _draw(runs, figures)
    complete = {run: group for run, group in groups.items() if isinstance(run.graph, Complete)}
    decision = at_most_one(
        np.divide(values, bounds.lemma44(run.graph.nodes, _eta(run, t), run.M))
        for run, group in complete.items()
        for t, values in over_time(group, "potential").items()
    )
    recursion = searched([_recursion(n, 1 / n, 18 * n, 36 * n) for n in (2, 3, 8, 64, 512)], "Lemma 4.3 at a = 18 n")
    still_fixed = (2 + np.sqrt(12.0)) ** 2 / 36  # y^2 = 4 y + 8 at a constant rate
    constant_rate = searched([still_fixed], "fixed point of Lemma 4.3 at a constant rate")
    text = f"{decision.interval.estimate:.3f} of the bound at worst, {recursion.interval.estimate:.3f} by Lemma 4.3"
    claim.decide(
        all_of(decision, recursion, constant_rate), text, [run for group in complete.values() for run in group]
    )


@decides("popsgd-gamma-order")
def test_order(claim: Decider, runs: list[Run]) -> None:
    one_step = []
    for n, eta in product((2, 3, 5, 8), (0.01, 0.1, 1.0)):
        x = stream(0, "models", n).standard_normal((n, 3))
        after = expected(outcomes(x, Complete(n), still, [eta] * n, 1.0), potential)
        one_step.append((after, (1 - 1 / n) * potential(x) + (1 - 1 / n) * eta**2))
    step = agree(one_step, rtol=1e-9)  # so the fixed point is (n - 1) eta^2 sigma^2
    groups = by_setting(runs, PopulationDescent, "constant")
    ratios = []
    for run, group in groups.items():
        n, looks = run.graph.nodes, np.arange(0, run.steps, run.every)
        mean = (n - 1) * (ETA * run.sigma) ** 2 * (1 - (1 - 1 / n) ** looks).mean()
        ratios.append(within(np.divide(at(group, "mean_potential", run.steps), mean), 0.8, 1.2))
    measured = [np.mean(at(group, "mean_potential", run.steps)) for run, group in groups.items()]
    slope = slope_interval(np.log(np.subtract(COMPLETE, 1)), np.log(measured)).interval
    near = close([slope.estimate], [1.0], rtol=0, atol=0.1)
    text = f"E Gamma = (n - 1) eta^2 sigma^2 exactly for pure noise; measured slope {slope.estimate:.3f} in n - 1"
    claim.decide(all_of(step, *ratios, near), text, [run for group in groups.values() for run in group])


# ------------------------------------------------------------------------------------------------------------ the cycle


@decides("popsgd-cycle-contraction")
def test_contraction(claim: Decider) -> None:
    gaps = [_gap(n) for n in CYCLES]
    closed = close(gaps, [(1 - np.cos(2 * np.pi / n)) / n for n in CYCLES], rtol=1e-9, atol=0)
    scaled = np.array(gaps) * np.power(CYCLES, 3)
    limit = all_of(close(scaled[-1:], [2 * np.pi**2], rtol=2e-3, atol=0), uniform(cycle(8)))
    slope = slope_interval(np.log(CYCLES[1:]), np.log(gaps[1:])).interval
    rate = close([slope.estimate], [-3.0], rtol=0, atol=0.05)
    text = ", ".join(f"{value:.2f}" for value in scaled) + " = n^3 x gap"
    claim.decide(all_of(closed, limit, rate), text)


@decides("popsgd-cycle-gamma")
def test_cycle_gamma(claim: Decider, runs: list[Run]) -> None:
    groups = by_setting(runs, PopulationDescent, *PROBLEMS)
    cycles = {run: group for run, group in groups.items() if not isinstance(run.graph, Complete)}
    decision = at_most_one(
        np.divide(values, bounds.cycle_potential(run.graph.nodes, _eta(run, t), run.M))
        for run, group in cycles.items()
        for t, values in over_time(group, "potential").items()
    )
    constants = {n: _recursion(n, (1 - np.cos(2 * np.pi / n)) / n, 18 * n, n**5) for n in (3, 4, 8, 16, 32)}
    recursion = searched(np.divide(list(constants.values()), 100), "per-step bound with the exact gap at a = 18 n")
    split = [_pulled_apart(n) for n in (8, 16, 32)]
    slope = slope_interval(np.log((8, 16, 32)), np.log(split)).interval
    rate = close([slope.estimate], [5.0], rtol=0, atol=0.2)
    text = (
        f"slope {slope.estimate:.3f} in n if halves are pulled apart; the per-step bound allows "
        f"{constants[8]:.3f} n^5 at n = 8, {constants[32]:.3f} n^5 at n = 32 for a = 18 n"
    )
    claim.decide(all_of(decision, recursion, rate), text, [run for group in cycles.values() for run in group])


# ---------------------------------------------------------------------------------------------------- measurement


def _simple(n: int) -> Graph:
    """Return the complete graph without self-interactions: pairs drawn without replacement."""
    return edges_of(complete(n))


def _one_step(n: int) -> tuple[Array, Array, Array, Array]:
    """Return cases side by side: models, expected gradients and rates, all (n, d), and noise (d,), with eta = M = 1."""
    rng, d = stream(0, "one step", n), 60
    scale = np.geomspace(1e-2, 1e4, d)
    halves = np.where(np.arange(n) < (n + 1) // 2, 1.0, -1.0)[:, None]
    columns: list[tuple[Array, ...]] = []
    for x in (halves * scale, (np.eye(n)[:, :1] * n - 1) * scale, rng.standard_normal((n, d)) * scale):
        pushes = (-np.sign(x - x.mean(axis=0)), np.ones((n, d)), rng.uniform(-1, 1, (n, d)))
        rates = (np.full((n, d), 2.0), np.ones((n, d)), 2.0 ** rng.choice([-1, 1], (n, d)))
        for push, eta, noise in product(pushes, rates, (0.0, 0.5, 1.0)):
            columns.append((x, np.sqrt(1 - noise**2) * push, eta, np.full(d, noise)))
    x, push, eta, noise = (np.concatenate(side, axis=-1) for side in zip(*columns, strict=True))
    return x, push, eta, noise


def _pushing(push: Array) -> Slope:
    return lambda row, node: push[node]


def _meets_itself(n: int) -> float:
    """Return E[Delta_t^i] / (eta_t M)^2 where (B.7) has no more than 8."""
    x = np.zeros((n, 1))
    every = outcomes(x, Complete(n), lambda row, node: np.ones_like(row), [2.0] * n)
    grown = [potential(after)[0] for _, after in every if np.count_nonzero(after) == 1]
    return float(np.mean(grown))


def _recursion(n: int, shrink: float, a: float, limit: float) -> float:
    """Return the largest Gamma_t / (limit eta_t^2 M^2) that the per-step bound allows from Gamma_0 = 0, b = M = 1."""
    gamma, worst = 0.0, 0.0
    for t in range(int(8 / shrink) + 200):
        eta = 1 / (a + t)
        worst = max(worst, gamma / (limit * eta**2))
        gamma = (1 - shrink) * gamma + 4 * eta * (gamma / n) ** 0.5 + 8 * eta**2
    return worst


def _gap(n: int) -> float:
    """Return 1 - the largest factor by which an interaction on the cycle keeps Gamma in expectation."""
    maps = [w for _, w in outcomes(np.eye(n), cycle(n), still, [ETA] * n)]
    kept = np.mean([w.T @ w for w in maps], axis=0) - 1 / n
    return 1 - float(np.linalg.eigvalsh(kept).max())


def _pulled_apart(n: int) -> float:
    """Return Gamma of the stationary E[X - mu], a lower bound on E Gamma, for gradients of `Halves`, eta = M = 1."""
    push = lambda row, node: np.full_like(row, 1.0 if node < n / 2 else -1.0)  # noqa: E731
    start = np.concatenate([np.eye(n), np.zeros((n, 1))], axis=1)
    after = expected(outcomes(start, cycle(n), push, [1.0] * n), lambda x: x)
    shift = after[:, -1]
    matrix = after[:, :-1] - shift[:, None]
    settled = np.linalg.lstsq(np.eye(n) - matrix + 1 / n, shift - shift.mean(), rcond=None)[0]
    return float(((settled - settled.mean()) ** 2).sum())


def _eta(run: PopulationDescent, t: int) -> float:
    return run.rate.b / (run.rate.a + (t if run.rate.n else 0))


# --------------------------------------------------------------------------------------------------------- figure


def _draw(runs: list[Run], figures: FigureFolder) -> None:
    """Draw Gamma_t and its bounds against t, on the complete graph and on the cycle."""
    figure, axes = panels(2, width=4.6)
    graphs: tuple[Graph, Graph] = (Complete(10), cycle(10))
    frames = [_against_time(axis, runs, graph) for axis, graph in zip(axes, graphs, strict=True)]
    figures.save("potential", figure, pd.concat(frames, ignore_index=True))


def _against_time(axis: Axes, runs: list[Run], graph: Graph) -> pd.DataFrame:
    rows, n = [], graph.nodes
    name, bound = ("complete", bounds.lemma44) if isinstance(graph, Complete) else ("cycle", bounds.cycle_potential)
    for (role, (problem, _)), colour in zip(PROBLEMS.items(), COLOURS, strict=False):
        ((run, group),) = [item for item in by_setting(runs, PopulationDescent, role).items() if item[0].graph == graph]
        found = over_time(group, "potential")
        times, means = list(found), [float(np.mean(values)) / problem.d for values in found.values()]
        axis.loglog(times, means, ".-", color=colour, label=f"gradients: {role}")
        rows += [(name, n, role, t, mean) for t, mean in zip(times, means, strict=True)]
    limits = [bound(n, _eta(run, t), 1.0) for t in times]
    axis.loglog(times, limits, "k--", label="bound: 36 n eta^2 M^2,\non the cycle 100 n^5 eta^2 M^2")
    rows += [(name, n, "bound", t, limit) for t, limit in zip(times, limits, strict=True)]
    axis.set(xlabel="interactions t", ylabel="Gamma per coordinate")
    axis.set_title(f"{name} graph, n = {n}, a = 18 n", fontsize=10)
    if name == "cycle":
        axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return pd.DataFrame(rows, columns=["graph", "n", "gradients", "t", "gamma"])
