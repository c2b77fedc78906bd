"""What the panels of figure 5 have in common: gradient averaging when messages drop, at 99 % arrival.

The text does not say which panel shows which model; here (a) is ResNet-20 and (b) ResNet-110.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from algorithms.rps import GradientAveraging
from reproductions.harness.decisions import Decision
from reproductions.harness.figures import FigureFolder, curves, draw, name_of, panels
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less, within
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.rps.grids import final, grid

ALPHA = 0.05 / 4  # Bonferroni over the claims of the figure


@dataclass(frozen=True)
class Panel:
    """One panel: a letter and one of the models of `grids`."""

    letter: str
    model: str

    def experiments(self, settings: Settings) -> list[Training]:
        """Return gradient averaging with and without drops, and model averaging without."""
        gradients = self.gradients(settings, 1.0) + self.gradients(settings, 0.99)
        return gradients + grid(settings, self.model, [1.0])

    def gradients(self, settings: Settings, arrival: float) -> list[Training]:
        """Return gradient averaging at one arrival probability; every worker's own model is evaluated at the end."""
        runs = grid(settings, self.model, [arrival], algorithm=GradientAveraging())
        return [replace(e, evaluate_all=True) for e in runs]

    def same_without_drops(self, settings: Settings, runs: Sequence[Run]) -> tuple[Decision, float]:
        """Decide that both algorithms end at the same loss when all arrives; return the largest difference too."""
        models, gradients = grid(settings, self.model, [1.0]), self.gradients(settings, 1.0)
        ends = [np.array(final(select(runs, part), "train_loss")) for part in (models, gradients)]
        return within(ends[1] - ends[0], -0.01, 0.01), float(np.abs(ends[1] - ends[0]).max())

    def decide_worse(self, claim: Decider, settings: Settings, runs: Sequence[Run]) -> None:
        """Decide that 1 % drops lower the accuracy of gradient averaging."""
        lossy, reliable = (select(runs, self.gradients(settings, arrival)) for arrival in (0.99, 1.0))
        low, high = (final(part, "workers_test_accuracy") for part in (lossy, reliable))
        claim.decide(
            less(low, high, alpha=ALPHA), f"{np.mean(low):.3f} against {np.mean(high):.3f}", [*reliable, *lossy]
        )

    def plot(self, settings: Settings, runs: Sequence[Run], figures: FigureFolder) -> None:
        """Draw the accuracy of gradient averaging with and without drops."""
        figure, (axis,) = panels(1, epochs=True)
        chosen = select(runs, self.gradients(settings, 1.0) + self.gradients(settings, 0.99))
        names = ["gradient averaging, 100%", "gradient averaging, 99%"]
        frame = curves(chosen, [name for name in names for _ in range(settings.seeds)], "test_accuracy")
        draw(axis, frame)
        title = f"({self.letter}) {name_of(settings, self.model, runs)}"
        axis.set(title=title, xlabel="epoch", ylabel="test accuracy of worker 0")
        axis.legend(fontsize=8)
        figures.save(f"figure5{self.letter}", figure, frame)
