"""The points of figures 6 and 7: rates of web messages and degrees of prioritization."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run
from reproductions.harness.verdicts.decisions import Decision
from reproductions.harness.verdicts.intervals import mean_interval
from reproductions.harness.verdicts.statistics import increasing
from reproductions.rps.colocation.experiment import Colocation, Scene
from reproductions.rps.colocation.traffic import Web

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATES = (2000, 5000, 10_000)  # figure 6
DEGREES = (0.0, 0.25, 0.5, 0.75, 1.0)  # fractions of the web messages with priority
ROUNDS = {"smoke": 1, "small": 4, "paper": 16}
FEWEST = 5  # seeds
MORE = {200: 4, 1000: 2, 2000: 4}  # rounds in the place of one: few messages, and the rate at which 10 % loss occurs

Changes = dict[str, dict[str, Any]]
"""New values of parameters, by ``fabric``, ``transport`` and ``learning``."""


def scene(rate: float, degree: float) -> Scene:
    """Return the stated system at one rate of web messages and one degree."""
    return Scene(Web(rate, marked=degree))


def variant(base: Scene, changes: Changes) -> Scene:
    """Return a system with some parameters of its fabric, its transport or its learning traffic changed."""
    transport = replace(base.fabric.transport, **changes.get("transport", {}))
    fabric = replace(base.fabric, transport=transport, **changes.get("fabric", {}))
    return replace(base, fabric=fabric, learning=replace(base.learning, **changes.get("learning", {})))


def point(settings: Settings, scene: Scene, seeds: Sequence[int] | None = None) -> list[Colocation]:
    """Return the runs of a scene, one a seed: at least `FEWEST` at any scale, for rounds cost little."""
    chosen = seeds or range(max(FEWEST, len(settings.fewer_seeds())))
    rounds = ROUNDS[settings.scale] * MORE.get(int(scene.web.rate), 1)
    return [Colocation(scene, rounds, seed) for seed in chosen]


def table(runs: Iterable[Run[Colocation]]) -> pd.DataFrame:
    """Return one row a run: rate, degree and seed, and the mean over rounds of every metric."""
    rows = []
    for run in runs:
        web = run.experiment.scene.web
        means = run.frame.groupby("metric")["value"].mean()
        rows.append({"rate": web.rate, "degree": web.marked, "seed": run.experiment.seed} | means.to_dict())
    return pd.DataFrame(rows)


def by_degree(table: pd.DataFrame, metric: str, rate: float) -> pd.DataFrame:
    """Return a metric at one rate: a row for every seed, a column for every degree."""
    return table[table["rate"] == rate].pivot(index="seed", columns="degree", values=metric)


def speed_ups(table: pd.DataFrame, rate: float) -> pd.DataFrame:
    """Return how much faster messages are through than without prioritization, seed by seed."""
    times = by_degree(table, "completion_ms", rate)
    return times.rdiv(times[0.0], axis="index")


def rises(by_degree: pd.DataFrame) -> Decision:
    """Decide that a metric rises with the degree; it fails where all seeds and degrees have one value."""
    constant = by_degree.to_numpy().min() == by_degree.to_numpy().max()
    return increasing([by_degree[degree] for degree in by_degree], of="values" if constant else "seeds")


def draw(axis: Axes, losses: pd.DataFrame, values: pd.DataFrame, label: str) -> None:
    """Draw the means of every degree with their intervals in both directions."""
    x, y = ([mean_interval(frame[degree]) for degree in frame] for frame in (losses, values))
    halves = [[interval.high - interval.estimate for interval in side] for side in (y, x)]
    centres = [[interval.estimate for interval in side] for side in (x, y)]
    axis.errorbar(centres[0], centres[1], yerr=halves[0], xerr=halves[1], marker="o", ms=4, label=label)
