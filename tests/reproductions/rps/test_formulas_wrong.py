"""The claims of RPS on formulas and on the owners of blocks can fail: wrong formulas turn them red."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.streams import stream
from algorithms.world import World
from reproductions.rps import test_algorithm1, test_lemmas3_5, test_lemmas6_8
from tests.reproductions.lab import assert_red


def test_weights_that_do_not_sum_to_one_are_no_average(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_lemmas3_5, "_averaging", lambda n: np.full((n, n), 1 / (n + 1)))
    assert_red("rps-eq8-trace", test_lemmas3_5.test_trace_of_an_average)
    assert_red("rps-eq28-spread", test_lemmas3_5.test_spread_around_the_mean)


def test_a_formula_of_the_right_order_would_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_lemmas6_8.exact, "printed_alpha2", test_lemmas6_8.exact.alpha2)
    assert_red("rps-alpha2-order-shown", test_lemmas6_8.test_order_by_the_printed_formula)


def test_less_than_a_third_of_the_formula_of_lemma8_is_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    right = test_lemmas6_8.exact.printed_alpha2  # the formula is 2.9 times the exact value at least
    monkeypatch.setattr(test_lemmas6_8.exact, "printed_alpha2", lambda n, p: 0.3 * right(n, p))
    assert_red("rps-lemma8-printed-alpha2", test_lemmas6_8.test_printed_lemma8)


def test_a_formula_that_is_a_bound_is_no_erratum_of_lemma_7(monkeypatch: pytest.MonkeyPatch) -> None:
    right = test_lemmas6_8.exact.printed_alpha1
    monkeypatch.setattr(test_lemmas6_8.exact, "printed_alpha1", lambda n, p: 2000 * right(n, p))
    assert_red("rps-lemma7-printed-alpha1", test_lemmas6_8.test_printed_lemma7)


def test_owners_that_never_change_are_not_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "stream", lambda world, purpose, worker=0, step=0: stream(world.seed, purpose, worker))
    assert_red("rps-alg1-owner-random", test_algorithm1.test_owners_are_a_fresh_permutation)
