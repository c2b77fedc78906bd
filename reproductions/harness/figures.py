"""Figures: plots that look like the papers', and the frames behind them."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from reproductions.harness.runs.store import DIVERGED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

    from reproductions.harness.runs.settings import Settings
    from reproductions.harness.runs.store import Run

SCHEMA = 1  # of the file that says who drew a figure

COORDINATES = re.compile(r' (?:d|x|y)="[^"]*"')  # attributes with coordinates in points, of which 0.01 can be seen

# Okabe and Ito: told apart by colour-blind readers
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")

CURVES: WeakSet[Line2D] = WeakSet()  # the lines that show runs, and not what is printed or computed


@dataclass(frozen=True)
class FigureFolder:
    """Where the figures of one paper at one scale go.

    Parameters
    ----------
    folder
        Folder of the paper at this scale.
    test
        Node id of the test that draws them, from which the report knows where in the paper they belong.
    """

    folder: Path
    test: str = ""

    def save(self, name: str, figure: Figure, frame: pd.DataFrame) -> Path:
        """Write ``name.svg``, its numbers as ``.csv`` and the test that drew it as ``.json``; return the picture.

        They are moved into place when all are written: a full disk leaves those of an earlier session whole.
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import LogLocator, NullFormatter

        for axis in figure.axes:
            low, high = axis.get_ylim()
            if axis.get_yscale() == "log" and high < 100 * low:  # 0.2 and 0.5 rather than 2 x 10^-1
                axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axis.yaxis.set_major_formatter("{x:g}")
                axis.yaxis.set_minor_formatter(NullFormatter())
        _uncover(figure)
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(f".{name}-*"):  # by a session that was killed while it drew
            shutil.rmtree(left, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self.folder))
        try:
            self._write(draft / f"{name}.svg", figure, frame)
            for path in draft.iterdir():
                path.replace(self.folder / path.name)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            plt.close(figure)
        return self.folder / f"{name}.svg"

    def _write(self, path: Path, figure: Figure, frame: pd.DataFrame) -> None:
        import matplotlib as mpl

        frame.to_csv(path.with_suffix(".csv"), index=False, float_format="%.6g")
        # text rather than outlines of it; the same numbers give the same bytes
        fonts = ["DejaVu Sans", "Verdana"]
        with mpl.rc_context({"svg.fonttype": "none", "font.sans-serif": fonts, "svg.hashsalt": path.stem}):
            figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
        path.write_text(re.sub(r">\s+<", ">\n<", COORDINATES.sub(_rounded, path.read_text())))
        path.with_suffix(".json").write_text(json.dumps({"schema": SCHEMA, "test": self.test}))


def _uncover(figure: Figure) -> None:
    """Move legends that hide a part of a curve to the right of their axes, and make the figure wider by as much."""
    figure.draw_without_rendering()
    legends = [(axis, axis.get_legend()) for axis in figure.axes]
    for legend in [legend for axis, legend in legends if legend and _hides_curve(axis, legend)]:
        figure.set_figwidth(figure.get_figwidth() + legend.get_window_extent().width / figure.dpi)
        legend.set_loc("upper left")
        legend.set_bbox_to_anchor((1.01, 1))


def _hides_curve(axis: Axes, legend: Legend) -> bool:
    """Whether the legend of axes lies on one of their lines or markers."""
    import numpy as np

    box = legend.get_window_extent()
    curves = [line for line in axis.lines if np.size(line.get_xdata())]
    paths = [line.get_transform().transform_path(line.get_path()) for line in curves]
    return any(path.intersects_bbox(box, filled=False) for path in paths)


def _rounded(attribute: re.Match[str]) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])


def panels(
    count: int, width: float = 4.2, height: float = 3.2, epochs: bool = False, stacked: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels in a row, or `stacked`; with `epochs`, ticks of x axes are whole numbers."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"axes.titlesize": 10, "figure.titlesize": 10})
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    rows, columns = (count, 1) if stacked else (1, count)
    size = (width * columns, height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_prop_cycle(color=COLOURS)
        axis.grid(alpha=0.3)
        axis.xaxis.set_major_locator(MaxNLocator(integer=epochs, nbins="auto"))
    return figure, list(axes.flat)


def name_of(settings: Settings, model: str, runs: Sequence[Run]) -> str:
    """Name what was really trained, and the scale: the paper's model, perhaps shorter and thinner, or a stand-in."""
    data = runs[0].provenance["workload"]
    if settings.scale == "smoke":
        return f"{data}, stand-in for {model} (smoke)"
    net: Any = getattr(getattr(runs[0].experiment, "workload", None), "net", None)
    thinner = type(net)().width // net.width if hasattr(net, "width") else 1
    width = f", 1/{thinner} as wide," if thinner > 1 else ""
    return f"{model}{width} on {data}" + (" (paper)" if settings.scale == "paper" else ", shortened (small)")


def unfolded(frame: pd.DataFrame, parameters: Callable[[Any], Mapping[str, object]]) -> pd.DataFrame:
    """Return a frame of curves with a column for each parameter that its labels stand for, in their place."""
    import pandas as pd

    columns = pd.DataFrame([dict(parameters(label)) for label in frame["label"]], index=frame.index)
    return pd.concat([columns, frame.drop(columns="label")], axis="columns")


def draw(axis: Axes, frame: pd.DataFrame, **style: Any) -> None:
    """Draw the mean over seeds of every label, in order of appearance, with the range of several seeds as a band.

    Losses of a run that diverged are left out from there on: a cross at the top marks the step, and the label says so.
    """
    for label in frame["label"].unique():
        rows = frame[frame["label"] == label]
        lost = _lost(rows)
        grouped = rows[~lost].groupby("step")["value"].agg(["mean", "min", "max"])
        ends = rows[lost].groupby("seed")["step"].min() if lost.any() else rows["step"][:0]
        name = f"{label} ({len(ends)} of {rows['seed'].nunique()} runs diverged)" if len(ends) else label
        line = axis.plot(grouped.index, grouped["mean"], label=name, **style)[0]
        CURVES.add(line)
        if (grouped["max"] > grouped["min"]).any():
            axis.fill_between(grouped.index, grouped["min"], grouped["max"], color=line.get_color(), alpha=0.15, lw=0)
        if len(ends):
            top, colour, place = [0.98] * len(ends), line.get_color(), axis.get_xaxis_transform()
            axis.plot(ends, top, "x", color=colour, clip_on=False, gid="diverged", transform=place)


def _lost(rows: pd.DataFrame) -> pd.Series[bool]:
    """Whether a loss, or one of the same run before it, left all bounds."""
    if not {"metric", "seed"} <= set(rows.columns):
        return rows["value"].isna() & False
    beyond = ~(rows["value"].abs() < DIVERGED) & rows["metric"].str.endswith("loss")
    return beyond.groupby(rows["seed"]).cummax()
