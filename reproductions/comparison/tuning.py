"""Tuning: the same protocol for every contestant, in every condition.

A contestant has `trials` tries. The k-th has a step size drawn from the k-th of as many equal parts, on a logarithmic
scale, of the range of the task, the same for all contestants, and its other knobs by chance. Each try is two runs with
seeds that no result uses. The one is chosen that is first, in modelled seconds and on average, at the target on the
validation samples and stays there in both; if none does, the one with the lowest loss on them at the end. The test part
has no say. A try is given up when it has taken longer than another one took in all, so it changes no choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from algorithms.algorithm import Algorithm
from algorithms.streams import stream
from reproductions.comparison import rounds
from reproductions.comparison.conditions import NetworkCondition
from reproductions.comparison.contestants import Contestant, Pairs
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
    """A try.

    Attributes
    ----------
    choice
        What was tried.
    seconds
        To the target on the validation samples, the mean of its runs; infinite if one fails.
    validation_loss
        On them at the end, or where it was given up.
    given_up
        Whether it was ended when it could not be chosen any more, within its first or second run: then the seconds are
        a lower bound, in which a run that was not made counts as none.
    """

    choice: Choice
    seconds: float
    validation_loss: float
    given_up: bool


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


def sharing(
    contestant: Contestant, condition: NetworkCondition, others: Sequence[NetworkCondition]
) -> tuple[NetworkCondition, ...]:
    """Return the conditions among `others` in which the runs of a contestant are those in a condition, and that one."""
    made = contestant.make(condition.workers, {name: values[0] for name, values in contestant.knobs.items()})
    if not isinstance(made, Algorithm):
        return (condition,)
    return tuple(sorted(rounds.shared(made, condition, others), key=lambda each: each.name))


def tuned(
    contestant: Contestant, together: Sequence[NetworkCondition], task: RaceTask, steps: int, trials: int
) -> dict[NetworkCondition, tuple[Choice, list[Trial]]]:
    """Return what a contestant chooses in conditions that share its runs, and all that it tried, in each of them."""
    tried: dict[NetworkCondition, dict[int, Trial]] = {condition: {} for condition in together}
    options = choices(contestant, task, trials)
    for k in sorted(range(trials), key=lambda k: abs(k - trials // 2)):  # what is in the middle is rarely the slowest
        best = [min((trial.seconds for trial in found.values()), default=math.inf) for found in tried.values()]
        found = _tried(contestant, options[k], together, task, steps, best)
        for condition, trial in zip(together, found, strict=True):
            tried[condition][k] = trial
    return {condition: _best([found[k] for k in range(trials)]) for condition, found in tried.items()}


def _best(trials: list[Trial]) -> tuple[Choice, list[Trial]]:
    return min(trials, key=lambda trial: (trial.seconds, trial.validation_loss)).choice, trials


def _tried(
    contestant: Contestant,
    choice: Choice,
    together: Sequence[NetworkCondition],
    task: RaceTask,
    steps: int,
    best: Sequence[float],
) -> list[Trial]:
    """Try a choice in conditions that share its runs, as long as it can be sooner than the best so far in one."""
    logs: list[list[RaceLog]] = [[] for _ in together]
    for seed in TUNING:
        spent = [len(TUNING) * _mean_seconds(mine) for mine in logs]
        left = [
            len(TUNING) * most - mine if math.isfinite(most) else math.inf
            for most, mine in zip(best, spent, strict=True)
        ]
        if max(left) < 0:
            break
        for mine, log in zip(logs, run(contestant, choice, together, task, steps, seed, left), strict=True):
            mine.append(log)
    return [
        Trial(
            choice,
            _mean_seconds(mine),
            float(np.mean([end(log) for log in mine])),
            len(mine) < len(TUNING) or any(log.over for log in mine),
        )
        for mine in logs
    ]


def _mean_seconds(logs: Sequence[RaceLog]) -> float:
    """Return the mean seconds of all runs of a try to the target, at least; a run that was not made counts as none."""
    seconds = [
        log.rows[-1].seconds if log.over else log.reached("seconds", "validation_loss", stays=True) for log in logs
    ]
    return sum(seconds) / len(TUNING)


def end(log: RaceLog) -> float:
    """Return the validation loss at the end; that of a diverged model for who never got there."""
    return log.rows[-1].seen.validation_loss if log.rows and math.isfinite(log.rows[-1].seconds) else LOST


def run(
    contestant: Contestant,
    choice: Choice,
    together: Sequence[NetworkCondition],
    task: RaceTask,
    steps: int,
    seed: int,
    most: Sequence[float] = (),
) -> list[RaceLog]:
    """Return one run of a contestant as it is seen in each of the conditions that share it; `most` as in `RaceLog`."""
    condition = together[0]
    made = contestant.make(condition.workers, dict(choice.knobs))
    if isinstance(made, Algorithm):
        return rounds.race(made, choice.lr, together, task, steps, seed, contestant.background, most)
    seconds = most[0] if most else None
    if isinstance(made, Pairs):
        return [Meetings(made, choice.lr, condition, task, steps, seed, seconds).run()]
    return [Processes(made, choice.lr, condition, task, steps, seed, seconds).run()]
