"""What is drawn and computed of one's own algorithm beside that of a paper, from runs that are made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reproductions.harness.figures import draw, panels
from reproductions.harness.overlay import Sketch, Sketchbook, differences, overlay
from reproductions.harness.runs.labelled import Label, Runs
from reproductions.harness.runs.store import Run
from tests.harness.toy_experiments import Toy

PAPER: dict[Label, list[float]] = {(1, "a"): [1.0, 1.2, 1.1], (4, "b"): [2.0, 2.3, 2.1]}


def made(ends: dict[Label, list[float]]) -> Runs:
    return Runs({label: [_run(seed, end) for seed, end in enumerate(group)] for label, group in ends.items()})


def _run(seed: int, end: float) -> Run:
    rows = [(1, "loss", 3.0), (2, "loss", end), (2, "digest", 7.0)]
    return Run(Toy("", 1.0, seed), pd.DataFrame(rows, columns=["step", "metric", "value"]), {"ranks": 1})


def sketched(runs: Runs) -> Sketch:
    """Draw as a test does: curves, something printed and something computed."""
    figure, (axis,) = panels(1)
    frame = runs.curves("loss")
    draw(axis, frame.assign(label=[f"K = {label[0]}" for label in frame["label"]]))
    axis.plot([1, 2], [1.0, 1.0], label="bound")
    axis.plot([2, 2], [0.9, 1.1])
    axis.legend(title="period")
    book = Sketchbook(Path("somewhere"))
    assert book.save("figure9", figure, frame.drop(columns="label")) == Path("somewhere/figure9.svg")
    return book.sketches[0]


def labels(sketch: Sketch) -> list[str]:
    return [str(line.get_label()) for line in sketch.figure.axes[0].lines if line.get_linestyle() == "--"]


def above(by: float) -> Runs:
    return made({label: [end + by for end in group] for label, group in PAPER.items()})


def test_curves_of_ones_own_are_dashed_in_the_colours_of_the_papers() -> None:
    found = overlay(sketched(made(PAPER)), sketched(above(0.5)), "Mine", everywhere=True)
    axis = found.figure.axes[0]
    assert [str(line.get_label()) for line in axis.lines[:3]] == ["K = 1", "K = 4", "bound"]
    assert labels(found) == ["Mine, K = 1", "Mine, K = 4"]
    assert [line.get_color() for line in axis.lines[-2:]] == [line.get_color() for line in axis.lines[:2]]
    legend = axis.get_legend()
    assert legend is not None
    assert "Mine, K = 4" in [text.get_text() for text in legend.get_texts()]
    ends = found.frame[found.frame["step"] == 2].groupby("whose")["value"].mean()
    assert ends["Mine"] - ends["paper"] == pytest.approx(0.5)


def test_what_is_the_same_under_all_labels_is_one_curve() -> None:
    same = made({label: [5.0, 5.1, 5.2] for label in PAPER})
    assert labels(overlay(sketched(made(PAPER)), sketched(same), "Mine", everywhere=True)) == ["Mine"]


def test_a_curve_that_is_the_papers_is_drawn_only_if_it_is_of_ones_own() -> None:
    assert labels(overlay(sketched(made(PAPER)), sketched(made(PAPER)), "Mine", everywhere=True)) == [
        "Mine, K = 1",
        "Mine, K = 4",
    ]
    half = made(PAPER | {(4, "b"): [9.0, 9.0, 9.1]})
    assert labels(overlay(sketched(made(PAPER)), sketched(half), "Mine", everywhere=False)) == ["Mine, K = 4"]


def test_differences_are_paired_by_seed_and_zero_for_an_equal_algorithm() -> None:
    zero = differences(made(PAPER), made(PAPER))
    assert list(zero["label"]) == ["1, a", "4, b"]
    assert set(zero["metric"]) == {"loss"}
    assert (zero[["difference", "low", "high"]] == 0).all(axis=None)
    found = differences(made(PAPER), above(0.5), ["loss", "nothing"])
    assert np.allclose(found[["difference", "low", "high"]], 0.5)  # the same in every seed: no spread is left
    assert list(found["seeds"]) == [3, 3]


def test_a_run_that_diverged_has_no_difference() -> None:
    found = differences(made(PAPER), made(PAPER | {(4, "b"): [np.nan, 2.0, 2.0]})).set_index("label")
    assert found.loc["1, a", "difference"] == 0
    assert found.loc["4, b", ["difference", "low", "high"]].isna().all()
