"""Step sizes gamma as a function of the epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """Step size of every moment of a run."""

    def lr(self, epoch: float) -> float:
        """Return gamma after `epoch` epochs, which may be fractional."""
        ...


@dataclass(frozen=True)
class StepDecay:
    """Piecewise constant step size with linear warm-up (Goyal et al. 2017).

    Parameters
    ----------
    peak
        Step size after the warm-up.
    warmup
        Epochs in which the step size rises from `start` to `peak`, linearly.
    start
        Step size at the beginning of the warm-up.
    milestones, factor
        At each of these epochs the step size is multiplied by `factor`.
    shares
        In place of `factor`: the step size after each milestone, as a share of `peak`.

    Raises
    ------
    ValueError
        If there are shares, but not one for each milestone.
    """

    peak: float
    warmup: float = 0.0
    start: float = 0.0
    milestones: tuple[float, ...] = ()
    factor: float = 0.1
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.shares and len(self.shares) != len(self.milestones):
            raise ValueError(f"{len(self.shares)} shares for {len(self.milestones)} milestones: there is one for each")

    def lr(self, epoch: float) -> float:
        """See `Schedule.lr`."""
        if epoch < self.warmup:
            return self.start + (self.peak - self.start) * epoch / self.warmup
        passed = sum(epoch >= milestone for milestone in self.milestones)
        return self.peak * ((1.0, *self.shares)[passed] if self.shares else self.factor**passed)


@dataclass(frozen=True)
class Constant:
    """The same step size throughout."""

    value: float

    def lr(self, epoch: float) -> float:
        """See `Schedule.lr`."""
        return self.value


@dataclass(frozen=True)
class InverseRoot:
    """gamma / sqrt(t), t = 1, 2, ..., where an epoch is one step, the first of which is 0."""

    gamma: float

    def lr(self, epoch: float) -> float:
        """See `Schedule.lr`."""
        return self.gamma / math.sqrt(epoch + 1)


@dataclass(frozen=True)
class InverseTime:
    """Step size beta / (gamma + t), which strongly convex objectives allow; t is what `lr` is given."""

    beta: float
    gamma: float

    def lr(self, epoch: float) -> float:
        """See `Schedule.lr`."""
        return self.beta / (self.gamma + epoch)
