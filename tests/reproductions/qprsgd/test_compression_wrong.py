"""The reproductions of QPRSGD's compression can fail: wrong roundings, codes and constants turn their claims red."""

from __future__ import annotations

import numpy as np
import pytest

from reproductions.harness.figures import FigureFolder
from reproductions.qprsgd import (
    bounds,
    code_length,
    exact,
    rounding,
    test_algorithm1,
    test_algorithm2,
    test_code_length,
    test_quantizer,
    test_recursion,
)
from tests.reproductions.qprsgd import wrong_rules as wrong
from tests.reproductions.qprsgd.trials import red


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    for module in (test_code_length, test_recursion):
        monkeypatch.setattr(module, "_draw", lambda *_: None)


# ------------------------------------------------------------------------------------------------------- the quantizer


@pytest.mark.parametrize(
    ("kind", "claim", "test"),
    [
        (wrong.Coarse, "qprsgd-eq2-levels", test_quantizer.test_levels),
        (wrong.Nearest, "qprsgd-quantiser-eq34", test_quantizer.test_probabilities),
        (wrong.Floor, "qprsgd-quantiser-eq34", test_quantizer.test_probabilities),
        (wrong.Nearest, "qprsgd-lemma4-unbiased", test_quantizer.test_unbiased),
        (wrong.Floor, "qprsgd-lemma4-unbiased", test_quantizer.test_unbiased),
        (wrong.Coarse, "qprsgd-lemma5-second-moment", test_quantizer.test_second_moment),
        (wrong.Nearest, "qprsgd-lemma5-second-moment", test_quantizer.test_second_moment),
    ],
)
def test_wrong_roundings(kind, claim, test, monkeypatch):
    monkeypatch.setattr(test_quantizer, "quantizer", lambda s, wire="fixed": kind(s))
    red(test, claim)


@pytest.mark.parametrize(
    ("claim", "test"),
    [
        ("qprsgd-eq2-levels", test_quantizer.test_levels),
        ("qprsgd-quantiser-eq34", test_quantizer.test_probabilities),
        ("qprsgd-lemma4-unbiased", test_quantizer.test_unbiased),
    ],
)
def test_messages_that_decode_to_a_level_more(claim, test, monkeypatch):
    monkeypatch.setattr(test_quantizer, "quantizer", lambda s, wire="fixed": wrong.OneLevelMore(s, wire=wire))
    red(test, claim)


@pytest.mark.parametrize(
    ("module", "claim", "test"),
    [
        (test_algorithm1, "qprsgd-alg1-order", test_algorithm1.test_order),
        (test_algorithm2, "qprsgd-alg2-recursion", test_algorithm2.test_recursion),
    ],
)
def test_algorithms_see_a_quantizer_that_their_reference_shares(module, claim, test, monkeypatch):
    monkeypatch.setattr(module, "Quantizer", wrong.OneLevelMore)
    red(test, claim)


def test_wrong_moments_of_a_rounding(monkeypatch):
    right = rounding.rounding
    doubled = lambda v, s: right(v, s)._replace(unit=1.01 * right(v, s).unit)  # noqa: E731
    monkeypatch.setattr(test_quantizer, "rounding", doubled)
    red(test_quantizer.test_raw_second_moment, "qprsgd-eq-raw-second-moment")
    many = lambda v, s: right(v, s)._replace(level=right(v, s).level + (np.abs(v) > 0))  # noqa: E731
    monkeypatch.setattr(test_quantizer, "rounding", many)
    red(test_quantizer.test_nonzeros, "qprsgd-lemma12-nnz")


def test_an_elias_code_with_a_zero_more(monkeypatch):
    longer = lambda k: code_length.gamma_bits(k) + 1  # noqa: E731
    monkeypatch.setattr(test_quantizer, "gamma_bits", longer)
    red(test_quantizer.test_bits, "qprsgd-bits-implied-s")
    monkeypatch.setattr(test_code_length, "gamma_bits", longer)
    red(test_code_length.test_elias, "qprsgd-elias-length")
    red(test_code_length.test_lemma13, "qprsgd-lemma13-elias")


def test_theorem3_without_its_ones(monkeypatch, tmp_path):
    right = code_length.theorem3
    monkeypatch.setattr(test_code_length, "theorem3", lambda d, s, ones: right(d, s, min(ones, 1)))
    red(test_code_length.test_theorem3, "qprsgd-theorem3-code-length", figures=FigureFolder(tmp_path))


# ------------------------------------------------------------------------------------------------- the recursive noise


def test_more_noise_than_lemma1_allows(monkeypatch, tmp_path):
    right = rounding.draw_sum
    monkeypatch.setattr(test_recursion, "draw_sum", lambda w, s, rng: right(w, max(1, s // 6), rng))
    red(test_recursion.test_lemma1, "qprsgd-lemma1-bound", figures=FigureFolder(tmp_path))
    red(test_recursion.test_remark1, "qprsgd-remark1")


def test_constants_of_the_recursion(monkeypatch, tmp_path):
    monkeypatch.setattr(test_recursion, "c1", lambda x, M: bounds.c1(x, M) / 2)
    red(test_recursion.test_lemma1, "qprsgd-lemma1-bound", figures=FigureFolder(tmp_path))
    red(test_recursion.test_c1, "qprsgd-C1-definition")
    monkeypatch.undo()
    monkeypatch.setattr(test_recursion, "most_workers", lambda x, lead: 50 * bounds.most_workers(x, lead))
    red(test_recursion.test_condition7, "qprsgd-remark2-M-condition")
    monkeypatch.setattr(test_recursion, "most_workers", lambda x, lead: x * 1e9)
    red(test_recursion.test_impact_of_s, "qprsgd-impact-s")


def test_the_counter_example_to_remark2_needs_its_noise(monkeypatch):
    right = rounding.draw_sum
    monkeypatch.setattr(test_recursion, "draw_sum", lambda w, s, rng: right(w, 8 * s, rng))
    red(test_recursion.test_remark2, "qprsgd-remark2-bound")


def test_a_decreasing_sequence(monkeypatch):
    right = test_recursion._f
    monkeypatch.setattr(test_recursion, "_f", lambda x, M: 1 / right(x, M))
    red(test_recursion.test_monotone, "qprsgd-fM-monotone")


# ----------------------------------------------------------------------------------------------------- our formulas


def test_relative_noise_is_that_of_samples_and_below_lemma5():
    rng, d = np.random.default_rng(0), 4000
    for s in (5, 60, 400):
        v = rng.standard_normal(d)
        sampled = float(rounding.rounding(v, s).noise) / float(v @ v)
        assert exact.relative_noise(d, s) == pytest.approx(sampled, rel=0.03)
        assert exact.relative_noise(d, s) <= bounds.noise_factor(d, s)
