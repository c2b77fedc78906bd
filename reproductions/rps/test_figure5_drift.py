"""Section 6, why figure 5 looks as it does: errors of averaged gradients pile up, those of averaged models do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from algorithms.network import IndependentDrops
from algorithms.rps import GradientAveraging, ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.harness.decisions import Decision, all_of
from reproductions.harness.figures import FigureFolder, curves, draw, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less, slope_interval, within
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.rps.figure5 import ALPHA
from reproductions.rps.grids import NODES
from reproductions.workloads.digits import Digits


def experiments(settings: Settings) -> list[Training]:
    """Return averaged gradients and averaged models."""
    return drift(settings, grads=True) + drift(settings, grads=False)


def drift(settings: Settings, grads: bool) -> list[Training]:
    """Return long runs of a linear model at a constant step size and 1 % drops, where gradients never vanish."""
    base = Training(
        algorithm=GradientAveraging() if grads else ModelAveraging(),
        workload=Digits("linear"),
        schedule=StepDecay(0.1),
        nodes=NODES,
        batch=8,
        epochs=16,
        seed=0,
        evaluate_every=16,
    )
    return [replace(base, seed=seed, network=IndependentDrops(0.01, seed)) for seed in range(settings.seeds)]


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


def test_figure5_drift(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, (axis,) = panels(1, epochs=True)
    names = ["gradient averaging, 99%", "RPS (model averaging), 99%"]
    frame = curves(runs, [name for name in names for _ in range(settings.seeds)], "consensus")
    draw(axis, frame)
    axis.set(title="linear model on digits", xlabel="epoch", ylabel="consensus distance", yscale="log")
    axis.set_ylim(bottom=1e-6)  # rounds without a loss put averaged models back together
    axis.legend(fontsize=8)
    figures.save("figure5_drift", figure, frame)


def test_drift_runs_really_drop(runs: list[Run], settings: Settings) -> None:
    for run in select(runs, drift(settings, grads=True)):
        assert isinstance(run.experiment, Training)
        assert isinstance(run.experiment.network, IndependentDrops)
        arrived = run.final("received_messages") / run.final("sent_messages")
        assert abs(arrived - 0.99) < 0.0016  # 176 rounds of 480 messages: four and a half standard deviations
