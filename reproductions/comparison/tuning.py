"""Tuning: the same protocol for every contestant, in every condition.

A contestant has `trials` tries. The k-th has a step size drawn from the k-th of as many equal parts, on a logarithmic
scale, of the range of the task, the same for all contestants, and its other knobs by chance. Each try is two runs of
full length with seeds that no result uses. The one is chosen that is first, in modelled seconds and on average, at the
target on the validation samples and stays there in both; if none does, the one with the lowest loss on them at the end.
The test part has no say.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from algorithms.algorithm import Algorithm
from algorithms.streams import stream
from reproductions.comparison import rounds
from reproductions.comparison.conditions import NetworkCondition
from reproductions.comparison.contestants import Contestant, Made, Pairs
from reproductions.comparison.log import LOST, RaceLog
from reproductions.comparison.meetings import Meetings
from reproductions.comparison.processes import Processes
from reproductions.comparison.tasks import RaceTask

TUNING = (1_000_003, 1_000_033)  # seeds of all tries; results have small seeds


@dataclass(frozen=True)
class Choice:
    """A step size and values of the other knobs."""

    lr: float
    knobs: tuple[tuple[str, float | int], ...] = ()


@dataclass(frozen=True)
class Trial:
    """A try: seconds to the target on the validation samples, infinite if one run fails, and the loss at the end."""

    choice: Choice
    seconds: float
    validation_loss: float


def choices(contestant: Contestant, task: RaceTask, trials: int) -> list[Choice]:
    """Return what a contestant tries; a ValueError refuses fewer than two tries."""
    if trials < 2:
        raise ValueError(f"{trials} tries tune nothing: at least two are needed")
    low, high = task.rates
    parts = (np.arange(trials) + stream(TUNING[0], "comparison/step sizes").random(trials)) / trials
    luck = stream(TUNING[0], f"comparison/knobs/{contestant.name}")
    return [
        Choice(
            float(f"{lr:.3g}"),
            tuple((name, values[luck.integers(len(values))]) for name, values in contestant.knobs.items()),
        )
        for lr in low * (high / low) ** parts
    ]


def tuned(
    contestant: Contestant,
    condition: NetworkCondition,
    others: Sequence[NetworkCondition],
    task: RaceTask,
    steps: int,
    trials: int,
) -> tuple[Choice, list[Trial]]:
    """Return what a contestant chooses in a condition, and all that it tried."""
    tried = []
    for choice in choices(contestant, task, trials):
        logs = [run(contestant, choice, condition, tuple(others), task, steps, seed) for seed in TUNING]
        seconds = [log.reached("seconds", "validation_loss", stays=True) for log in logs]
        tried.append(Trial(choice, float(np.mean(seconds)), float(np.mean([end(log) for log in logs]))))
    return min(tried, key=lambda trial: (trial.seconds, trial.validation_loss)).choice, tried


def end(log: RaceLog) -> float:
    """Return the validation loss at the end; that of a diverged model for who never got there."""
    return log.rows[-1].seen.validation_loss if log.rows and math.isfinite(log.rows[-1].seconds) else LOST


def run(
    contestant: Contestant,
    choice: Choice,
    condition: NetworkCondition,
    others: tuple[NetworkCondition, ...],
    task: RaceTask,
    steps: int,
    seed: int,
) -> RaceLog:
    """Return one run of a contestant; those of an algorithm in rounds are shared with the conditions `others`."""
    made = contestant.make(condition.workers, dict(choice.knobs))
    if isinstance(made, Algorithm):
        together = tuple(sorted(rounds.shared(made, condition, others), key=lambda each: each.name))
        logs = _in_rounds(made, choice.lr, together, task, steps, seed, contestant.background)
        return logs[together.index(condition)]
    return _by_events(made, choice.lr, condition, task, steps, seed)


@functools.lru_cache(maxsize=256)
def _in_rounds(
    made: Algorithm,
    lr: float,
    conditions: tuple[NetworkCondition, ...],
    task: RaceTask,
    steps: int,
    seed: int,
    background: bool,
) -> list[RaceLog]:
    return rounds.race(made, lr, conditions, task, steps, seed, background)


def _by_events(made: Made, lr: float, condition: NetworkCondition, task: RaceTask, steps: int, seed: int) -> RaceLog:
    if isinstance(made, Pairs):
        return Meetings(made, lr, condition, task, steps, seed).run()
    assert not isinstance(made, Algorithm)
    return Processes(made, lr, condition, task, steps, seed).run()
