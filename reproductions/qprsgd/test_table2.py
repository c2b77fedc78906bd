"""Table II: accuracy after a time and time to a loss at three bandwidths, and what the text quotes of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pandas as pd

from reproductions.harness.decisions import Decision, all_of, close, exactly
from reproductions.harness.figures import COLOURS, FigureFolder, name_of, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.qprsgd import table2, test_figure3_methods
from reproductions.qprsgd.grids import PARADIGMS, Rounds, methods
from reproductions.qprsgd.table2 import BANDWIDTHS, printed

BLOCKS = [(paradigm, bandwidth) for paradigm in PARADIGMS for bandwidth in BANDWIDTHS]
APART_TIME, APART_ACCURACY = 0.1, 2.0  # printed cells closer than this (relative; points) have no order to reproduce
SHARE = 0.5  # of the time of a run of PSGD at 100 Mbit/s, for the accuracy columns
ALPHA = 0.05 / 12  # Bonferroni over the blocks


def experiments(settings: Settings) -> list[Training]:
    """Return the runs of figure 3(c, d, g, h), on which the table rests."""
    return test_figure3_methods.experiments(settings)


def _pairs(cells: dict[str, float], apart: float, relative: bool) -> Iterator[tuple[str, str]]:
    """Return the pairs of methods whose printed cells differ enough to have an order, the smaller one first."""
    for low, high in permutations(cells, 2):
        gap = cells[high] - cells[low]
        if gap > (apart * cells[high] if relative else apart):
            yield low, high


def _block(claim: Decider) -> tuple[str, int]:
    _, _, paradigm, bandwidth, _ = claim.claim.id.split("-")
    return ("RAR" if paradigm == "rar" else paradigm), int(bandwidth.removesuffix("mbps"))


def _ordered(claim: Decider, found: dict[str, Rounds], pairs: list[tuple[str, str]]) -> Decision:
    if not pairs:
        claim.not_run("the printed cells are too close to have an order; their values need --scale paper")
    return all_of(*(less(found[low], found[high], alpha=ALPHA / len(pairs)) for low, high in pairs))


@decides(*(f"qprsgd-table2-{p.lower()}-{b}mbps-time" for p, b in BLOCKS))
def test_times_to_a_loss(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    paradigm, bandwidth = _block(claim)
    pairs = list(_pairs(printed(paradigm, bandwidth, "time"), APART_TIME, relative=True))
    found = table2.times(settings, runs, paradigm, bandwidth)
    text = ", ".join(f"{name} {found[name].mean() / found['QPRSGD'].mean():.2f}" for name in found)
    claim.decide(
        _ordered(claim, {name: np.log(times) for name, times in found.items()}, pairs), f"over QPRSGD: {text}", runs
    )


@decides(*(f"qprsgd-table2-{p.lower()}-{b}mbps-acc" for p, b in BLOCKS))
def test_accuracies_after_a_time(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    paradigm, bandwidth = _block(claim)
    pairs = list(_pairs(printed(paradigm, bandwidth, "acc"), APART_ACCURACY, relative=False))
    found = table2.accuracies(settings, runs, paradigm, bandwidth, SHARE)
    text = ", ".join(f"{name} {found[name].mean():.1f}" for name in found)
    claim.decide(_ordered(claim, found, pairs), f"{text} %", runs)


@decides("qprsgd-table2-fastest")
def test_fastest_unless_the_network_is(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    decisions = []
    for paradigm in PARADIGMS:
        for bandwidth in BANDWIDTHS[1:]:
            found = table2.times(settings, runs, paradigm, bandwidth)
            decisions += [less(np.log(found["QPRSGD"]), np.log(found[other]), alpha=ALPHA) for other in list(found)[:3]]
    fastest = [min(printed(p, b, "time"), key=printed(p, b, "time").__getitem__) == "QPRSGD" for p, b in BLOCKS]
    wanted = [bandwidth < 100 for _, bandwidth in BLOCKS]
    claim.decide(all_of(exactly(fastest, wanted), *decisions), "at 20 and 5 Mbit/s, both paradigms", runs)


@decides("qprsgd-table2-robust")
def test_time_hardly_depends_on_bandwidth(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    growth = {p: printed(p, 5, "time")["QPRSGD"] / printed(p, 100, "time")["QPRSGD"] for p in PARADIGMS}
    as_printed = exactly([max(growth.values()) < 1.25], [True])
    least = []
    for paradigm in PARADIGMS:
        slow, fast = (table2.times(settings, runs, paradigm, bandwidth) for bandwidth in (5, 100))
        ratios = {name: np.log(slow[name] / fast[name]) for name in slow}
        least += [less(ratios["QPRSGD"], ratios[other], alpha=ALPHA) for other in ("PSGD", "QSGD", "PR-SGD")]
    text = ", ".join(f"{paradigm} printed {value - 1:+.0%}" for paradigm, value in growth.items())
    claim.decide_erratum(as_printed, all_of(*least), text, runs)


# ------------------------------------------------------------------------------- the table against itself and the text


def _largest(over: str) -> float:
    return max(printed(p, b, "time")[over] / printed(p, b, "time")["QPRSGD"] for p, b in BLOCKS)


@decides("qprsgd-abstract-18.6x", "qprsgd-sec5c-5.3x")
def test_quoted_speedups_over_psgd(claim: Decider) -> None:
    quoted = close([_largest("PSGD")], [float(claim.claim.value)], rtol=0.05, atol=0)
    claim.decide_erratum(quoted, close([_largest("PSGD")], [6.47], rtol=0, atol=0.005), f"{_largest('PSGD'):.2f}")


@decides("qprsgd-intro-3.8x-4.7x")
def test_quoted_speedups_over_qsgd_and_prsgd(claim: Decider) -> None:
    largest = [_largest("QSGD"), _largest("PR-SGD")]
    quoted = close(largest, [3.8, 4.7], rtol=0.05, atol=0)
    claim.decide_erratum(quoted, close(largest, [3.62, 2.57], rtol=0, atol=0.005), "{:.2f} and {:.2f}".format(*largest))


@decides("qprsgd-sec5c-prsgd-60min")
def test_prsgd_within_the_hour(claim: Decider) -> None:
    minutes = 60 * printed("RAR", 5, "time")["PR-SGD"]
    claim.decide(exactly([minutes < 60], [True]), f"{minutes:.0f} minutes")


@decides("qprsgd-sec5c-psgd-1-to-4h")
def test_gossip_psgd_in_the_table(claim: Decider) -> None:
    hours = [printed("gossip", bandwidth, "time")["PSGD"] for bandwidth in (100, 5)]
    claim.decide_erratum(
        close(hours, [1, 4], rtol=0.1, atol=0), close(hours, [0.48, 4.79], 0, 0), "{} h to {} h".format(*hours)
    )


@decides("qprsgd-table2-physical")
def test_times_are_not_compute_plus_volume_over_bandwidth(claim: Decider) -> None:
    """Fit compute >= 0 and volume >= 0 to 100 and 20 Mbit/s and predict 5; a second way bounds the growth alone."""
    predicted, cells, growths = [], [], []
    for paradigm in PARADIGMS:
        for name in methods(paradigm):
            fast, middle, slow = (printed(paradigm, bandwidth, "time")[name] for bandwidth in BANDWIDTHS)
            predicted.append(middle + (middle - fast) / (1 / 20 - 1 / 100) * (1 / 5 - 1 / 20))
            cells.append(slow)
            growths.append(middle / fast)
    as_printed = close(predicted, cells, rtol=0.1, atol=0.01)
    # a fifth of the bandwidth makes the volume take five times as long: no sum with compute grows by more
    corrected = exactly([max(growths) > 5], [True])
    claim.decide_erratum(as_printed, corrected, f"up to {max(np.divide(predicted, cells)):.1f} times the printed cell")


def test_table2(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    rows = []
    figure, axes = panels(2, width=5)
    for axis, paradigm in zip(axes, PARADIGMS, strict=True):
        for colour, name in zip(COLOURS, methods(paradigm), strict=False):
            ours = [table2.times(settings, runs, paradigm, bandwidth)[name].mean() for bandwidth in BANDWIDTHS]
            unit = table2.times(settings, runs, paradigm, 100)["QPRSGD"].mean()
            cells = [printed(paradigm, b, "time")[name] / printed(paradigm, 100, "time")["QPRSGD"] for b in BANDWIDTHS]
            axis.plot(BANDWIDTHS, np.array(ours) / unit, "o-", color=colour, label=name)
            axis.plot(BANDWIDTHS, cells, "s:", color=colour, mfc="none", label="_")
            rows += [(paradigm, name, b, o / unit, c) for b, o, c in zip(BANDWIDTHS, ours, cells, strict=True)]
        axis.plot([], [], "ks:", mfc="none", label="printed")
        axis.set(xscale="log", yscale="log", xlabel="bandwidth [Mbit/s]", title=paradigm)
        axis.set_ylabel("time (QPRSGD at 100 = 1)")
    axes[0].legend(fontsize=7)
    figure.suptitle(name_of(settings, "ResNet-34", runs), fontsize=10)
    figures.save("table2", figure, pd.DataFrame(rows, columns=["paradigm", "method", "mbps", "modelled", "printed"]))
