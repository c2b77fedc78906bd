"""All contestants on ResNet-20 and CIFAR-10, in some of the conditions: hours, resumable."""

from __future__ import annotations

import pytest

from reproductions.comparison.plots import draw_fronts, draw_map, draw_tuning, named
from reproductions.comparison.race import Race
from reproductions.comparison.recipes import BRIEF, resnet
from reproductions.paper import FigureFolder, Runs, Settings

OWN_JOINS = True  # an algorithm of one's own is one more contestant here, see `recipes.field`
NEEDED = "needs CIFAR-10 (--data) and --scale small, which takes hours"


def experiments(settings: Settings) -> dict[tuple[str, str], list[Race]]:
    """Return the races by contestant and condition."""
    return resnet(settings)


@pytest.fixture
def races(settings: Settings, request: pytest.FixtureRequest) -> Runs[Race]:
    """Return the runs, where there are any to make."""
    if settings.scale == "smoke":
        pytest.skip(NEEDED)
    made: Runs[Race] = request.getfixturevalue("runs")
    return made


def test_map_of_resnet20(settings: Settings, races: Runs[Race], figures: FigureFolder) -> None:
    draw_map(races, figures, named("map-resnet20", settings))


def test_fronts_of_resnet20(settings: Settings, races: Runs[Race], figures: FigureFolder) -> None:
    draw_fronts(races, figures, named("fronts-resnet20", settings), BRIEF)


def test_tuning_on_resnet20(settings: Settings, races: Runs[Race], figures: FigureFolder) -> None:
    draw_tuning(races, figures, named("tuning-resnet20", settings))
