"""The link model behind table II against links that really have its bandwidths: seconds a round of the four methods.

It decides no claim: the paper prints hours to a loss, which a model of this size does not decide. It checks the link
model that does.
"""

from __future__ import annotations

from itertools import permutations, product

import pandas as pd

from reproductions.experiments.link_figures import CLOSE, draw, table
from reproductions.experiments.link_rounds import RATES, Rounds
from reproductions.paper import FigureFolder, Label, Runs, Settings, panels
from reproductions.qprsgd.recipes import BITS12, METHODS, PARADIGMS, methods
from reproductions.qprsgd.table2 import round_time
from reproductions.qprsgd.test_table2 import APART_TIME

FLOATS = 125_000  # of the model; ResNet-34 has 21 million
APART = 1.25  # modelled seconds that differ by this factor have an order


def experiments(settings: Settings) -> dict[Label, list[Rounds]]:
    """Return a round by paradigm, method and bandwidth; the same at every scale."""
    return {
        (method.paradigm, label[-1], rate): [
            Rounds(method.algorithm(BITS12.s), method.period, method.workers, FLOATS, rate)
        ]
        for (label, method), rate in product(METHODS.items(), RATES)
        if isinstance(label, tuple)
    }


def _table(runs: Runs[Rounds], paradigm: str) -> pd.DataFrame:
    return table({name: [runs[paradigm, name, rate][0] for rate in RATES] for name in methods(paradigm)})


def test_seconds_of_a_round_are_those_of_the_link_model(runs: Runs[Rounds]) -> None:
    found = pd.concat([_table(runs, paradigm) for paradigm in PARADIGMS])
    slow = found[found["mbps"] < 100]  # at 100 Mbit/s a round of so small a model is mostly latency and arithmetic
    assert slow["ratio"].between(*CLOSE).all(), slow.to_string()


def test_methods_are_in_the_order_of_the_link_model(runs: Runs[Rounds]) -> None:
    for paradigm in PARADIGMS:
        for _, cells in _table(runs, paradigm).groupby("mbps"):
            pairs = permutations(zip(cells["modelled"], cells["measured"], strict=True), 2)
            assert all(slow[1] > fast[1] for fast, slow in pairs if slow[0] > APART * fast[0]), f"{paradigm}\n{cells}"


def test_table2_hardly_changes_with_measured_communication(runs: Runs[Rounds]) -> None:
    for paradigm in PARADIGMS:
        found = _table(runs, paradigm).set_index(["label", "mbps"])["ratio"]
        for name, method in methods(paradigm).items():
            for rate in (5, 20):
                communication = 1 - method.period / round_time(method, rate)  # share of a round
                change = communication * (float(found[name, rate]) - 1)
                assert abs(change) < APART_TIME, f"{paradigm}, {name}, {rate} Mbit/s: {change:+.1%} of a round"


def test_real_links(runs: Runs[Rounds], figures: FigureFolder) -> None:
    figure, axes = panels(2)
    frames = [_table(runs, paradigm).assign(paradigm=paradigm) for paradigm in PARADIGMS]
    for axis, frame, paradigm in zip(axes, frames, PARADIGMS, strict=True):
        draw(axis, frame)
        axis.set_title(paradigm)
    figure.suptitle(f"Four hosts on real links, model of {FLOATS:,} floats, communication only")
    figures.save("real-links", figure, pd.concat(frames))
