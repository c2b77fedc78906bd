"""What the panels of figure 5 have in common: gradient averaging when messages drop, at 99 % arrival.

The text does not say which panel shows which model; here (a) is ResNet-20 and (b) ResNet-110.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from algorithms.rps.averaging import GradientAveraging
from reproductions.experiments.training import Training
from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Runs,
    Settings,
    all_of,
    draw,
    less,
    name_of,
    panels,
    within,
)
from reproductions.rps.delivered import as_labelled
from reproductions.rps.recipes import seeds_of

Curve = tuple[str, float]  # algorithm and arrival probability
RELIABLE, LOSSY = ("gradients", 1.0), ("gradients", 0.99)
MODELS, LOSSY_MODELS = ("models", 1.0), ("models", 0.99)


@dataclass(frozen=True)
class Panel:
    """One panel: a letter and one of the models of `recipes`."""

    letter: str
    model: str

    def experiments(self, settings: Settings) -> dict[Curve, list[Training]]:
        """Return gradient averaging and model averaging, each with and without drops."""
        return {
            RELIABLE: self._gradients(settings, 1.0),
            LOSSY: self._gradients(settings, 0.99),
            MODELS: seeds_of(settings, self.model, 1.0),
            LOSSY_MODELS: seeds_of(settings, self.model, 0.99),
        }

    def _gradients(self, settings: Settings, arrival: float) -> list[Training]:
        """Return gradient averaging at one arrival probability; every worker's own model is evaluated at the end."""
        runs = seeds_of(settings, self.model, arrival, algorithm=GradientAveraging())
        return [replace(run, evaluate_all=True) for run in runs]

    def plot(self, settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
        """Draw the accuracy of both algorithms, with and without drops."""
        figure, (axis,) = panels(1, epochs=True)
        frame = runs.curves("test_accuracy")
        draw(axis, frame.assign(label=[f"averaged {name}, {arrival:.0%}" for name, arrival in frame["label"]]))
        title = f"({self.letter}) {name_of(settings, self.model, runs.all)}"
        axis.set(title=title, xlabel="epoch", ylabel="test accuracy of worker 0")
        axis.legend(fontsize=8)
        columns = {"averaged": frame["label"].str[0], "arrival": frame["label"].str[1]}
        figures.save(f"figure5{self.letter}", figure, frame.assign(**columns).drop(columns="label"))


def same_without_drops(runs: Runs[Training]) -> tuple[Decision, float]:
    """Decide that both algorithms end at the same loss when all arrives; return the largest difference too."""
    gap = np.subtract(runs.final("train_loss", RELIABLE), runs.final("train_loss", MODELS))
    return within(gap, -0.01, 0.01), float(np.abs(gap).max())


def decide_worse(claim: Decider, runs: Runs[Training]) -> None:
    """Decide that 1 % drops lower the accuracy of gradient averaging."""
    low, high = (runs.final("workers_test_accuracy", curve) for curve in (LOSSY, RELIABLE))
    text = f"{np.mean(low):.3f} against {np.mean(high):.3f}"
    used = runs.only(RELIABLE, LOSSY)
    claim.decide(all_of(less(low, high, alpha=claim.alpha), as_labelled(used)), text, used)


def decide_better(claim: Decider, runs: Runs[Training]) -> None:
    """Decide that at 99 % arrival RPS is more accurate than gradient averaging.

    Of gradient averaging, whose models come apart, the mean over all workers is taken; of RPS, whose models are nearly
    the same, worker 0, which is like any other.
    """
    gradients, models = runs.final("workers_test_accuracy", LOSSY), runs.final("test_accuracy", LOSSY_MODELS)
    used = runs.only(LOSSY, LOSSY_MODELS)
    text = f"{np.mean(models):.3f} with models, {np.mean(gradients):.3f} with gradients"
    claim.decide(all_of(less(gradients, models, alpha=claim.alpha), as_labelled(used)), text, used)
