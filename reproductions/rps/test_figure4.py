"""Figure 4: convergence of RPS at 100, 99, 95, 90 and 80 % arrival; ResNet-110 (a), ResNet-20 (b), ATIS LSTM (c).

At smoke scale both ResNets are thin residual nets on scikit-learn digits and the LSTM tags an embedded grammar.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reproductions.harness.claims import load_claims
from reproductions.harness.figures import COLOURS, FigureFolder, curves, draw, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import Decision, all_of, increasing, less, within
from reproductions.harness.store import Run
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.rps.grids import ARRIVALS, final, grid, select
from reproductions.rps.plots import name_of

MODELS = {"r110": "ResNet110", "r20": "ResNet20", "atis": "LSTM"}
PRINTED = 0.01  # resolution of the printed losses
RESOLUTION = PRINTED / 0.09  # relative to the larger of the printed baselines
CLAIMS = load_claims(Path(__file__).with_name("claims.yaml"))
PANELS = {"r110": "rps-fig4-r110", "r20": "rps-fig4-r20", "atis": "rps-fig4c-atis"}
BAND = 0.02  # of a printed loss
ALPHA = 0.05 / 13  # Bonferroni over the claims of the figure that rest on random runs


def experiments(settings: Settings) -> list[Training]:
    """Return the three panels."""
    return [training for model in MODELS.values() for training in grid(settings, model, ARRIVALS)]


def losses(
    runs: Sequence[Run], settings: Settings, model: str, arrival: float, metric: str = "train_loss"
) -> list[float]:
    """Return the final losses of all seeds of one curve."""
    return final(select(runs, grid(settings, MODELS[model], [arrival])), metric)


def _number(claim: Decider, samples: Sequence[float], of: Sequence[Run]) -> None:
    """Decide a printed loss at the paper's own scale."""
    value = float(claim.claim.value)
    claim.decide(within(samples, value - BAND, value + BAND), f"{np.mean(samples):.4f}", of)


@decides("rps-fig4-r110-baseline", "rps-fig4-r20-baseline", "rps-fig4c-atis-baseline")
def test_baseline(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    model = claim.claim.id.split("-")[-2]
    if settings.scale != "paper":
        claim.not_run("a loss of the paper's own setting: needs --scale paper")
    _number(claim, losses(runs, settings, model, 1.0), select(runs, grid(settings, MODELS[model], [1.0])))


@decides(
    "rps-fig4-r110-arrival99",
    "rps-fig4-r110-arrival95",
    "rps-fig4-r110-arrival90",
    "rps-fig4-r20-arrival99",
    "rps-fig4-r20-arrival95",
    "rps-fig4-r20-arrival90",
    "rps-fig4c-atis-arrival99",
    "rps-fig4c-atis-arrival95",
    "rps-fig4c-atis-arrival90",
)
def test_loss_with_drops(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    *_, model, percent = claim.claim.id.split("-")
    arrival = int(percent.removeprefix("arrival")) / 100
    baseline, dropped = (losses(runs, settings, model, a) for a in (1.0, arrival))
    used = select(runs, grid(settings, MODELS[model], [1.0, arrival]))
    if settings.scale == "paper":
        _number(claim, dropped, used)
        return
    decision = _trend(claim.claim.trend, baseline, dropped)
    claim.decide(decision, f"{np.mean(dropped):.4f}, baseline {np.mean(baseline):.4f}", used)


def _trend(statement: str, baseline: Sequence[float], dropped: Sequence[float]) -> Decision:
    """Decide what the claims file puts in place of the number."""
    if "above the baseline" in statement and "at most" not in statement:
        return less(baseline, dropped, alpha=ALPHA)
    margin = 2 * PRINTED if "at most 0.02" in statement else RESOLUTION * float(np.mean(baseline))
    return less(dropped, baseline, margin=margin, alpha=ALPHA)


@decides("rps-fig4-r110-arrival80", "rps-fig4-r20-arrival80")
def test_lowest_arrival_converges_above_the_others(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    model = claim.claim.id.split("-")[-2]
    used = select(runs, grid(settings, MODELS[model], [0.9, 0.8]))
    at90, at80 = (losses(runs, settings, model, a) for a in (0.9, 0.8))
    first = [
        0.5 * float(run.series("train_loss").iloc[0])
        for run in used
        if run.experiment in grid(settings, MODELS[model], [0.8])
    ]
    decision = all_of(less(at90, at80, alpha=ALPHA), less(at80, first, alpha=ALPHA))
    claim.decide(decision, f"{np.mean(at80):.4f}, at 90 % {np.mean(at90):.4f}", used)


@decides("rps-fig4-ordering", "rps-fig4-validation-similar")
def test_order_of_the_curves(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    metric = "test_loss" if "validation" in claim.claim.id else "train_loss"
    groups = [losses(runs, settings, "r20", a, metric) for a in ARRIVALS]
    text = " ".join(f"{np.mean(group):.3f}" for group in groups)
    claim.decide(increasing(groups, alpha=ALPHA), text, select(runs, grid(settings, "ResNet20", ARRIVALS)))


@decides("rps-intro-no-impact-10pct")
def test_ten_percent_do_not_slow_convergence(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    decisions, text = [], []
    for model in ("r20", "atis"):
        baseline, dropped = (select(runs, grid(settings, MODELS[model], [a])) for a in (1.0, 0.9))
        ratios = [_epochs_to_level(b, d) for b, d in zip(baseline, dropped, strict=True)]
        decisions.append(within(ratios, 0.0, 1.25, diverged_fails=True))
        text.append(f"{MODELS[model]} {np.mean(ratios):.2f}")
    claim.decide(all_of(*decisions), ", ".join(text), runs)


def _epochs_to_level(baseline: Run, dropped: Run) -> float:
    """Return the ratio of the (interpolated) epochs to where the baseline has made 90 % of its fall."""
    losses = baseline.series("train_loss")
    level = float(losses.iloc[-1] + 0.1 * (losses.iloc[0] - losses.iloc[-1]))
    return _crossing(dropped, level) / _crossing(baseline, level)


def _crossing(run: Run, level: float) -> float:
    series = run.series("train_loss")
    below = np.flatnonzero(series.to_numpy() <= level)
    if not below.size:
        return float("inf")
    k = int(below[0])
    if k == 0:
        return float(series.index[0])
    before, after = series.iloc[k - 1], series.iloc[k]
    return float(series.index[k - 1] + (before - level) / (before - after))


def _draw_published(axis: Axes, model: str, epoch: int) -> None:
    """Draw the losses that the paper prints, with their tolerance, beside the end of the curves."""
    for i, arrival in enumerate(ARRIVALS[:4]):
        printed = CLAIMS[f"{PANELS[model]}-{'baseline' if arrival == 1 else f'arrival{100 * arrival:.0f}'}"]
        x = epoch * (1.02 + 0.02 * i)
        axis.errorbar(x, float(printed.value), yerr=BAND, fmt="s", ms=3, color=COLOURS[i])


def test_figure4(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(3, epochs=True)
    frames = []
    for axis, panel, (short, model) in zip(axes, "abc", MODELS.items(), strict=True):
        labels = [f"{arrival:.0%}" for arrival in ARRIVALS for _ in range(settings.seeds)]
        chosen = select(runs, grid(settings, model, ARRIVALS))
        frame = curves(chosen, labels, "train_loss")
        draw(axis, frame)
        title = f"({panel}) {name_of(settings, model, chosen)}"
        axis.set(title=title, xlabel="epoch", ylabel="training loss", yscale="log")
        frames.append(frame.assign(panel=panel, model=model, workload=chosen[0].provenance["workload"]))
        if settings.scale == "paper":
            _draw_published(axis, short, int(frame["step"].max()))
    axes[0].legend(title="arrival", fontsize=8)
    assert figures.save("figure4", figure, pd.concat(frames)).exists()
