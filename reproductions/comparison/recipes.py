"""What is compared at each scale; docs/comparison.md says what was changed after a result had been seen.

At smoke scale eight workers make 80 gradients each, so that all conditions take minutes. The targets are losses that
synchronous SGD reaches within a fifth to two thirds of that at a good step size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reproductions.comparison.conditions import CONDITIONS, NetworkCondition
from reproductions.comparison.contestants import CONTESTANTS, Contestant, own
from reproductions.comparison.race import Race
from reproductions.comparison.resnet import ResNetTask
from reproductions.comparison.tasks import DigitsTask, RaceTask, SquaresTask
from reproductions.paper import Settings

BRIEF = ("ideal", "10 % loss", "20 Mbit/s", "one slow worker", "sorted data")  # of digits at smoke scale, of ResNet-20


@dataclass(frozen=True)
class Recipe:
    """Sizes of the races at one scale.

    Parameters
    ----------
    workers
        n of the conditions that are not about n, and the smallest and the largest of those that are.
    steps, trials
        Gradients of a worker, and tries of the tuning.
    """

    workers: int
    fewest: int
    most: int
    steps: int
    trials: int

    @property
    def conditions(self) -> tuple[NetworkCondition, ...]:
        """All conditions, at these sizes."""
        sizes = {"4 workers": self.fewest, "64 workers": self.most}
        return tuple(
            replace(each, workers=sizes.get(each.name, self.workers), name=_renamed(each.name, sizes))
            for each in CONDITIONS
        )


def _renamed(name: str, sizes: dict[str, int]) -> str:
    return f"{sizes[name]} workers" if name in sizes else name


RECIPES = {
    "smoke": Recipe(8, 4, 16, steps=80, trials=4),
    "small": Recipe(16, 4, 64, steps=320, trials=12),
    "paper": Recipe(16, 4, 64, steps=320, trials=24),
}
LARGE = {  # of ResNet-20
    "small": Recipe(8, 4, 16, steps=160, trials=4),
    "paper": Recipe(16, 4, 64, steps=480, trials=12),
}


def field(settings: Settings) -> Sequence[Contestant]:
    """Return all contestants, one's own among them."""
    joined = [own(settings.algorithm.name, settings.algorithm.algorithm)] if settings.algorithm else []
    return [*CONTESTANTS, *joined]


def races(settings: Settings, task: RaceTask, only: Sequence[str] = ()) -> dict[tuple[str, str], list[Race]]:
    """Return the races on a task under (contestant, condition), one a seed; in all conditions if none are named."""
    recipe = (LARGE if task.large else RECIPES)[settings.scale]
    mine = settings.algorithm
    chosen = tuple(each for each in recipe.conditions if not only or each.name in only)
    alike = chosen if task.large else recipe.conditions
    return {
        (who.name, where.name): [
            Race(
                who.name, where, task, alike, recipe.steps, recipe.trials, seed,
                own=mine.algorithm if mine and who.family == "own" else None,
            )
            for seed in settings.fewer_seeds()
        ]
        for who in field(settings)
        for where in chosen
    }  # fmt: skip


def squares(settings: Settings) -> dict[tuple[str, str], list[Race]]:
    """Return the races on least squares, in all conditions."""
    return races(settings, SquaresTask())


def digits(settings: Settings) -> dict[tuple[str, str], list[Race]]:
    """Return the races on digits; at smoke scale in some of the conditions."""
    return races(settings, DigitsTask(), BRIEF if settings.scale == "smoke" else ())


def resnet(settings: Settings) -> dict[tuple[str, str], list[Race]]:
    """Return the races of ResNet-20 on CIFAR-10, in some of the conditions; none at smoke scale."""
    return {} if settings.scale == "smoke" else races(settings, ResNetTask(), BRIEF)
