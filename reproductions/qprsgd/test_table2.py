"""Table II: accuracy after a time and time to a loss at three bandwidths, by the model of `table2`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations, product

import numpy as np
import pandas as pd

from reproductions.experiments.training import Training
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Interval,
    Label,
    Runs,
    Settings,
    all_of,
    decides,
    exactly,
    less,
    name_of,
    panels,
    reached,
    within,
)
from reproductions.qprsgd import table2, test_figure3_methods
from reproductions.qprsgd.curves import Curves, Rounds, interval
from reproductions.qprsgd.recipes import PARADIGMS, methods
from reproductions.qprsgd.table2 import BANDWIDTHS, CALIBRATIONS, printed

BLOCKS = tuple(product(PARADIGMS, BANDWIDTHS))
APART_TIME, APART_ACCURACY = 0.1, 2.0  # printed cells closer than this (relative; points) have no order to reproduce


def experiments(settings: Settings) -> dict[Label, list[Training]]:
    """Return the runs of figure 3(c, d, g, h), on which the table rests."""
    return test_figure3_methods.experiments(settings)


def _pairs(cells: dict[str, float], apart: float, relative: bool) -> Iterator[tuple[str, str]]:
    """Return the pairs of methods whose printed cells differ enough to have an order, the smaller one first."""
    for low, high in permutations(cells, 2):
        gap = cells[high] - cells[low]
        if gap > (apart * cells[high] if relative else apart):
            yield low, high


def _block(claim: Decider) -> tuple[str, int]:
    return str(claim.claim.at["paradigm"]), int(claim.claim.at["bandwidth"])


def _ordered(claim: Decider, found: Mapping[str, Rounds], pairs: list[tuple[str, str]]) -> Decision:
    if not pairs:  # all printed cells are about equal
        apart = [found[name] - found["QPRSGD"] for name in found if name != "QPRSGD"]
        return all_of(*(within(each, -APART_ACCURACY, APART_ACCURACY, 1 - 2 * claim.alpha) for each in apart))
    alpha = claim.alpha / len(pairs)
    decide = lambda: all_of(*(less(found[low], found[high], alpha=alpha) for low, high in pairs))  # noqa: E731
    return reached(found, decide, every=True)


def _cells_found(found: Mapping[str, Rounds]) -> dict[str, Interval]:
    """Return what the model has in place of the printed cells, for the methods of which every run converged."""
    intervals = {name: interval(values) for name, values in found.items()}
    return {name: each for name, each in intervals.items() if each is not None}


@decides(*(f"qprsgd-table2-{p.lower()}-{b}mbps-time" for p, b in BLOCKS))
def test_times_to_a_loss(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    paradigm, bandwidth = _block(claim)
    pairs = list(_pairs(printed(paradigm, bandwidth, "time"), APART_TIME, relative=True))
    found = test_figure3_methods.curves(settings, runs)
    decisions, texts = {}, []
    for name, calibration in zip(claim.claim.readings, CALIBRATIONS, strict=True):
        hours = table2.hours(found, paradigm, bandwidth, calibration)
        decisions[name] = _ordered(claim, {method: np.log(times) for method, times in hours.items()}, pairs)
        cells = ", ".join(f"{method} {times.mean():.2f}" for method, times in hours.items())
        texts.append(f"{cells} h, messages {table2.share(calibration):.0%}")
    number = _cells_found(table2.hours(found, paradigm, bandwidth))
    claim.decide_readings(decisions, "; ".join(texts), runs, number)


@decides(*(f"qprsgd-table2-{p.lower()}-{b}mbps-acc" for p, b in BLOCKS))
def test_accuracies_after_a_time(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    paradigm, bandwidth = _block(claim)
    pairs = list(_pairs(printed(paradigm, bandwidth, "acc"), APART_ACCURACY, relative=False))
    found = test_figure3_methods.curves(settings, runs)
    decisions, texts = {}, []
    for name, calibration in zip(claim.claim.readings, CALIBRATIONS, strict=True):
        accuracies = table2.accuracies(found, paradigm, bandwidth, calibration)
        decisions[name] = _ordered(claim, accuracies, pairs)
        texts.append(", ".join(f"{method} {values.mean():.1f}" for method, values in accuracies.items()) + " %")
    number = _cells_found(table2.accuracies(found, paradigm, bandwidth))
    claim.decide_readings(decisions, "; ".join(texts), runs, number)


@decides("qprsgd-table2-fastest")
def test_fastest_unless_the_network_is(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    found, decisions, texts = test_figure3_methods.curves(settings, runs), [], []
    for paradigm, bandwidth in product(PARADIGMS, BANDWIDTHS[1:]):
        hours = {name: np.log(times) for name, times in table2.hours(found, paradigm, bandwidth).items()}
        pairs = [("QPRSGD", other) for other in hours if other != "QPRSGD"]
        decisions.append(_ordered(claim, hours, pairs))
        texts.append(f"{paradigm} at {bandwidth}: {min(hours, key=lambda name: float(hours[name].mean()))}")
    fastest = [min(cells := printed(p, b, "time"), key=cells.__getitem__) == "QPRSGD" for p, b in BLOCKS]
    table = exactly(fastest, [bandwidth < max(BANDWIDTHS) for _, bandwidth in BLOCKS])
    claim.decide(all_of(table, *decisions), f"fastest {', '.join(texts)}", runs)


def test_table2(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    figure, axes = panels(4, width=3.6)
    found = test_figure3_methods.curves(settings, runs)
    frame = pd.DataFrame(_cells(found))
    for k, (paradigm, column) in enumerate(product(PARADIGMS, ("time", "acc"))):
        axis, part = axes[k], frame[(frame["paradigm"] == paradigm) & (frame["column"] == column)]
        for colour, name in zip(COLOURS, methods(paradigm), strict=False):
            mine = part[part["method"] == name]
            for calibration, style in zip(CALIBRATIONS, ("o-", "x-."), strict=True):
                ours = mine[mine["calibrated_on"] == f"{calibration[0]}/{calibration[1]}"]
                axis.plot(ours["mbps"], ours["modelled"], style, color=colour, ms=4, lw=1, label="_")
            axis.plot(ours["mbps"], ours["printed"], "s:", color=colour, mfc="none", label=name)
        axis.set(xscale="log", xlabel="bandwidth [Mbit/s]", xticks=BANDWIDTHS, xticklabels=BANDWIDTHS)
        axis.minorticks_off()
        axis.set_title(f"{paradigm}: " + ("time to a loss" if column == "time" else "accuracy after a time"))
        axis.set_ylabel("hours to convergence" if column == "time" else "accuracy after 1200 s [%]")
        if column == "time":
            axis.set_yscale("log")
    for style, label in (("ks:", "printed"), ("ko-", "model, 100/5"), ("kx-.", "model, 100/20")):
        axes[0].plot([], [], style, mfc="none", label=label)
    axes[0].legend(fontsize=7)
    figure.suptitle(name_of(settings, "ResNet-34", runs.all))
    figures.save("table2", figure, frame)


def _cells(found: Curves) -> Iterator[dict[str, object]]:
    """Yield every cell of the table: printed, and by the model under both calibrations."""
    for (paradigm, bandwidth), calibration in product(BLOCKS, CALIBRATIONS):
        columns = {
            "time": table2.hours(found, paradigm, bandwidth, calibration),
            "acc": table2.accuracies(found, paradigm, bandwidth, calibration),
        }
        for column, name in product(columns, methods(paradigm)):
            yield {
                "paradigm": paradigm,
                "method": name,
                "mbps": bandwidth,
                "column": column,
                "calibrated_on": f"{calibration[0]}/{calibration[1]}",
                "modelled": columns[column][name].mean(),
                "printed": printed(paradigm, bandwidth, column)[name],
            }
