"""Moments of the mixing matrices that real messages make, against exact ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reproductions.paper import Decision, Run, mean_interval
from reproductions.rps import exact
from reproductions.rps.mixing import MixingMatrices

CONFIDENCE = 0.999
Moment = Callable[[int, float], float]
"""An exact moment as a function of n and p."""


def closed_form(name: str) -> Moment:
    """Return a function of `reproductions.rps.exact` by name, for single numbers."""
    return lambda n, p: float(getattr(exact, name)(n, p))


def observed(runs: Sequence[Run[MixingMatrices]], name: str, moment: Moment | None = None) -> Decision:
    """Decide whether an exact moment lies in the interval of the measured one in every cell of n and p.

    Parameters
    ----------
    runs
        One for each cell.
    name, moment
        The metric, and its exact value; the closed form of the same name if it is not given.
    """
    exact_one = moment or closed_form(name)
    cells = [
        (mean_interval(run.series(name).to_numpy(), CONFIDENCE, of="draws"), exact_one(*cell(run))) for run in runs
    ]
    misses = [(interval, value) for interval, value in cells if not interval.low <= value <= interval.high]
    # 1 of 1000 intervals misses by chance; two of the 25 cells would be a sign of something else
    found = f"exact {name} outside of the interval of real messages in {len(misses)} of {len(cells)} cells"
    return Decision("holds" if len(misses) <= 1 else "fails", (misses or cells)[-1][0], found)


def cell(run: Run[MixingMatrices]) -> tuple[int, float]:
    """Return n and p of a run."""
    return run.experiment.nodes, run.experiment.p
