"""The figure of the choices that are ours: a tick for each of them, and what counts as an order that is reversed."""

from itertools import product

import numpy as np
import pandas as pd

from reproductions.coopsgd.test_sensitivity import PAIRS, VARIANTS, _drawn, reversed_orders


def test_each_choice_has_one_tick_under_its_points() -> None:
    cases = list(product(PAIRS, VARIANTS))
    frame = pd.DataFrame([(*case, float(i)) for i, case in enumerate(cases)], columns=["figure", "variant", "gap"])
    for number, axis in enumerate(_drawn(frame).axes):
        words = [" ".join(label.get_text().split()) for label in axis.get_xticklabels()]
        assert words == list(VARIANTS)
        points = axis.lines[0]
        assert list(points.get_xdata()) == list(axis.get_xticks())
        assert list(points.get_ydata()) == [len(VARIANTS) * number + i for i in range(len(VARIANTS))]


def test_one_chance_in_twenty_is_no_reversed_order_among_twelve() -> None:
    gaps = {case: np.array([-0.1, 0.1, 0.2]) for case in product(PAIRS, VARIANTS)}
    chance, clear = list(gaps)[3:5]
    gaps[chance] = np.array([-0.5, -1.0, -1.5])  # t = -3.46: p = 0.037 alone, 0.4 among twelve
    assert reversed_orders(gaps) == []
    assert reversed_orders({chance: gaps[chance]}) == [chance]
    gaps[clear] = np.array([-1.0, -1.01, -0.99])
    assert reversed_orders(gaps) == [clear]
