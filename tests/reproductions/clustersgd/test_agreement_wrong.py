"""The reproductions of agreement can fail: wrong algorithms and rules turn their claims red."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reproductions.clustersgd import (
    agreements,
    midpoints,
    several_rounds,
    test_agreement,
    test_constants,
    test_majority,
)
from reproductions.paper import FigureFolder
from tests.algorithms.clustersgd import wrong as wrong_clusters
from tests.reproductions.clustersgd import wrong
from tests.reproductions.clustersgd.trials import SETTINGS, all_with, of_rule, red
from tests.reproductions.lab import simulate


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    for name in ("draw_factors", "draw_rounds"):
        monkeypatch.setattr(test_agreement.plots, name, lambda *_: None)


@pytest.mark.parametrize(
    ("name", "value", "claim", "test"),
    [
        ("MID_EXTREMES", wrong_clusters.Mean(), "midext-definition", test_constants.test_mid_extremes),
        ("APPROACH_EXTREME", wrong.Nearest(), "approachext-definition", test_constants.test_approach_extreme),
    ],
)
def test_wrong_rules(name, value, claim, test, monkeypatch):
    monkeypatch.setattr(test_constants, name, value)
    red(test, claim)


@pytest.mark.parametrize(
    ("claim", "test"),
    [
        ("lemma14-7-8", test_constants.test_lemma14),
        ("lemma15-31-32", test_constants.test_lemma15),
        ("lemma18", test_constants.test_lemma18),
    ],
)
def test_midpoints_of_differences_are_no_correction(claim, test, monkeypatch):
    right = midpoints.between_midpoints
    monkeypatch.setattr(midpoints, "between_midpoints", lambda p, sign=1.0: right(p, -1.0))
    red(test, claim)


def test_collects_before_writes(monkeypatch, tmp_path):
    with monkeypatch.context() as patched:
        patched.setattr(test_agreement, "SharedMemoryAgreement", wrong_clusters.CollectFirst)
        red(test_agreement.test_common_value, "smmaa-common-value")
    grid = agreements.shared_grid(SETTINGS)
    mid = all_with(of_rule(grid, "MidExtremes"), wrong_clusters.CollectFirst)
    approach = {label: [replace(run, executions=1)] for label, (run,) in of_rule(grid, "ApproachExtreme").items()}
    runs = simulate(mid | approach)
    red(test_agreement.test_lemma16, "lemma16-rounds", runs=runs, figures=FigureFolder(tmp_path))


@pytest.mark.parametrize("algorithm", [wrong_clusters.ProcessMajority, wrong_clusters.AnyCluster])
def test_majorities_of_something_else(algorithm, monkeypatch):
    monkeypatch.setattr(test_majority, "ClusterAgreement", algorithm)
    red(test_majority.test_majority, "majority-condition")


def test_less_than_a_majority_of_singletons(monkeypatch):
    monkeypatch.setattr(test_majority, "ClusterAgreement", wrong_clusters.AnyCluster)
    red(test_majority.test_singletons, "singleton-n-2f")


def test_rounds_with_less_than_a_majority_do_not_contract():
    grid = of_rule(agreements.grid(SETTINGS), "MidExtremes")
    few = {label: [replace(run, executions=6)] for label, (run,) in grid.items() if run.workers == 5}
    runs = simulate(all_with(few, wrong_clusters.AnyCluster))
    red(test_agreement.test_lemma19, "lemma19-23-24", runs=runs)


def test_a_rule_that_keeps_its_own_value_does_not_contract(tmp_path):
    label, (run,) = next(iter(of_rule(agreements.grid(SETTINGS), "MidExtremes").items()))
    kept = replace(run, algorithm=replace(run.algorithm, rule=wrong.Stays()), executions=1)
    runs = simulate({label: [kept]})
    red(test_agreement.test_theorem2, "theorem2-rounds", runs=runs, figures=FigureFolder(tmp_path))


@pytest.mark.parametrize(
    ("name", "rule", "claim", "test"),
    [
        ("MidExtremes", wrong_clusters.Mean(), "lemma19-23-24", test_agreement.test_lemma19),
        ("ApproachExtreme", wrong.Approaches(), "lemma20-79-80", test_agreement.test_lemma20),
    ],
)
def test_wrong_rules_have_another_worst_round(name, rule, claim, test, monkeypatch):
    (five,) = [(3, name, n, m, "uniform") for n, m in agreements.SIZES if n == 5]
    (run,) = agreements.grid(SETTINGS)[five]
    runs = simulate({five: [replace(run, executions=2)]})
    monkeypatch.setitem(agreements.RULES, name, rule)
    red(test, claim, runs=runs)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("MidExtremes", wrong.Stays()),
        ("MidExtremes", wrong_clusters.Mean()),
        ("ApproachExtreme", wrong.Approaches()),
    ],
)
def test_wrong_rules_over_many_rounds(name, rule, monkeypatch):
    monkeypatch.setitem(test_agreement.RULES, name, rule)  # the attacks are the same, and allowed
    assert test_agreement._sustained(name)[0].outcome == "fails"


def test_less_than_a_majority_heard_over_many_rounds_is_no_attack(monkeypatch):
    right, executed, whole = several_rounds.polygon, several_rounds.executed, {}

    def one_less(steps, repeats):  # the first process, a free one, hears one of the core less
        attack = right(steps, repeats)
        first, *others = attack.heard[0]
        less = replace(attack, heard=((first[:-1], *others),) * repeats)
        whole[less] = attack
        return less

    assert test_agreement._sustained("MidExtremes")[0].outcome == "holds"
    monkeypatch.setattr(several_rounds, "polygon", one_less)
    monkeypatch.setattr(several_rounds, "executed", lambda attack, rule: executed(whole.get(attack, attack), rule))
    assert test_agreement._sustained("MidExtremes")[0].outcome == "fails"  # all else is as in the right attack


def test_a_search_climbs_and_keeps_majorities():
    start = several_rounds.scattered(5, 3, 2, seed=0)
    rule = agreements.RULES["ApproachExtreme"]
    worse = several_rounds.climb(start, rule, tries=40)
    assert worse.majority
    assert several_rounds.computed(worse, rule) > several_rounds.computed(start, rule)


def test_outputs_outside_of_the_hull():
    label, (run,) = next(iter(of_rule(agreements.shared_grid(SETTINGS), "MidExtremes").items()))
    outside = replace(run, algorithm=replace(run.algorithm, rule=wrong.Extrapolates()))
    red(test_agreement.test_convexity, "maa-convexity", runs=simulate({label: [outside]}))


def test_round_counts_rounded_down(monkeypatch):
    right = test_agreement.rounds
    monkeypatch.setattr(test_agreement, "rounds", lambda q, factor: right(q, factor) - 1)
    red(test_agreement.test_14_rounds, "14-rounds")
    red(test_agreement.test_57_rounds, "57-rounds")


def test_rules_swapped(monkeypatch):
    swapped = {"MidExtremes": agreements.APPROACH_EXTREME, "ApproachExtreme": agreements.MID_EXTREMES}
    monkeypatch.setattr(test_agreement, "RULES", swapped)
    red(test_agreement.test_tradeoff, "tradeoff-mid-app")
