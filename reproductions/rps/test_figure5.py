"""Figure 5: why RPS? Gradient averaging when messages drop; ResNet-110 and ResNet-20 at 99 % arrival."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from algorithms.network import IndependentDrops
from algorithms.rps import GradientAveraging, ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.harness.figures import FigureFolder, curves, draw, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import Decision, all_of, less, slope_interval, within
from reproductions.harness.store import Run
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.rps.grids import NODES, final, grid, select
from reproductions.rps.plots import name_of
from reproductions.workloads.digits import Digits

MODELS = {"r110": "ResNet110", "r20": "ResNet20"}
ALPHA = 0.05 / 4  # Bonferroni over the claims of the figure


def experiments(settings: Settings) -> list[Training]:
    """Return both algorithms with and without drops, and long runs at a constant step size."""
    return [e for model in MODELS.values() for e in [*baseline(settings, model), *dropped(settings, model)]] + [
        *drift(settings, grads=True),
        *drift(settings, grads=False),
    ]


def baseline(settings: Settings, model: str) -> list[Training]:
    """Return gradient averaging, then model averaging, without drops."""
    return grid(settings, model, [1.0], algorithm=GradientAveraging()) + grid(settings, model, [1.0])


def dropped(settings: Settings, model: str) -> list[Training]:
    """Return gradient averaging at 99 % arrival."""
    return grid(settings, model, [0.99], algorithm=GradientAveraging())


def drift(settings: Settings, grads: bool) -> list[Training]:
    """Return long runs of a linear model at a constant step size and 1 % drops, where gradients never vanish."""
    base = Training(
        algorithm=GradientAveraging() if grads else ModelAveraging(),
        workload=Digits("linear"),
        schedule=StepDecay(0.1),
        nodes=NODES,
        batch=8,
        epochs=20,
        seed=0,
        evaluate_every=20,
    )
    return [replace(base, seed=seed, network=IndependentDrops(0.01, seed)) for seed in range(settings.seeds)]


@decides("rps-fig5-baseline-same")
def test_same_without_drops(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    decisions, gaps = [], []
    for model in MODELS.values():
        both = final(select(runs, baseline(settings, model)), "train_loss")
        gap = np.array(both[: settings.seeds]) - np.array(both[settings.seeds :])
        decisions.append(within(gap, -0.01, 0.01))
        gaps.append(float(np.abs(gap).max()))
    claim.decide(all_of(*decisions), f"off by at most {max(gaps):.1g}", runs)


@decides("rps-fig5-r110-gradient-avg-99-worse", "rps-fig5-r20-gradient-avg-99-worse")
def test_one_percent_hurts_gradient_averaging(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    model = MODELS[claim.claim.id.split("-")[2]]
    reliable = select(runs, grid(settings, model, [1.0], algorithm=GradientAveraging()))
    lossy = select(runs, dropped(settings, model))
    low, high = (final(part, "workers_test_accuracy") for part in (lossy, reliable))
    claim.decide(less(low, high, alpha=ALPHA), f"{np.mean(low):.3f} against {np.mean(high):.3f}", [*reliable, *lossy])


@decides("rps-fig5-drift-mechanism")
def test_gradient_drift_accumulates(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    of_gradients, of_models = (select(runs, drift(settings, grads)) for grads in (True, False))
    slopes = [_growth(run) for run in of_gradients]
    decision = all_of(within(slopes, 0.5, np.inf), _bounded(of_models))
    claim.decide(decision, f"exponent {np.mean(slopes):.2f}; models stay bounded", [*of_gradients, *of_models])


def _growth(run: Run) -> float:
    """Return the slope of log consensus distance over log t, averaged over tenths of the run, without the first two.

    A single round may lose no message at all, which puts averaged models back together: hence the averages.
    """
    series = run.series("consensus")
    t, distance = (np.array([part.mean() for part in np.array_split(v.to_numpy(), 10)]) for v in (series.index, series))
    return slope_interval(np.log(t[2:]), np.log(distance[2:])).interval.estimate


def _bounded(runs: list[Run]) -> Decision:
    """Decide whether the consensus distance of the last quarter is at most 1.5 times that of the second."""
    second, last = [], []
    for run in runs:
        quarters = np.array_split(run.series("consensus").to_numpy(), 4)
        second.append(1.5 * float(quarters[1].mean()))
        last.append(float(quarters[3].mean()))
    return less(last, second, alpha=ALPHA)


def test_figure5(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(3, epochs=True)
    frames = []
    for axis, (panel, model) in zip(axes, (("a", "ResNet110"), ("b", "ResNet20")), strict=False):
        chosen = grid(settings, model, [1.0], algorithm=GradientAveraging()) + dropped(settings, model)
        names = ["gradient averaging, 100%", "gradient averaging, 99%"]
        frame = curves(select(runs, chosen), [name for name in names for _ in range(settings.seeds)], "test_accuracy")
        draw(axis, frame)
        axis.set(
            title=f"({panel}) {name_of(settings, model, runs)}", xlabel="epoch", ylabel="test accuracy of worker 0"
        )
        axis.legend(fontsize=8)
        frames.append(frame.assign(panel=panel))
    names = ["gradient averaging, 99%", "RPS (model averaging), 99%"]
    chosen = drift(settings, grads=True) + drift(settings, grads=False)
    frame = curves(select(runs, chosen), [name for name in names for _ in range(settings.seeds)], "consensus")
    draw(axes[2], frame)
    axes[2].set(title="linear model on digits", xlabel="epoch", ylabel="consensus distance", yscale="log")
    axes[2].set_ylim(bottom=1e-6)  # rounds without a loss put averaged models back together
    axes[2].legend(fontsize=8)
    figures.save("figure5", figure, pd.concat([*frames, frame.assign(panel="drift")]))


def test_drift_runs_really_drop(runs: list[Run], settings: Settings) -> None:
    for run in select(runs, drift(settings, grads=True)):
        assert isinstance(run.experiment, Training)
        assert isinstance(run.experiment.network, IndependentDrops)
        arrived = run.final("received_messages") / run.final("sent_messages")
        assert abs(arrived - 0.99) < 0.0015  # 220 rounds of 480 messages: five standard deviations
