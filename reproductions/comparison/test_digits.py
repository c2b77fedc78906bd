"""All contestants on scikit-learn's digits, at smoke scale in some of the conditions."""

from __future__ import annotations

from reproductions.comparison.plots import draw_fronts, draw_map, draw_tuning, named
from reproductions.comparison.race import Race
from reproductions.comparison.recipes import digits
from reproductions.comparison.test_squares import SHOWN, decide_slowdown
from reproductions.paper import Decider, FigureFolder, Runs, Settings, decides

OWN_JOINS = True  # an algorithm of one's own is one more contestant here, see `recipes.field`


def experiments(settings: Settings) -> dict[tuple[str, str], list[Race]]:
    """Return the races by contestant and condition."""
    return digits(settings)


@decides("comparison-slow-worker-digits")
def test_a_slow_worker_holds_up_who_waits(claim: Decider, runs: Runs[Race]) -> None:
    decide_slowdown(claim, runs, "one slow worker")


def test_map_of_digits(settings: Settings, runs: Runs[Race], figures: FigureFolder) -> None:
    draw_map(runs, figures, named("map-digits", settings))


def test_fronts_of_digits(settings: Settings, runs: Runs[Race], figures: FigureFolder) -> None:
    draw_fronts(runs, figures, named("fronts-digits", settings), SHOWN)


def test_tuning_on_digits(settings: Settings, runs: Runs[Race], figures: FigureFolder) -> None:
    draw_tuning(runs, figures, named("tuning-digits", settings))
