"""The points of figures 6 and 7: rates of web messages and degrees of prioritization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from reproductions.harness.settings import Settings
from reproductions.harness.statistics import mean_interval
from reproductions.harness.store import Run
from reproductions.rps.colocation.experiment import Colocation, Scene
from reproductions.rps.colocation.traffic import Web

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATES = (2000, 5000, 10_000)  # figure 6
DEGREES = (0.0, 0.25, 0.5, 0.75, 1.0)  # fractions of the web messages with priority
ROUNDS = {"smoke": 1, "small": 4, "paper": 16}
FEWEST = 5  # seeds
MORE = {200: 4, 1000: 2, 2000: 4}  # rounds in the place of one: few messages, and the rate at which 10 % loss occurs


def scene(rate: float, degree: float) -> Scene:
    """Return the stated system at one rate of web messages and one degree."""
    return Scene(Web(rate, marked=degree))


def point(settings: Settings, scene: Scene, seeds: Sequence[int] | None = None) -> list[Colocation]:
    """Return the runs of a scene, one a seed: at least `FEWEST` at any scale, for rounds cost little."""
    chosen = seeds or range(max(FEWEST, len(settings.fewer_seeds())))
    rounds = ROUNDS[settings.scale] * MORE.get(int(scene.web.rate), 1)
    return [Colocation(scene, rounds, seed) for seed in chosen]


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row a run: rate, degree and seed, and the mean over rounds of every metric."""
    rows = []
    for run in runs:
        experiment = run.experiment
        assert isinstance(experiment, Colocation)
        web = experiment.scene.web
        means = run.frame.groupby("metric")["value"].mean()
        rows.append({"rate": web.rate, "degree": web.marked, "seed": experiment.seed} | means.to_dict())
    return pd.DataFrame(rows)


def by_degree(table: pd.DataFrame, metric: str, rate: float) -> pd.DataFrame:
    """Return a metric at one rate: a row for every seed, a column for every degree."""
    return table[table["rate"] == rate].pivot(index="seed", columns="degree", values=metric)


def speed_ups(table: pd.DataFrame, rate: float) -> pd.DataFrame:
    """Return how much faster messages are through than without prioritization, seed by seed."""
    times = by_degree(table, "completion_ms", rate)
    return times.rdiv(times[0.0], axis="index")


def draw(axis: Axes, losses: pd.DataFrame, values: pd.DataFrame, label: str) -> None:
    """Draw the means of every degree with their intervals in both directions."""
    x, y = ([mean_interval(frame[degree]) for degree in frame] for frame in (losses, values))
    halves = [[interval.high - interval.estimate for interval in side] for side in (y, x)]
    centres = [[interval.estimate for interval in side] for side in (x, y)]
    axis.errorbar(centres[0], centres[1], yerr=halves[0], xerr=halves[1], marker="o", ms=4, label=label)
