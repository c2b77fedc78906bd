"""Race: the experiment of the comparison, one contestant in one condition, tuned there and then run."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from algorithms.algorithm import Algorithm
from reproductions.comparison import contestants, tuning
from reproductions.comparison.conditions import NetworkCondition
from reproductions.comparison.contestants import Contestant
from reproductions.comparison.log import RaceLog, Row
from reproductions.comparison.tasks import RaceTask
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement


@dataclass(frozen=True)
class Race(Experiment):
    """A contestant in a condition.

    Logged at every moment (step: gradients of a worker): ``loss`` and ``validation_loss`` of the mean model,
    ``workers_loss`` (the mean of those of all models), ``disagreement`` ((1/n) sum_i |x_i - mean|^2), ``seconds``
    (modelled) and ``sent_bytes`` (a worker). At step 0: ``seconds_to_target``, ``bytes_to_target`` and
    ``steps_to_target``, infinite if it is never reached, and ``chosen_lr`` and ``chosen_<knob>``.
    At step k = 1, 2, ...: the k-th try of the tuning, ``try_lr``, ``try_<knob>``, ``try_seconds`` to the target on the
    validation samples, ``try_validation_loss``, and ``try_given_up``, which is 1 if it was ended before its two runs
    were, so that its seconds are a lower bound; see `tuning.Trial`.

    Parameters
    ----------
    contestant
        Its name, see `contestants`.
    condition, task
        Where, and on what.
    alike
        Other conditions of the comparison: a run that is the same under several of them is made once.
    steps, trials
        Gradients of a worker, and tries of the tuning.
    seed
        Key of the run, not of the tuning.
    own
        One's own algorithm, if the contestant is none of the suite's.
    """

    placement: ClassVar[Placement] = Placement.ALONE
    basis: ClassVar[str] = "modelled"
    contestant: str
    condition: NetworkCondition
    task: RaceTask
    alike: tuple[NetworkCondition, ...]
    steps: int
    trials: int
    seed: int
    own: Algorithm | None = None

    @property
    def workers(self) -> int:
        """n; one rank runs all of them."""
        return self.condition.workers

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        if self.task.large:
            return self.samples * self.task.sample_seconds
        return 2e-3 * self.steps * self.condition.workers / 8

    @property
    def samples(self) -> int:
        """Samples whose gradients it computes at most; those of the tries count, in full, with the first seed."""
        if not self.task.large or not self._first:
            return 0
        return self.steps * self.workers * self.task.batch * (1 + (2 * self.trials if self.seed == 0 else 0))

    def speed(self, context: Context) -> float:
        """See `Experiment.speed`."""
        return self.task.speed(context)

    def checksum(self, data: Path | None) -> str:
        """See `Experiment.checksum`."""
        return self.task.checksum(data)

    @property
    def _first(self) -> bool:
        """Whether no condition before this one has the same run."""
        same = self._together
        return next(each for each in self.alike if each in same) == self.condition

    @property
    def group(self) -> str:
        """Runs that share their tries: all seeds, and all conditions if one run serves several of them."""
        return f"{self.task.name}/{self.contestant}" + ("" if self._who.in_rounds else f"/{self.condition.name}")

    @property
    def _who(self) -> Contestant:
        return contestants.own(self.contestant, self.own) if self.own else contestants.contestant(self.contestant)

    @property
    def _together(self) -> tuple[NetworkCondition, ...]:
        return tuning.sharing(self._who, self.condition, self.alike)

    def execute(self, context: Context) -> None:
        """Tune, run, log."""
        who, together = self._who, self._together
        with self.task.ready(context) as task:
            choice, tried = _tuned(who, together, task, self.steps, self.trials)[self.condition]
            log = _run(who, choice, together, task, self.steps, self.seed)[together.index(self.condition)]
        reached = {
            f"{name}_to_target": log.reached(what)
            for name, what in (("seconds", "seconds"), ("bytes", "sent"), ("steps", "step"))
        }
        context.log(0, reached | _named("chosen", choice))
        for k, trial in enumerate(tried, start=1):
            seen = {
                "try_seconds": trial.seconds,
                "try_validation_loss": trial.validation_loss,
                "try_given_up": float(trial.given_up),
            }
            context.log(k, _named("try", trial.choice) | seen)
        for row in log.rows:
            context.log(row.step, _metrics(row))


def _named(prefix: str, choice: tuning.Choice) -> dict[str, float]:
    return {f"{prefix}_{name}": float(value) for name, value in (("lr", choice.lr), *choice.knobs)}


def _metrics(row: Row) -> dict[str, float]:
    return row.seen._asdict() | {"seconds": row.seconds, "sent_bytes": row.sent}


@functools.lru_cache(maxsize=4096)
def _tuned(
    who: Contestant, together: tuple[NetworkCondition, ...], task: RaceTask, steps: int, trials: int
) -> dict[NetworkCondition, tuple[tuning.Choice, list[tuning.Trial]]]:
    """Return what was chosen where; all seeds of a contestant in these conditions share it."""
    return tuning.tuned(who, together, task, steps, trials)


@functools.lru_cache(maxsize=256)
def _run(
    who: Contestant,
    choice: tuning.Choice,
    together: tuple[NetworkCondition, ...],
    task: RaceTask,
    steps: int,
    seed: int,
) -> list[RaceLog]:
    """Return a run in all conditions that share it, which those who chose the same have in common."""
    return tuning.run(who, choice, together, task, steps, seed)
