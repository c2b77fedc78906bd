"""The reproductions of PopSGD's theorems can fail: wrong algorithms and constants turn their claims red."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms import popsgd
from algorithms.popsgd import Complete
from reproductions.harness.figures import FigureFolder
from reproductions.harness.settings import Settings
from reproductions.popsgd import (
    bounds,
    descent,
    exact,
    moments,
    test_clock,
    test_convex,
    test_nonconvex,
    test_potential,
    test_recursion,
)
from tests.reproductions.lab import decided, simulate
from tests.reproductions.popsgd import wrong

SETTINGS = Settings(seeds=4)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    for module in (test_clock, test_convex, test_potential):
        monkeypatch.setattr(module, "_draw", lambda *_: None)
    monkeypatch.setattr(test_convex, "_draw_speedup", lambda *_: None)
    monkeypatch.setattr(descent, "FEWEST", 3)
    monkeypatch.setattr(test_potential, "FEWEST", 4)


def red(test, claim, **fixtures):
    verdict = decided(test, f"popsgd-{claim}", **fixtures)
    assert verdict.verdict == "deviates", (claim, verdict.verdict, verdict.reason)


def use(monkeypatch, rule):
    monkeypatch.setitem(popsgd.RULES, "symmetric", rule)


def runs_of(module, *roles, most=10**9):
    return simulate(e for e in module.experiments(SETTINGS) if e.role in roles and e.steps <= most)


# ------------------------------------------------------------------------------------------------------------ the clock


@pytest.mark.parametrize("tick", [wrong.both_tick, wrong.first_ticks])
def test_wrong_clocks(tick, monkeypatch, tmp_path):
    monkeypatch.setattr(popsgd, "tick", tick)
    monkeypatch.setattr(descent, "FEWEST", 12)  # exp of a random walk varies much
    red(test_clock.test_local_clock, "local-clock")
    runs = runs_of(test_clock, "complete", most=128 * 200)
    red(test_clock.test_interval, "clock-interval", runs=runs, figures=FigureFolder(tmp_path))
    red(test_clock.test_potential, "peres-potential", runs=runs)
    red(test_clock.test_learning_rates, "lemma42-lr-ratio", runs=runs)


def test_rates_by_global_time(monkeypatch):
    runs = runs_of(test_clock, "complete", most=32 * 200)
    use(monkeypatch, wrong.global_time)
    red(test_clock.test_learning_rates, "lemma42-lr-ratio", runs=runs)


def test_nodes_that_average_alone_have_no_clock(monkeypatch):
    use(monkeypatch, popsgd.read)
    red(test_clock.test_local_clock, "local-clock")


# -------------------------------------------------------------------------------------------------------- the potential


@pytest.mark.parametrize("rule", [popsgd.read, wrong.partner_unchanged, popsgd.part])
def test_a_partner_that_stays(rule, monkeypatch):
    use(monkeypatch, rule)
    red(test_potential.test_averaging_only, "gamma-averaging-only")
    red(test_potential.test_lemma43, "lemma43-bound")


def test_contraction_by_one_partner(monkeypatch):
    use(monkeypatch, wrong.partner_unchanged)
    red(test_potential.test_contraction, "cycle-contraction")


@pytest.mark.parametrize("draw", [wrong.neighbours, wrong.others])
def test_pairs_of_another_graph(draw, monkeypatch, tmp_path):
    runs = runs_of(test_clock, "complete", most=8 * 200)
    monkeypatch.setattr(Complete, "draw", draw)
    red(test_potential.test_averaging_only, "gamma-averaging-only")
    red(test_clock.test_interval, "clock-interval", runs=runs, figures=FigureFolder(tmp_path))


@pytest.mark.parametrize("rule", [wrong.average_first, wrong.partner_unchanged])
def test_order_of_the_potential(rule, monkeypatch):
    right = runs_of(test_potential, "constant")
    use(monkeypatch, rule)
    red(test_potential.test_order, "gamma-order", runs=right)  # by enumeration
    wrong_runs = runs_of(test_potential, "constant")
    monkeypatch.undo()
    red(test_potential.test_order, "gamma-order", runs=wrong_runs)


def test_models_that_never_meet_leave_the_bounds(monkeypatch, tmp_path):
    use(monkeypatch, popsgd.part)
    runs = runs_of(test_potential, "apart", "halves", most=2000)
    red(test_potential.test_lemma44, "lemma44-gamma", runs=runs, figures=FigureFolder(tmp_path))


def test_the_cycle_needs_its_own_potential(monkeypatch):
    monkeypatch.setattr(bounds, "cycle_potential", lambda n, eta, M: bounds.lemma44(n, eta, M) / 36)
    runs = runs_of(test_potential, "halves")
    red(test_potential.test_cycle_gamma, "cycle-gamma", runs=runs)


def test_a_cycle_that_is_complete(monkeypatch):
    monkeypatch.setattr(test_potential, "cycle", Complete)
    red(test_potential.test_contraction, "cycle-contraction")


# ----------------------------------------------------------------------------------------------------- convex and not


@pytest.mark.parametrize("rule", [wrong.ascend, wrong.stay])
def test_lemma45(rule, monkeypatch):
    use(monkeypatch, rule)
    red(test_recursion.test_lemma45, "lemma45-bound")


@pytest.mark.parametrize(("rule", "most"), [(wrong.ascend, 512), (wrong.stay, 8192)])
def test_theorems41_and51(rule, most, monkeypatch, tmp_path):
    use(monkeypatch, rule)
    runs = runs_of(test_convex, "complete", most=min(most, 2048)) + runs_of(test_convex, "cycle", most=most)[-3:]
    red(test_convex.test_theorem41, "theorem41-bound", runs=runs, figures=FigureFolder(tmp_path))
    red(test_convex.test_theorem51, "theorem51-bound", runs=runs)


def test_no_speedup_without_averaging(monkeypatch, tmp_path):
    right = test_convex._exact
    monkeypatch.setattr(test_convex, "_exact", lambda n, steps: right(2, 2 * (steps // n)))
    red(test_convex.test_rate, "eq12-rate", runs=runs_of(test_convex, "rate"), figures=FigureFolder(tmp_path))


def test_runs_have_to_follow_the_moments(monkeypatch, tmp_path):
    use(monkeypatch, wrong.stay)
    red(test_convex.test_rate, "eq12-rate", runs=runs_of(test_convex, "rate"), figures=FigureFolder(tmp_path))


def test_sampled_time_by_other_weights(monkeypatch):
    monkeypatch.setattr(popsgd, "sampled_time", lambda a, T, seed: seed % T)
    red(test_convex.test_sampled, "sampled-averaging")


def test_theorem52_and_rates(monkeypatch):
    use(monkeypatch, wrong.stay)
    runs = runs_of(test_nonconvex, "waves", "hill", "valley", "long")
    red(test_nonconvex.test_theorem52, "theorem52-bound", runs=runs)
    red(test_nonconvex.test_rate, "theorem52-rate", runs=runs)
    red(test_nonconvex.test_both, "abstract-convex-nonconvex", runs=runs)


def test_theorem_b2_as_printed_is_no_correction(monkeypatch):
    right = bounds.theorem_b2
    monkeypatch.setattr(test_nonconvex, "theorem_b2", lambda *of, printed=False: right(*of[:6], True))
    red(test_nonconvex.test_theorem_b2, "theoremB2", runs=runs_of(test_nonconvex, "kink"))


# -------------------------------------------------------------------------------------------- arithmetic and formulas


def test_constants(monkeypatch):
    right = bounds.Setting.terms
    monkeypatch.setattr(test_recursion, "_unstable", lambda *_: (1.0, 1.0))
    monkeypatch.setattr(bounds.Setting, "terms", lambda s, on_cycle=False: (*right(s, on_cycle)[:2], right(s)[2] / s.n))
    red(test_recursion.test_dominance, "T-gg-n")
    red(test_recursion.test_dominance_on_cycle, "theorem51-Tn3")
    monkeypatch.setattr(bounds.Setting, "a", property(lambda s: 18.0 * s.n))
    red(test_recursion.test_offset, "theorem41-a")
    monkeypatch.setattr(test_recursion, "weights", lambda a, T: popsgd.weights(a, T) / 2)
    red(test_recursion.test_total_weight, "ST-lower")
    red(test_recursion.test_lemma46, "lemma46")
    monkeypatch.setitem(test_recursion.SHAPES, "steep", (lambda x: x**2 / 2, lambda x: 2 * x))
    red(test_recursion.test_inequalities, "potential-dominance-proof-ineq")


@pytest.mark.parametrize("n", [2, 3, 5])
def test_moments_are_those_of_the_algorithm(n):
    x = np.linspace(-1, 2, n)[:, None] ** 3
    outcome = list(exact.outcomes(x, Complete(n), lambda row, node: 1.3 * row, [0.3] * n, 0.7))
    before = moments.Moments(float((x**2).sum()), float(x.mean()) ** 2)
    after = moments.interaction(before, n, 1.3, 0.3, 0.49)
    assert exact.expected(iter(outcome), lambda x: (x**2).sum(axis=0)) == pytest.approx(after.total)
    assert exact.expected(iter(outcome), lambda x: x.mean(axis=0) ** 2) == pytest.approx(after.mean)
