"""Keeping: ``reproductions keep RESULTS`` copies the smoke figures of a session to where a checkout keeps them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from reproductions.harness.runs.settings import SCALES
from reproductions.report.results import BASELINE, Folder, Plot, read_folder

LARGEST = 100_000  # bytes of a picture, and of the numbers behind it
ALL = 5_000_000  # bytes of all that is kept


def keep(results: Path, to: Path) -> int:
    """Copy figures and say what was left out; return 1 if that is a figure, so that it can be drawn with fewer points.

    Parameters
    ----------
    results
        The results folder of a session.
    to
        The results folder of a checkout. Its baseline gets those smoke figures of which it has no larger scale.
    """
    kept = read_folder(to)
    large = [f"{plot.paper}/{plot.name}" for plot in _wanted(read_folder(results), kept) if not _copied(plot, to)]
    copied = sorted((to / BASELINE / SCALES[0]).glob("*/*.*"))
    size = sum(path.stat().st_size for path in copied)
    print(f"{len(copied)} files of {size / 1e6:.1f} MB are kept in {to / BASELINE / SCALES[0]}")
    if large:
        print(f"left out, as their pictures have more than {LARGEST} bytes: {', '.join(large)}")
    if size > ALL:
        print(f"that is more than {ALL / 1e6:.0f} MB")
    return int(bool(large) or size > ALL)


def _wanted(session: Folder, kept: Folder) -> Iterable[Plot]:
    larger = {(plot.paper, plot.name) for plot in kept.plots if plot.scale != SCALES[0]}
    return (plot for plot in session.plots if plot.scale == SCALES[0] and (plot.paper, plot.name) not in larger)


def _copied(plot: Plot, to: Path) -> bool:
    svg = plot.files[".svg"]
    if svg.stat().st_size > LARGEST:
        return False
    folder = to / BASELINE / plot.scale / plot.paper
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*plot.files.values(), svg.with_suffix(".json")):
        if path.exists() and path.stat().st_size <= LARGEST:
            shutil.copyfile(path, folder / path.name)
    return True
