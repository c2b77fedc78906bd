"""The figure of the choices that are ours has a tick for each of them, under its points."""

from itertools import product

import pandas as pd

from reproductions.coopsgd.test_sensitivity import PAIRS, VARIANTS, _drawn


def test_each_choice_has_one_tick_under_its_points() -> None:
    cases = list(product(PAIRS, VARIANTS))
    frame = pd.DataFrame([(*case, float(i)) for i, case in enumerate(cases)], columns=["figure", "variant", "gap"])
    for number, axis in enumerate(_drawn(frame).axes):
        words = [" ".join(label.get_text().split()) for label in axis.get_xticklabels()]
        assert words == list(VARIANTS)
        points = axis.lines[0]
        assert list(points.get_xdata()) == list(axis.get_xticks())
        assert list(points.get_ydata()) == [len(VARIANTS) * number + i for i in range(len(VARIANTS))]
