"""The reproductions of the cluster model can fail: wrong algorithms and constants turn their claims red."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from algorithms.clustersgd.scheduler import Deadlock, System
from reproductions.clustersgd import (
    bounds,
    descents,
    general,
    loose,
    moments,
    opening,
    schedules,
    test_agreement,
    test_general,
    test_model,
    test_partition,
    test_strongly_convex,
    test_theorem1,
    test_theorem3,
    two_camps,
    wells,
)
from reproductions.paper import FigureFolder, Run, Runs
from tests.algorithms.clustersgd import wrong as wrong_clusters
from tests.reproductions.clustersgd import wrong
from tests.reproductions.clustersgd.trials import SETTINGS, all_with, forget, named, red
from tests.reproductions.lab import decided, simulate


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(test_agreement.plots, "draw_theorem1", lambda *_: None)
    for module in (test_theorem3, test_partition, test_model):
        monkeypatch.setattr(module, "_draw", lambda *_: None)
    yield
    forget()


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
        return System(clusters, processes, mailbox=wrong_clusters.StaleMailbox)

    monkeypatch.setattr(schedules, "System", stale)
    red(CONVEX["lemma6-distance"], "lemma6-distance")


def test_lemma5_without_its_last_term_is_never_attained(monkeypatch):
    monkeypatch.setattr(
        test_strongly_convex, "_over_lemma5", lambda q, x: q.gradient(x) @ q.gradient(x) / 2 / (q.gradient(x) @ x)
    )
    red(test_strongly_convex.test_lemma5, "lemma5")


def test_lemma7_as_printed_is_no_correction(monkeypatch):
    right = test_strongly_convex._over_lemma7
    monkeypatch.setattr(
        test_strongly_convex, "_over_lemma7", lambda c, mu, beta, gamma, *rest, **k: right(c, mu, beta, 0.1, *rest, **k)
    )
    red(test_strongly_convex.test_lemma7, "lemma7-recursion")


def test_theorem1_tells_messages_ignored(tmp_path):
    grid = test_theorem1.experiments(SETTINGS)
    few = {label: [replace(run, d=64) for run in grid[label][:4]] for label in grid if label[0] == "rate"}
    runs = named(simulate(all_with(few, wrong.KeepsOwn)), few)
    red(test_theorem1.test_external, "theorem1-external", runs=runs, figures=FigureFolder(tmp_path))
    for claim, test in (
        ("theorem1-internal", test_theorem1.test_internal),
        ("theorem1-simplified", test_theorem1.test_rates),
        ("larger-N-better", test_theorem1.test_larger_n),
    ):
        red(test, claim, runs=runs)


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
    ],
)
def test_agreement_skipped(claim, test, monkeypatch):
    monkeypatch.setattr(two_camps, "GeneralSGD", wrong_clusters.Disagreeing)
    red(test, claim)


def rated(gradient):
    """Return the runs for rates with other outputs, by T and N."""

    def run(experiment):
        T, N = experiment.algorithm.iterations, experiment.algorithm.messages
        rows = [(T, "output_gradient", gradient(T, N) * (1 + experiment.seed / 100))]
        return Run(experiment, pd.DataFrame(rows, columns=["step", "metric", "value"]), {"ranks": 1})

    return Runs({label: [run(each) for each in group] for label, group in general.rates(SETTINGS).items()})


def test_rate_of_the_output(monkeypatch):
    right = rated(lambda T, N: (N * T) ** -0.5)
    assert decided(test_theorem3.test_rate, "clustersgd-theorem3-simplified", runs=right).verdict == "erratum"
    red(test_theorem3.test_rate, "theorem3-simplified", runs=rated(lambda T, N: (N / T) ** 0.5))
    red(test_theorem3.test_rate, "theorem3-simplified", runs=rated(lambda T, N: 1 / (N * T)))
    monkeypatch.setattr(two_camps, "GeneralSGD", wrong_clusters.Disagreeing)
    red(test_theorem3.test_rate, "theorem3-simplified", runs=right)


def test_processes_with_the_same_noise_have_no_smaller_variance(monkeypatch):
    monkeypatch.setattr(general, "WIDE", 512)
    grid = {label: group[:2] for label, group in general.rates(SETTINGS).items() if label in ((512, 1), (512, 4))}
    right = simulate(grid)
    right_stream = descents.stream
    monkeypatch.setattr(descents, "stream", lambda seed, purpose, i, t: right_stream(seed, purpose, 0, t))
    same = simulate(grid)

    def ratio(runs):
        alone, four = (np.mean(runs.final("output_gradient", (512, N))) for N in (1, 4))
        return four / alone

    assert ratio(right) == pytest.approx(0.5, rel=0.15)
    assert ratio(same) == pytest.approx(2.0, rel=0.15)


def test_outputs_are_drawn_for_every_seed():
    for (T, _), group in general.rates(SETTINGS).items():
        outputs = [run.algorithm.output for run in group]
        assert len(set(outputs)) > 1
        assert all(1 <= output <= T for output in outputs)


@pytest.fixture
def fast(monkeypatch):
    """Keep what executions of the loose agreement find, which take seconds, out of tests of its bound."""
    monkeypatch.setattr(loose, "contractions", lambda: ([0.85], [True]))
    monkeypatch.setattr(loose, "left", lambda n, rare: loose.share(two_camps.ETA / 4) ** 2)


def test_corrected_lemma21_needs_the_number_of_processes(fast, monkeypatch):
    assert decided(test_theorem3.test_lemma21, "clustersgd-lemma21-diameter").verdict == "erratum"
    right = loose.over_lemma21
    monkeypatch.setattr(loose, "over_lemma21", lambda n, p, eta: n**0.5 * right(n, p, eta))  # over sqrt(n) sigma^2
    red(test_theorem3.test_lemma21, "lemma21-diameter")


def test_an_agreement_that_contracts_by_less_than_q_is_none(fast, monkeypatch):
    monkeypatch.setattr(loose, "contractions", lambda: ([1.01], [True]))
    red(test_theorem3.test_lemma21, "lemma21-diameter")


def test_contractions_of_an_agreement_that_goes_too_far(monkeypatch):
    right = loose.share
    monkeypatch.setattr(loose, "share", lambda q: 1.2 * right(q))
    assert max(loose.contractions(executions=2)[0]) > 1


def test_an_agreement_as_tight_as_algorithm3_is_no_counter_example(fast, monkeypatch):
    monkeypatch.setattr(loose, "share", lambda q: 1e-4 * q)
    red(test_theorem3.test_lemma21, "lemma21-diameter")


@pytest.mark.parametrize("wrong_bound", ["without n", "a fifth of n"])
def test_corrected_lemma10_needs_the_number_of_processes(wrong_bound, monkeypatch):
    count = {"without n": lambda n: 1, "a fifth of n": lambda n: n / 5}[wrong_bound]
    monkeypatch.setattr(test_general, "_variance", lambda n, p: count(n) * p * (1 - p))
    red(test_general.test_lemma10, "lemma10-effective-variance")


def test_corrected_lemma11_needs_its_first_term_and_the_number_of_processes(monkeypatch):
    right = opening.corrected
    monkeypatch.setattr(opening, "corrected", lambda n, p, h=0.0, spread=0.0: right(n, p))
    red(test_general.test_lemma11, "lemma11-bias")  # a spread that does not count
    monkeypatch.setattr(opening, "corrected", lambda n, p, h=0.0, spread=0.0: right(1, p, h, spread))
    red(test_general.test_lemma11, "lemma11-bias")  # without n


def test_lemma11_with_the_maximum_of_means_is_no_correction(monkeypatch):
    right = opening.opened
    monkeypatch.setattr(opening, "opened", lambda n, p, h: right(n, p, h)._replace(of_largest=right(n, p, h).of_means))
    red(test_general.test_lemma11, "lemma11-bias")


def test_lemma11_rests_on_executions(monkeypatch):
    monkeypatch.setattr(opening, "GeneralSGD", wrong_clusters.Disagreeing)
    red(test_general.test_lemma11, "lemma11-bias")


def test_corrected_lemma12_needs_the_variance_of_the_effective_gradient(monkeypatch):
    right = test_general._noise
    monkeypatch.setattr(test_general, "_noise", lambda n, p: p * (1 - p))  # as printed
    red(test_general.test_lemma12, "lemma12-descent")
    monkeypatch.setattr(test_general, "_noise", lambda n, p: 0.4 * right(n, p))
    red(test_general.test_lemma12, "lemma12-descent")


def test_corrected_lemma9_needs_the_number_of_processes(monkeypatch):
    monkeypatch.setattr(test_general, "SIZES", (25,))
    monkeypatch.setattr(test_general, "camps", lambda n, p: n * two_camps.camps(n, p))
    few = {label: group[:3] for label, group in general.grid(SETTINGS).items()}
    red(test_general.test_lemma9, "lemma9-diameter", runs=simulate(few))


def test_corrections_need_the_number_of_processes(monkeypatch):
    monkeypatch.setattr(test_theorem3, "_everywhere", lambda: (test_theorem3.skewed(10_001, 10**7, 3e-4),))
    monkeypatch.setattr(bounds.BoundConstants, "plateau", lambda c, n: 6 * c.sigma2)
    red(test_theorem3.test_lemma22, "lemma22-bound", runs=simulate(general.agreed(SETTINGS)))


def test_corrected_theorem4_needs_the_number_of_processes(monkeypatch):
    right = test_theorem3.Exact.corrected_theorem4
    monkeypatch.setattr(test_theorem3.Exact, "corrected_theorem4", lambda run, C, n: right(run, C, 1))
    monkeypatch.setattr(test_theorem3, "_everywhere", lambda: (test_theorem3.skewed(10_001, 10**7, 3e-4),))
    red(test_theorem3.test_theorem4, "theorem4-bound")


def test_exponent_upside_down(monkeypatch):
    right = test_theorem3._slope
    monkeypatch.setattr(test_theorem3, "_slope", lambda x, y: right(y, x))
    red(test_theorem3.test_internal_rounds, "internal-exponent")


# --------------------------------------------------------------------------------------------------------- partition


def test_halves_that_hear_each_other_do_not_end_apart(monkeypatch, tmp_path):
    monkeypatch.setattr(wells, "halves", lambda n: ((0,),) * n)
    red(test_partition.test_theorem5, "theorem5-impossibility", figures=FigureFolder(tmp_path))
    red(test_partition.test_convex, "no-partition-in-convex")


def test_one_well_is_not_split_enough(monkeypatch, tmp_path):
    monkeypatch.setattr(test_partition, "TWO", test_partition.ONE)
    red(test_partition.test_theorem5, "theorem5-impossibility", figures=FigureFolder(tmp_path))


def test_agreement_skipped_ends_without_a_majority(monkeypatch):
    monkeypatch.setattr(test_partition, "GeneralSGD", wrong_clusters.Disagreeing)
    red(test_partition.test_necessity, "theorem5-necessity")


def test_a_split_estimated_with_other_steps(monkeypatch):
    monkeypatch.setattr(wells, "KICK", 0.5)
    law = wells.law(wells.WellSlope(2))
    monkeypatch.setattr(wells, "KICK", 1.5)
    monkeypatch.setattr(wells, "law", lambda slope, steps=wells.STEPS: law)
    monkeypatch.setattr(wells.law, "cache_clear", lambda: None, raising=False)
    red(test_partition.test_split, "def1-split")


def test_a_smaller_lipschitz_constant_and_a_point_that_is_not_stationary(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(test_partition, "LIPSCHITZ", 0.95 * 3)
        red(test_partition.test_near_stationary, "near-stationary")
    monkeypatch.setattr(wells, "bottom", lambda: 1.0)  # Q'(1) = -0.93
    red(test_partition.test_near_stationary, "near-stationary")


def test_registers_of_other_clusters(monkeypatch, tmp_path):
    monkeypatch.setattr(test_model, "_add", lambda done, shared, heard: shared.add((0, 8)))
    red(test_model.test_model, "fig1-model", figures=FigureFolder(tmp_path))
