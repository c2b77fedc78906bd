"""What is seen of a run at some moments, the same for every kind of algorithm."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from torch import Tensor

from reproductions.comparison.tasks import PARTS, RaceTask

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
    """Rows of one run on a task.

    Parameters
    ----------
    task
        Which losses are looked at.
    most
        Seconds by which a try has to be at the target on the validation samples, to stay there; None for any other run.

    Attributes
    ----------
    over : bool
        Whether a try was not there yet after so many seconds, or will never get there. It takes no more rows.
    """

    task: RaceTask
    most: float | None = None
    rows: list[Row] = field(default_factory=list)
    over: bool = False

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
        if self.over:
            return
        self.rows.append(Row(step, seconds, float(sent), seen))
        if self.most is not None and (seconds > self.most or math.isinf(seconds)):
            self.over = seen.validation_loss > self.task.target_of("validation_loss")

    def reached(self, what: str, loss: str = "loss", stays: bool = False) -> float:
        """Return the ``step``, ``seconds`` or bytes ``sent`` at which a loss is at the target; infinite if never.

        With `stays`, from when on it is there at all moments. Between two moments a loss falls geometrically.
        """
        target = self.task.target_of(loss)
        values = [getattr(row.seen, loss) for row in self.rows]
        there = [value <= target for value in values]
        first = next((k for k in range(len(there)) if (all(there[k:]) if stays else there[k])), None)
        if first is None:
            return math.inf
        after = float(getattr(self.rows[first], what))
        if first == 0 or not math.isfinite(self.rows[first].seconds):
            return after
        high, low = (math.log(max(value, 1e-30)) for value in values[first - 1 : first + 1])
        part = (high - math.log(target)) / (high - low)
        before = float(getattr(self.rows[first - 1], what))
        return before + part * (after - before)


@functools.cache
def moments(steps: int, looks: int) -> frozenset[int]:
    """Return the steps after which a run is looked at: at first often, at last at the end."""
    return frozenset(int(step) for step in np.unique(np.rint(np.geomspace(2, steps, looks))))
