"""Overlays: curves of one's own algorithm in a figure of a paper, and how far they are from the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reproductions.harness.figures import CURVES, FigureFolder
from reproductions.harness.runs.labelled import Label, Runs
from reproductions.harness.verdicts.intervals import paired_difference

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

WHOSE = "whose"  # column of the frame of an overlay: the paper's, or the name of one's own
PAPERS = "paper"
AT_ALL = "digest"  # the metric whose differences mean nothing


@dataclass(frozen=True)
class Sketch:
    """A figure that is not written yet, and the numbers behind it."""

    name: str
    figure: Figure
    frame: pd.DataFrame


@dataclass(frozen=True)
class Sketchbook(FigureFolder):
    """A folder of figures that keeps them in memory, in the order in which they are drawn."""

    sketches: list[Sketch] = field(default_factory=list)

    def save(self, name: str, figure: Figure, frame: pd.DataFrame) -> Path:
        """Keep a figure; return where it would have gone."""
        import matplotlib.pyplot as plt

        self.sketches.append(Sketch(name, figure, frame))
        plt.close(figure)
        return self.folder / f"{name}.svg"


def overlay(paper: Sketch, own: Sketch, name: str, everywhere: bool) -> Sketch:
    """Return the figure of the paper with the curves that the same drawing has for one's own algorithm, dashed.

    Parameters
    ----------
    paper, own
        What a test draws from the runs of the paper, and from those with one's own algorithm in their place.
    name
        Name of the algorithm, for the legend.
    everywhere
        Whether it took the place of all algorithms of the figure; else curves that are those of the paper are not its.
    """
    import pandas as pd

    for axis, other in zip(paper.figure.axes, own.figure.axes, strict=True):
        _add(axis, other, name, everywhere)
    frames = [each.frame.assign(**{WHOSE: whose}) for each, whose in ((paper, PAPERS), (own, name))]
    return Sketch(paper.name, paper.figure, pd.concat(frames, ignore_index=True))


def _add(axis: Axes, other: Axes, name: str, everywhere: bool) -> None:
    """Draw the curves of `other` that belong to runs, each once, in the colours that their labels have in `axis`."""
    before = list(axis.lines)
    colours = {line.get_label(): line.get_color() for line in before}
    curves: dict[bytes, list[Line2D]] = {}
    for line in _labelled(other.lines):
        equal = any(_data(line) == _data(each) for each in before)
        if (line in CURVES and everywhere) or not equal:
            curves.setdefault(_data(line), []).append(line)
    for same in curves.values():
        labels = [str(line.get_label()) for line in same]
        shown = labels if len(labels) < 3 else [labels[0], f"{len(labels) - 1} more"]
        text = name if len(curves) == 1 and len(labels) > 1 else f"{name}, {' and '.join(shown)}"
        axis.plot(*same[0].get_data(), "--", color=colours.get(labels[0]), lw=same[0].get_linewidth(), label=text)
    if curves and (legend := axis.get_legend()):
        axis.legend(title=legend.get_title().get_text(), fontsize=7)


def _labelled(lines: Iterable[Line2D]) -> Iterator[Line2D]:
    return (line for line in lines if not str(line.get_label()).startswith("_") and len(line.get_xdata()))  # type: ignore[arg-type]


def _data(line: Line2D) -> bytes:
    return np.asarray(line.get_xydata(), dtype=float).tobytes()


def differences(paper: Runs, own: Runs, metrics: Sequence[str] = ()) -> pd.DataFrame:
    """Return by how much runs with one's own algorithm end above those of the paper, paired by seed.

    Parameters
    ----------
    paper, own
        Runs under the same labels.
    metrics
        Which metrics; by default all that both have.

    Returns
    -------
    pandas.DataFrame
        One row a label and metric: label, metric, step (of the end), paper and own (means over the seeds), difference
        (own - paper) with the ends of its 95 % interval, low and high, and seeds. A difference that is no number, as a
        run diverged, has none.
    """
    import pandas as pd

    rows = [_row(label, metric, paper, own) for label in own for metric in _common(paper, own, label, metrics)]
    columns = ["label", "metric", "step", "paper", "own", "difference", "low", "high", "seeds"]
    return pd.DataFrame(rows, columns=columns)


def _common(paper: Runs, own: Runs, label: Label, metrics: Sequence[str]) -> list[str]:
    found = [set(runs[label][0].frame["metric"]) for runs in (paper, own)]
    return [each for each in metrics or sorted(found[0]) if each in found[0] & found[1] and each != AT_ALL]


def _row(label: Label, metric: str, paper: Runs, own: Runs) -> list[Any]:
    theirs, ours = (np.array(runs.final(metric, label)) for runs in (paper, own))
    step = int(own[label][0].series(metric).index[-1])
    finite = bool(np.isfinite([*theirs, *ours]).all())
    interval = paired_difference(ours, theirs) if finite else None
    ends = [interval.estimate, interval.low, interval.high] if interval else [np.nan] * 3
    return [written(label), metric, step, theirs.mean(), ours.mean(), *ends, len(ours)]


def written(label: Label) -> str:
    """Write a label as text."""
    return ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)
