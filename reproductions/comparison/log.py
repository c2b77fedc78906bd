"""What is seen of a run at some moments, the same for every kind of algorithm."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from torch import Tensor

from reproductions.comparison.tasks import PARTS, RaceTask

MOMENTS = 24  # at which a run is looked at
LOST = 1e6  # a loss that no model has that learns


class Seen(NamedTuple):
    """The models of the workers at a moment: two losses of their mean, and the mean of the losses of each.

    ``disagreement`` is (1/n) sum_i |x_i - mean|^2.
    """

    loss: float
    validation_loss: float
    workers_loss: float
    disagreement: float


class Row(NamedTuple):
    """A moment: steps of a worker, modelled seconds, bytes sent a worker, and what was seen."""

    step: int
    seconds: float
    sent: float
    seen: Seen


@dataclass
class RaceLog:
    """Rows of one run on a task."""

    task: RaceTask
    rows: list[Row] = field(default_factory=list)

    def measure(self, models: Tensor) -> Seen:
        """Return what is seen of the models of those who are there, (k, d)."""
        mean = models.mean(dim=0, keepdim=True)
        spread = (models - mean).double().square().sum().item() / len(models)
        loss, validation, own = (
            float(self.task.losses(rows, part).clip(max=LOST).mean())
            for rows, part in ((mean, PARTS[2]), (mean, PARTS[1]), (models, PARTS[2]))
        )
        return Seen(loss, validation, own, LOST if math.isnan(spread) else min(spread, LOST))

    def add(self, step: int, seconds: float, sent: float, seen: Seen) -> None:
        """Note a moment."""
        self.rows.append(Row(step, seconds, float(sent), seen))

    def reached(self, what: str, loss: str = "loss") -> float:
        """Return the ``step``, ``seconds`` or bytes ``sent`` at which a loss is at the target; infinite if never.

        Between two moments the loss falls geometrically.
        """
        target = np.log(self.task.target_of(loss))
        for before, after in zip([None, *self.rows], self.rows, strict=False):
            if getattr(after.seen, loss) <= self.task.target_of(loss):
                if before is None or not np.isfinite(after.seconds):
                    return float(getattr(after, what))
                high, low = (np.log(max(getattr(row.seen, loss), 1e-30)) for row in (before, after))
                part = (high - target) / (high - low) if high > low else 1.0
                return float(getattr(before, what) + part * (getattr(after, what) - getattr(before, what)))
        return float(np.inf)


@functools.cache
def moments(steps: int) -> frozenset[int]:
    """Return the steps after which a run is looked at: at first often, at last at the end."""
    return frozenset(int(step) for step in np.unique(np.rint(np.geomspace(2, steps, MOMENTS))))
