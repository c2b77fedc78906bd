"""The link model behind table II against links that really have its bandwidths: seconds a round of the four methods.

It decides no claim: the paper prints hours to a loss, which a model of this size does not decide. It checks the link
model that does.
"""

from __future__ import annotations

from itertools import permutations

import pandas as pd

from reproductions.harness.figures import FigureFolder, panels
from reproductions.harness.rounds import CLOSE, RATES, Rounds, draw, table
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run, select
from reproductions.qprsgd.grids import BITS12, PARADIGMS, methods
from reproductions.qprsgd.table2 import round_seconds
from reproductions.qprsgd.test_table2 import APART_TIME

FLOATS = 125_000  # of the model; ResNet-34 has 21 million
APART = 1.25  # modelled seconds that differ by this factor have an order


def _grid(paradigm: str) -> dict[str, list[Rounds]]:
    return {
        name: [Rounds(method.algorithm(BITS12.s), method.period, method.workers, FLOATS, rate) for rate in RATES]
        for name, method in methods(paradigm).items()
    }


def experiments(settings: Settings) -> list[Rounds]:
    """Return a round of every method at every bandwidth; the same at every scale."""
    return [run for paradigm in PARADIGMS for runs in _grid(paradigm).values() for run in runs]


def _table(runs: list[Run], paradigm: str) -> pd.DataFrame:
    return table({name: select(runs, group) for name, group in _grid(paradigm).items()})


def test_seconds_of_a_round_are_those_of_the_link_model(runs: list[Run]) -> None:
    found = pd.concat([_table(runs, paradigm) for paradigm in PARADIGMS])
    slow = found[found["mbps"] < 100]  # at 100 Mbit/s a round of so small a model is mostly latency and arithmetic
    assert slow["ratio"].between(*CLOSE).all(), slow.to_string()


def test_methods_are_in_the_order_of_the_link_model(runs: list[Run]) -> None:
    for paradigm in PARADIGMS:
        for _, cells in _table(runs, paradigm).groupby("mbps"):
            pairs = permutations(zip(cells["modelled"], cells["measured"], strict=True), 2)
            assert all(slow[1] > fast[1] for fast, slow in pairs if slow[0] > APART * fast[0]), f"{paradigm}\n{cells}"


def test_table2_hardly_changes_with_measured_communication(runs: list[Run]) -> None:
    for paradigm in PARADIGMS:
        found = _table(runs, paradigm).set_index(["label", "mbps"])["ratio"]
        for name, method in methods(paradigm).items():
            for rate in (5, 20):
                communication = 1 - method.period / round_seconds(method, rate)  # share of a round
                change = communication * (float(found[name, rate]) - 1)
                assert abs(change) < APART_TIME, f"{paradigm}, {name}, {rate} Mbit/s: {change:+.1%} of a round"


def test_real_links(runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(2)
    frames = [_table(runs, paradigm).assign(paradigm=paradigm) for paradigm in PARADIGMS]
    for axis, frame, paradigm in zip(axes, frames, PARADIGMS, strict=True):
        draw(axis, frame)
        axis.set_title(paradigm)
    figure.suptitle(f"Four hosts on real links, model of {FLOATS:,} floats, communication only", fontsize=10)
    figures.save("real-links", figure, pd.concat(frames))
