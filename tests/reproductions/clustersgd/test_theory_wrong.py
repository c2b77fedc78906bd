"""The reproductions of the cluster model can fail: wrong algorithms and constants turn their claims red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from algorithms.adversaries import Uniform
from algorithms.scheduler import Deadlock, System
from reproductions.clustersgd import (
    agreements,
    general,
    kicks,
    moments,
    points,
    schedules,
    test_agreement,
    test_constants,
    test_general,
    test_majority,
    test_model,
    test_partition,
    test_strongly_convex,
    test_theorem1,
    test_theorem3,
    wells,
)
from reproductions.harness.figures import FigureFolder
from reproductions.harness.settings import Settings
from tests.algorithms import cluster_wrong
from tests.reproductions.clustersgd import wrong
from tests.reproductions.lab import decided, simulate

SETTINGS = Settings(seeds=4)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    for module, names in (
        (test_agreement.plots, ("draw_factors", "draw_rounds", "draw_theorem1")),
        (test_theorem3, ("_draw",)),
        (test_partition, ("_draw",)),
        (test_model, ("_draw",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, lambda *_: None)
    yield
    caches = (moments.observe, test_strongly_convex._observed, test_partition._ends, wells.law)
    for cached in caches:
        cached.cache_clear()


def red(test: Callable[..., None], claim: str, **fixtures: Any) -> None:
    """Assert that a reproduction finds its claim, all of whose names begin alike, violated."""
    for cached in (moments.observe, test_strongly_convex._observed, test_partition._ends, wells.law):
        cached.cache_clear()
    verdict = decided(test, f"clustersgd-{claim}", **fixtures)
    assert verdict.verdict == "deviates", (claim, verdict.verdict, verdict.reason)


# ------------------------------------------------------------------------------------------------------- agreement


@pytest.mark.parametrize(
    ("name", "value", "claim", "test"),
    [
        ("MID_EXTREMES", cluster_wrong.Mean(), "midext-definition", test_constants.test_mid_extremes),
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
    right = points.between_midpoints
    monkeypatch.setattr(points, "between_midpoints", lambda p, sign=1.0: right(p, -1.0))
    red(test, claim)


def test_collects_before_writes(monkeypatch, tmp_path):
    with monkeypatch.context() as patched:
        patched.setattr(test_agreement, "SharedMemoryAgreement", cluster_wrong.CollectFirst)
        red(test_agreement.test_common_value, "smmaa-common-value")
    shared = [_with(e, cluster_wrong.CollectFirst) for e in agreements.shared_grid(SETTINGS) if e.role[0] == "M"]
    runs = simulate(shared) + _approach(agreements.shared_grid(SETTINGS))
    red(test_agreement.test_lemma16, "lemma16-rounds", runs=runs, figures=FigureFolder(tmp_path))


@pytest.mark.parametrize("algorithm", [cluster_wrong.ProcessMajority, cluster_wrong.AnyCluster])
def test_majorities_of_something_else(algorithm, monkeypatch):
    monkeypatch.setattr(test_majority, "ClusterAgreement", algorithm)
    red(test_majority.test_majority, "majority-condition")


def test_less_than_a_majority_of_singletons(monkeypatch):
    monkeypatch.setattr(test_majority, "ClusterAgreement", cluster_wrong.AnyCluster)
    red(test_majority.test_singletons, "singleton-n-2f")


def test_rounds_with_less_than_a_majority_do_not_contract():
    grid = [replace(e, executions=6) for e in agreements.grid(SETTINGS) if e.role == "MidExtremes" and e.workers == 5]
    runs = simulate(_with(e, cluster_wrong.AnyCluster) for e in grid)
    red(test_agreement.test_lemma19, "lemma19-23-24", runs=runs)


def test_a_rule_that_keeps_its_own_value_does_not_contract(tmp_path):
    (run,) = [e for e in agreements.grid(SETTINGS) if e.role == "MidExtremes"][:1]
    kept = replace(run, algorithm=replace(run.algorithm, rule=wrong.Stays()), executions=1)
    red(test_agreement.test_theorem2, "theorem2-rounds", runs=simulate([kept]), figures=FigureFolder(tmp_path))


@pytest.mark.parametrize(
    ("name", "rule", "claim", "test"),
    [
        ("MidExtremes", cluster_wrong.Mean(), "lemma19-23-24", test_agreement.test_lemma19),
        ("ApproachExtreme", wrong.Approaches(), "lemma20-79-80", test_agreement.test_lemma20),
    ],
)
def test_wrong_rules_have_another_worst_round(name, rule, claim, test, monkeypatch):
    grid = [e for e in agreements.grid(SETTINGS) if e.role == name and e.strategy == Uniform() and e.workers == 5]
    runs = simulate(replace(e, executions=2) for e in grid)
    monkeypatch.setitem(agreements.RULES, name, rule)
    red(test, claim, runs=runs)


def test_outputs_outside_of_the_hull():
    (run,) = [e for e in agreements.shared_grid(SETTINGS) if e.role == "MidExtremes"][:1]
    outside = replace(run, algorithm=replace(run.algorithm, rule=wrong.Extrapolates()))
    red(test_agreement.test_convexity, "maa-convexity", runs=simulate([outside]))


def test_round_counts_rounded_down(monkeypatch):
    right = test_agreement.rounds
    monkeypatch.setattr(test_agreement, "rounds", lambda q, factor: right(q, factor) - 1)
    red(test_agreement.test_14_rounds, "14-rounds")
    red(test_agreement.test_57_rounds, "57-rounds")


def test_rules_swapped(monkeypatch):
    swapped = {"MidExtremes": agreements.APPROACH_EXTREME, "ApproachExtreme": agreements.MID_EXTREMES}
    monkeypatch.setattr(test_agreement, "RULES", swapped)
    red(test_agreement.test_tradeoff, "tradeoff-mid-app")


# -------------------------------------------------------------------------------------------------- strongly convex

CONVEX = {
    "lemma1-variance": test_strongly_convex.test_lemma1,
    "lemma4-diameter": test_strongly_convex.test_lemma4,
    "lemma6-distance": test_strongly_convex.test_lemma6,
}


@pytest.mark.parametrize("claim", CONVEX)
def test_messages_ignored(claim, monkeypatch):
    monkeypatch.setattr(test_strongly_convex, "StronglyConvexSGD", wrong.KeepsOwn)
    red(CONVEX[claim], claim)


def test_stale_messages_accepted(monkeypatch):
    def stale(clusters, processes):
        return System(clusters, processes, mailbox=cluster_wrong.StaleMailbox)

    monkeypatch.setattr(schedules, "System", stale)
    red(CONVEX["lemma6-distance"], "lemma6-distance")


def test_lemma7_as_printed_is_no_correction(monkeypatch):
    right = test_strongly_convex._over_lemma7
    monkeypatch.setattr(
        test_strongly_convex, "_over_lemma7", lambda c, mu, beta, gamma, *rest, **k: right(c, mu, beta, 0.1, *rest, **k)
    )
    red(test_strongly_convex.test_lemma7, "lemma7-recursion")


def test_theorem1_tells_messages_ignored(tmp_path):
    few = [replace(e, d=64) for e in test_theorem1.experiments(SETTINGS) if e.role == "rate" and e.seed < 4]
    runs = simulate(_with(e, wrong.KeepsOwn) for e in few)
    red(test_theorem1.test_external, "theorem1-external", runs=_named(runs, few), figures=FigureFolder(tmp_path))
    for claim, test in (
        ("theorem1-internal", test_theorem1.test_internal),
        ("theorem1-simplified", test_theorem1.test_rates),
        ("larger-N-better", test_theorem1.test_larger_n),
    ):
        red(test, claim, runs=_named(runs, few))


def test_processes_that_wait_for_the_dead_do_not_end(monkeypatch):
    monkeypatch.setattr(moments, "StronglyConvexSGD", wrong.WaitsForAll)
    moments.observe.cache_clear()
    with pytest.raises(Deadlock):
        moments.observe(4, 2, 4, moments.dying(4, 2), f=2)


def test_speedup_by_clusters(monkeypatch):
    right = test_theorem1._outputs
    monkeypatch.setattr(test_theorem1, "_outputs", lambda kind, k, m: right(kind, k, m) / m)
    red(test_theorem1.test_processes_not_clusters, "speedup-processes")


# ----------------------------------------------------------------------------------------------------------- general


@pytest.mark.parametrize(
    ("claim", "test"),
    [
        ("lemma10-effective-variance", test_general.test_lemma10),
        ("lemma11-bias", test_general.test_lemma11),
        ("lemma12-descent", test_general.test_lemma12),
        ("theorem4-bound", test_theorem3.test_theorem4),
        ("theorem3-simplified", test_theorem3.test_rate),
    ],
)
def test_agreement_skipped(claim, test, monkeypatch):
    monkeypatch.setattr(kicks, "GeneralSGD", cluster_wrong.Disagreeing)
    red(test, claim)


def test_agreement_skipped_leaves_parameters_apart(monkeypatch):
    grid = general.agreed(SETTINGS)
    runs = _named(simulate(_with(e, cluster_wrong.Disagreeing) for e in grid), grid)
    red(test_theorem3.test_lemma21, "lemma21-diameter", runs=runs)


def test_corrected_lemma9_needs_the_number_of_processes(monkeypatch):
    monkeypatch.setattr(test_general, "SIZES", (25,))
    monkeypatch.setattr(test_general, "camps", lambda n, p: n * kicks.camps(n, p))
    red(test_general.test_lemma9, "lemma9-diameter", runs=simulate(general.grid(SETTINGS)[:3]))


def test_exponent_upside_down(monkeypatch):
    right = test_theorem3._slope
    monkeypatch.setattr(test_theorem3, "_slope", lambda x, y: right(y, x))
    red(test_theorem3.test_internal_rounds, "internal-exponent")


# --------------------------------------------------------------------------------------------------------- partition


def test_halves_that_hear_each_other_do_not_end_apart(monkeypatch, tmp_path):
    monkeypatch.setattr(wells, "halves", lambda n: ((0,),) * n)
    red(test_partition.test_theorem5, "theorem5-impossibility", figures=FigureFolder(tmp_path))
    red(test_partition.test_convex, "no-partition-in-convex")


def test_agreement_skipped_ends_without_a_majority(monkeypatch):
    monkeypatch.setattr(test_partition, "GeneralSGD", cluster_wrong.Disagreeing)
    red(test_partition.test_necessity, "theorem5-necessity")


def test_a_split_estimated_with_other_steps(monkeypatch):
    monkeypatch.setattr(wells, "KICK", 0.5)
    law = wells.law(wells.Slope(2))
    monkeypatch.setattr(wells, "KICK", 1.5)
    monkeypatch.setattr(wells, "law", lambda slope, steps=wells.STEPS: law)
    monkeypatch.setattr(wells.law, "cache_clear", lambda: None, raising=False)
    red(test_partition.test_split, "def1-split")


def test_registers_of_other_clusters(monkeypatch, tmp_path):
    monkeypatch.setattr(test_model, "_add", lambda done, shared, heard: shared.add((0, 8)))
    red(test_model.test_model, "fig1-model", figures=FigureFolder(tmp_path))


def _with(experiment, algorithm):
    right = experiment.algorithm
    fields = {name: getattr(right, name) for name in right.__dataclass_fields__}
    return replace(experiment, algorithm=algorithm(**fields))


def _named(runs, right):
    return [type(run)(experiment, run.frame, run.provenance) for run, experiment in zip(runs, right, strict=True)]


def _approach(grid):
    return simulate(replace(e, executions=1) for e in grid if e.role == "ApproachExtreme")
