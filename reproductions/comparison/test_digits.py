"""All contestants on scikit-learn's digits, at smoke scale in some of the conditions."""

from __future__ import annotations

from reproductions.comparison.plots import draw_fronts, draw_map
from reproductions.comparison.race import Race
from reproductions.comparison.recipes import digits
from reproductions.comparison.test_squares import ONE_SIDED, SHOWN, SYNC, decide_sooner
from reproductions.paper import Decider, FigureFolder, Runs, Settings, decides


def experiments(settings: Settings) -> dict[tuple[str, str], list[Race]]:
    """Return the races by contestant and condition."""
    return digits(settings)


@decides("comparison-slow-worker-digits")
def test_a_slow_worker_holds_up_who_waits(claim: Decider, runs: Runs[Race]) -> None:
    decide_sooner(claim, runs, ONE_SIDED, SYNC, "one slow worker")


def test_map_of_digits(runs: Runs[Race], figures: FigureFolder) -> None:
    draw_map(runs, figures, "map-digits")


def test_fronts_of_digits(runs: Runs[Race], figures: FigureFolder) -> None:
    draw_fronts(runs, figures, "fronts-digits", SHOWN)
