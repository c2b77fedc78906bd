"""Keeping: ``reproductions keep RESULTS`` copies the smoke figures of a session to where a checkout keeps them."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable
from pathlib import Path

from reproductions.harness.runs.settings import SCALES
from reproductions.report.results import BASELINE, Folder, Plot, read_folder

LARGEST = 100_000  # bytes of a picture, and of the numbers behind it
ALL = 5_000_000  # bytes of all that is kept


def keep(results: Path, to: Path) -> int:
    """Copy figures and say which, and what was left out; return 1 if one was too large, to be drawn with fewer points.

    Parameters
    ----------
    results
        The results folder of a session.
    to
        The results folder of a checkout. Its baseline gets those smoke figures of which it has no larger scale, and
        none of more seeds.
    """
    wanted, fewer = _wanted(read_folder(results), read_folder(to))
    copied = [plot for plot in wanted if _copied(plot, to)]
    large = [plot for plot in wanted if plot not in copied]
    total = sorted((to / BASELINE / SCALES[0]).glob("*/*.*"))
    size = sum(path.stat().st_size for path in total)
    print(f"copied {len(copied)} figures{': ' if copied else ''}{_names(copied)}")
    print(f"{len(total)} files of {size / 1e6:.1f} MB are kept in {to / BASELINE / SCALES[0]}")
    if fewer:
        print(f"left out, as the kept ones are of more seeds: {_names(fewer)}")
    if large:
        print(f"left out, as their pictures have more than {LARGEST} bytes: {_names(large)}")
    if size > ALL:
        print(f"that is more than {ALL / 1e6:.0f} MB")
    return int(bool(large) or size > ALL)


def _names(plots: Iterable[Plot]) -> str:
    return ", ".join(f"{plot.paper}/{plot.name}" for plot in plots)


def _wanted(session: Folder, kept: Folder) -> tuple[list[Plot], list[Plot]]:
    """Return the smoke figures of which no larger scale is kept, and apart those that are kept from more seeds."""
    larger = {(plot.paper, plot.name) for plot in kept.plots if plot.scale != SCALES[0]}
    mine = [plot for plot in session.plots if plot.scale == SCALES[0] and (plot.paper, plot.name) not in larger]
    seeds = {(plot.paper, plot.name): _seeds(plot) for plot in kept.kept_plots if plot.scale == SCALES[0]}
    fewer = [plot for plot in mine if 0 < _seeds(plot) < seeds.get((plot.paper, plot.name), 0)]
    return [plot for plot in mine if plot not in fewer], fewer


def _seeds(plot: Plot) -> int:
    """Return how many seeds the numbers behind a plot are of; 0 if they do not say."""
    if ".csv" not in plot.files:
        return 0
    with plot.files[".csv"].open(newline="") as lines:
        return len({row["seed"] for row in csv.DictReader(lines) if "seed" in row})


def _copied(plot: Plot, to: Path) -> bool:
    svg = plot.files[".svg"]
    if svg.stat().st_size > LARGEST:
        return False
    folder = to / BASELINE / plot.scale / plot.paper
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*plot.files.values(), svg.with_suffix(".json")):
        if path.exists() and path.stat().st_size <= LARGEST:
            shutil.copyfile(path, folder / path.name)
        else:  # a picture never stands beside the numbers of another one
            (folder / path.name).unlink(missing_ok=True)
    return True
