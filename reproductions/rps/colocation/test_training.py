"""Section 7 closed: the losses of the colocation study as the network of a training run.

The paper trains under independent drops and simulates the web service apart. Here the messages that the simulation
loses, together and while links are busy, are those that RPS loses; speed-up of the service against final loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from reproductions.experiments.training import Training
from reproductions.paper import FigureFolder, Runs, Settings, name_of, panels
from reproductions.rps.colocation.experiment import Colocated, Colocation, Unit
from reproductions.rps.colocation.recipes import point, scene, table
from reproductions.rps.recipes import recipe

DEGREES = (0.0, 1.0)
RATES = (2000, 10_000)
UNITS: dict[Unit, tuple[int, ...]] = {"packet": RATES, "block": (2000,)}
CASES = [(unit, rate, degree) for unit, rates in UNITS.items() for rate in rates for degree in DEGREES]
INDEPENDENT = "independent"
ARRIVALS = (1.0, 0.9, 0.8)  # of independent drops, for comparison
ROUNDS = {"smoke": 3, "small": 8, "paper": 32}
SEEDS = 3
Grid = dict[tuple[Any, ...], list[Training] | list[Colocation]]


def experiments(settings: Settings) -> Grid:
    """Return training under independent drops and under simulated losses, and the points of figure 6 behind these."""
    independent: dict[tuple[Any, ...], list[Training]] = {
        (INDEPENDENT, arrival): _independent(settings, arrival) for arrival in ARRIVALS
    }
    colocated = {case: _colocated(settings, *case) for case in CASES}
    points = {(rate, degree): point(settings, scene(rate, degree)) for rate in RATES for degree in DEGREES}
    return independent | colocated | points


def _seeds(settings: Settings) -> range:
    return range(min(settings.seeds, SEEDS))


def _independent(settings: Settings, arrival: float) -> list[Training]:
    return [recipe(settings, "ResNet20").training(arrival, seed) for seed in _seeds(settings)]


def _colocated(settings: Settings, unit: Unit, rate: float, degree: float) -> list[Training]:
    rounds = ROUNDS[settings.scale]
    networks = [Colocated(scene(rate, degree), rounds, seed, unit) for seed in _seeds(settings)]
    alone = _independent(settings, 1.0)
    return [replace(training, network=network) for training, network in zip(alone, networks, strict=True)]


def summary(runs: Runs[Any]) -> pd.DataFrame:
    """Return one row for every network: its lost messages, final training losses and the speed-up that they buy."""
    rows = []
    for arrival in ARRIVALS:
        row = {"network": INDEPENDENT, "rate": 0, "degree": np.nan, "lost": 1 - arrival, "speed_up": np.nan}
        rows.append(row | _losses(runs.final("train_loss", (INDEPENDENT, arrival))))
    for case in CASES:
        unit, rate, degree = case
        row = {"network": unit, "rate": rate, "degree": degree, "lost": _lost([run.experiment for run in runs[case]])}
        speed_up = _time(runs, rate, 0.0) / _time(runs, rate, degree)
        rows.append(row | {"speed_up": speed_up} | _losses(runs.final("train_loss", case)))
    return pd.DataFrame(rows)


def _losses(ends: Sequence[float]) -> dict[str, float]:
    return {"train_loss": float(np.mean(ends)), "lowest": min(ends), "highest": max(ends)}


def _lost(trainings: Sequence[Training]) -> float:
    """Return the fraction of messages that the traces lose."""
    nodes, traces = trainings[0].nodes, [e.network.trace for e in trainings if isinstance(e.network, Colocated)]
    return float(np.mean([len(trace.lost) / (2 * nodes * (nodes - 1) * trace.steps) for trace in traces]))


def _time(runs: Runs[Any], rate: float, degree: float) -> float:
    return float(table(runs[rate, degree])["completion_ms"].mean())


def test_training_under_simulated_losses(settings: Settings, runs: Runs[Any], figures: FigureFolder) -> None:
    """Losses rise with prioritization, and training with them stays a training run: no loss is above the first one."""
    frame, trained = summary(runs), runs.only(*((INDEPENDENT, arrival) for arrival in ARRIVALS), *CASES)
    _plot(frame, name_of(settings, "ResNet20", trained.all), figures)
    pairs = frame[frame["network"] != INDEPENDENT].pivot(index=["network", "rate"], columns="degree", values="lost")
    assert (pairs[1.0] > pairs[0.0]).all()
    assert all(run.final("train_loss") < run.series("train_loss").iloc[0] for run in trained.all)


def _plot(frame: pd.DataFrame, title: str, figures: FigureFolder) -> None:
    figure, (left, right) = panels(2)
    for (unit, rate), part in frame.groupby(["network", "rate"], sort=False):
        label = unit if unit == INDEPENDENT else f"{rate} a second, by {unit}"
        spread = [part["train_loss"] - part["lowest"], part["highest"] - part["train_loss"]]
        style: dict[str, Any] = {"marker": "o", "ms": 4, "ls": "--" if unit != "packet" else "-", "label": label}
        right.errorbar(part["lost"], part["train_loss"], spread, **style)
        if unit == INDEPENDENT:
            left.plot([], [])  # keep the colours of both panels the same
            left.axhline(part["train_loss"].iloc[0], color="grey", ls=":", lw=1, label="nothing lost")
        else:
            left.errorbar(part["speed_up"], part["train_loss"], spread, **style)
    left.set(xlabel="speed-up of web messages", ylabel="final training loss", title="no to full prioritization")
    right.set(xlabel="messages of learning lost", ylabel="final training loss", title="by what is lost")
    figure.suptitle(title)
    right.xaxis.set_major_formatter("{x:.0%}")
    for axis in (left, right):
        axis.legend(fontsize=7, title="messages lost", title_fontsize=7)
    figures.save("colocated_training", figure, frame)
