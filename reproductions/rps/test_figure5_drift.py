"""Section 6, why figure 5 looks as it does: errors of averaged gradients pile up, those of averaged models do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops
from algorithms.rps.averaging import GradientAveraging, ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.experiments.tiny import TinyTraining
from reproductions.experiments.training import Training
from reproductions.paper import (
    Decider,
    FigureFolder,
    Run,
    Runs,
    Settings,
    all_of,
    decides,
    draw,
    less,
    panels,
    slope_interval,
    unfolded,
    within,
)
from reproductions.rps.plots import percent
from reproductions.rps.recipes import NODES
from reproductions.workloads.digits import Digits

GRADIENTS, MODELS = "gradients", "models"
ARRIVAL = 0.99


def experiments(settings: Settings) -> dict[str, list[Training]]:
    """Return averaged gradients and averaged models."""
    return {GRADIENTS: drift(settings, GradientAveraging()), MODELS: drift(settings, ModelAveraging())}


def drift(settings: Settings, algorithm: Algorithm) -> list[Training]:
    """Return long runs of a linear model at a constant step size and 1 % drops, where gradients never vanish."""
    base = TinyTraining(
        algorithm=algorithm,
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
def test_gradient_drift_accumulates(claim: Decider, runs: Runs[Training]) -> None:
    slopes = [_growth(run) for run in runs[GRADIENTS]]
    second, last = (np.array(part) for part in zip(*(_quarters(run) for run in runs[MODELS]), strict=True))
    decision = all_of(within(slopes, 0.5, np.inf), less(last, 1.5 * second, alpha=claim.alpha))
    text = f"exponent {np.mean(slopes):.2f}; last quarter of models {np.mean(last / second):.2f} of the second"
    claim.decide(decision, text, runs)


def _growth(run: Run) -> float:
    """Return the slope of log consensus distance over log t, averaged over tenths of the run, without the first two.

    A single round may lose no message at all, which puts averaged models back together: hence the averages.
    """
    series = run.series("consensus")
    t, distance = (np.array([part.mean() for part in np.array_split(v.to_numpy(), 10)]) for v in (series.index, series))
    return slope_interval(np.log(t[2:]), np.log(distance[2:])).interval.estimate


def _quarters(run: Run) -> tuple[float, float]:
    """Return the mean consensus distance of the second and of the last quarter of a run."""
    quarters = np.array_split(run.series("consensus").to_numpy(), 4)
    return float(quarters[1].mean()), float(quarters[3].mean())


def test_figure5_drift(runs: Runs[Training], figures: FigureFolder) -> None:
    figure, (axis,) = panels(1, epochs=True)
    frame = runs.curves("consensus")
    draw(axis, frame.assign(label=[f"averaged {name}, {percent(ARRIVAL)}" for name in frame["label"]]))
    axis.set(title="linear model on digits (at every scale)", xlabel="epoch", ylabel="consensus distance", yscale="log")
    axis.set_ylim(bottom=1e-6)  # rounds without a loss put averaged models back together
    axis.legend(fontsize=8)
    figures.save("figure5_drift", figure, unfolded(frame, lambda label: {"averaged": label, "arrival": ARRIVAL}))


def test_drift_runs_really_drop(runs: Runs[Training]) -> None:
    for run in runs[GRADIENTS]:
        arrived = run.final("received_messages") / run.final("sent_messages")
        assert abs(arrived - 0.99) < 0.0016  # 176 rounds of 480 messages: four and a half standard deviations
