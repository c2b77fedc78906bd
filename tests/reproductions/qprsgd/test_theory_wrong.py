"""The reproductions of QPRSGD's theorems can fail: wrong algorithms and constants turn their claims red."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reproductions.harness import descent
from reproductions.harness.decisions import exactly
from reproductions.harness.figures import FigureFolder
from reproductions.harness.settings import Settings
from reproductions.qprsgd import (
    bounds,
    expectations,
    test_gossip,
    test_gossip_rates,
    test_ring,
    test_ring_rates,
    test_table1,
    test_theorem1,
    test_theorem2,
    theory,
)
from tests.reproductions.qprsgd import wrong_rules as wrong
from tests.reproductions.qprsgd.trials import red, simulate

SETTINGS = Settings(seeds=4)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(descent, "FEWEST", SETTINGS.seeds)
    for module in (test_ring_rates, test_theorem1, test_theorem2, test_gossip_rates):
        monkeypatch.setattr(module, "_draw", lambda *_: None)


# ------------------------------------------------------------------------------------------------------------ the ring


@pytest.mark.parametrize(
    ("algorithm", "claim", "test"),
    [
        (wrong.FirstHopOnly, "qprsgd-alg1-order", test_ring.test_order),
        (wrong.NoDivision, "qprsgd-alg1-order", test_ring.test_order),
        (wrong.FirstHopOnly, "qprsgd-rar-steps", test_ring.test_steps),
        (wrong.OwnCopy, "qprsgd-rar-consistent-model", test_ring.test_consistent),
    ],
)
def test_wrong_rings(algorithm, claim, test, monkeypatch):
    monkeypatch.setattr(test_ring, "algorithm", algorithm)
    monkeypatch.setattr(test_ring, "Dense", lambda: wrong.Levels(None))
    red(test, claim)


def test_a_ring_with_twice_the_volume(monkeypatch):
    right = test_ring._synchronized
    monkeypatch.setattr(test_ring, "_synchronized", lambda M, codec, dtype: right(M, codec, dtype, steps=2))
    red(test_ring.test_volume, "qprsgd-rar-volume")


@pytest.mark.parametrize("algorithm", [wrong.NoDivision, wrong.Ascent])
def test_theorem1_tells_wrong_rings(algorithm, tmp_path):
    runs = simulate(test_theorem1.experiments(SETTINGS), algorithm, ["bowl", "noiseless bowl"])
    red(test_theorem1.test_theorem1, "qprsgd-theorem1-bound", runs=runs, figures=FigureFolder(tmp_path))


def test_conditions_of_theorem1_from_other_coefficients(monkeypatch):
    right = test_theorem1._first
    monkeypatch.setattr(test_theorem1, "_first", lambda K, y, c: (right(K, y, c)[0], 2 * right(K, y, c)[1]))
    red(test_theorem1.test_conditions, "qprsgd-theorem1-conditions")


def test_lemma6_as_printed_is_no_correction(monkeypatch):
    hill = [replace(e, d=48) for e in test_theorem1.experiments(SETTINGS) if e.role == "hill"]
    runs = simulate(hill)
    right = bounds.Ring.lemma6
    monkeypatch.setattr(bounds.Ring, "lemma6", lambda s, gamma, g, mean, printed=False: right(s, gamma, g, mean, True))
    red(test_theorem1.test_lemma6, "qprsgd-lemma6", runs=runs)


RING_RATES = {
    "qprsgd-cor11-rate": test_ring_rates.test_corollary11,
    "qprsgd-cor12-rate": test_ring_rates.test_corollary12,
    "qprsgd-cor13-rate": test_ring_rates.test_corollary13,
    "qprsgd-linear-speedup-rar": test_ring_rates.test_linear_speedup,
}


def test_rates_of_the_ring_tell_a_sum_from_a_mean(tmp_path):
    runs = simulate(test_ring_rates.experiments(SETTINGS), wrong.NoDivision)
    for claim, test in RING_RATES.items():
        figures = {"figures": FigureFolder(tmp_path)} if "linear" in claim else {}
        red(test, claim, runs=runs, **figures)


def test_noise_that_does_not_fall_with_workers_has_no_speedup(monkeypatch, tmp_path):
    monkeypatch.setattr(test_ring_rates, "_follows", lambda runs: exactly([1], [1]))
    right = expectations.ring
    monkeypatch.setattr(expectations, "ring", lambda p, q, gamma, syncs: right(p, q, gamma, syncs) + gamma)
    fixtures = {"runs": [], "figures": FigureFolder(tmp_path)}
    red(test_ring_rates.test_linear_speedup, "qprsgd-linear-speedup-rar", **fixtures)


# -------------------------------------------------------------------------------------------------------------- gossip


@pytest.mark.parametrize("algorithm", [wrong.WholeModels, wrong.StaleCopies, wrong.NoMixing])
def test_wrong_gossip_does_not_follow_the_recursion(algorithm, monkeypatch):
    make = lambda K, s, W: algorithm(K, wrong.Levels(s), theory.value(W))  # noqa: E731
    monkeypatch.setattr(test_gossip, "algorithm", make)
    red(test_gossip.test_recursion, "qprsgd-alg2-recursion")


def test_whole_models_are_compressed_with_too_much_noise(monkeypatch):
    far = {"bowl": (theory.Quadratic(1.0, centre=30.0, pattern="outlier"), theory.Gaussian(0.1))}
    monkeypatch.setattr(theory, "PROBLEMS", far)
    monkeypatch.setattr(theory, "FRACTIONS", {0.8: 64})
    runs = simulate(test_gossip.experiments(SETTINGS), wrong.WholeModels)
    red(test_gossip.test_lemma2, "qprsgd-lemma2-noise", runs=runs)


def test_lemma7_needs_workers_that_start_together():
    runs = simulate(theory.gossip_grid(SETTINGS), wrong.StartApart, ["bowl"])
    red(test_gossip.test_lemma7, "qprsgd-lemma7", runs=runs)


def test_lemma11_needs_the_variance_of_assumption1():
    loud = [replace(e, noise=wrong.Louder(1.0)) for e in theory.gossip_grid(SETTINGS) if e.role == "bowl"]
    red(test_gossip.test_lemmas1011, "qprsgd-lemma10-11", runs=simulate(loud))


def test_constants_of_gossip(monkeypatch):
    monkeypatch.setattr(test_gossip, "zeta", lambda W: theory.zeta(W) ** 2)
    red(test_gossip.test_rho, "qprsgd-rho-definition")
    red(test_gossip.test_lemmas89, "qprsgd-lemma8-9")
    monkeypatch.setattr(test_gossip, "_spread", lambda W: 0.9)
    red(test_gossip.test_precondition, "qprsgd-gossip-precondition")


def test_lemma3_as_printed_is_no_correction(monkeypatch):
    runs = simulate([e for e in theory.gossip_grid(SETTINGS) if e.role == "noiseless bowl"])
    right = bounds.Gossip.lemma3
    monkeypatch.setattr(
        bounds.Gossip, "lemma3", lambda s, gamma, g, mean, printed=False: right(s, gamma, g, mean, True)
    )
    red(test_gossip.test_lemma3, "qprsgd-lemma3-gradient-sum", runs=runs)


GOSSIP_RATES = {
    "qprsgd-cor21-rate": test_gossip_rates.test_corollary21,
    "qprsgd-abstract-rate": test_gossip_rates.test_rate_in_k,
    "qprsgd-table1-this-paper": test_gossip_rates.test_rate_in_k,
    "qprsgd-effect-K-optimal": test_gossip_rates.test_effect_of_k,
    "qprsgd-consistent-dcd": test_gossip_rates.test_consistent_with_dcd,
}


def test_rates_by_gossip_tell_copies_that_are_not_tracked(tmp_path):
    runs = simulate(test_gossip_rates.experiments(SETTINGS), wrong.StaleCopies)
    for claim, test in GOSSIP_RATES.items():
        figures = {"figures": FigureFolder(tmp_path)} if "cor21" in claim else {}
        red(test, claim, runs=runs, **figures)


def test_theorem2_tells_copies_that_are_not_tracked(tmp_path):
    runs = simulate(test_theorem2.experiments(SETTINGS), wrong.StaleCopies, ["bowl", "missing"])
    red(test_theorem2.test_theorem2, "qprsgd-theorem2-bound", runs=runs, figures=FigureFolder(tmp_path))


def test_theorem2_as_printed_is_no_correction(monkeypatch, tmp_path):
    runs = simulate(test_theorem2.experiments(SETTINGS), None, ["bowl", "missing"])
    right = bounds.Gossip.theorem2
    monkeypatch.setattr(bounds.Gossip, "theorem2", lambda s, gamma, syncs, printed=False: right(s, gamma, syncs, True))
    red(test_theorem2.test_theorem2, "qprsgd-theorem2-bound", runs=runs, figures=FigureFolder(tmp_path))


def test_a_model_with_a_layer_more(monkeypatch):
    monkeypatch.setattr(test_table1, "STAGES", ((64, 3), (128, 4), (256, 6), (512, 4)))
    red(test_table1.test_model_size, "qprsgd-model-size")


# ----------------------------------------------------------------------------------------------------- our formulas


def test_expectations_of_one_worker_are_gradient_descent():
    # |grad F|^2 falls by (1 - gamma)^2 a step from 2 h gap = 4
    p = expectations.Problem(1, 1, 1.0, 0.0, 2.0)
    assert expectations.ring(p, 0.0, 0.5, 3) == pytest.approx(4 * (1 + 0.25 + 0.0625) / 3)
    assert expectations.gossip(p, 0.0, np.ones((1, 1)), 0.5, 3) == pytest.approx(4 * (1 + 0.25 + 0.0625) / 3)
