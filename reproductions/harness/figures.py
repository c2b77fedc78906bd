"""Figures: plots that look like the papers', and the frames behind them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reproductions.harness.settings import Settings
    from reproductions.harness.store import Run

SCHEMA = 1  # of the file that says who drew a figure
DPI = 150

# Okabe and Ito: told apart by colour-blind readers
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")


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
        """Write ``name.png``, ``name.svg``, their numbers as ``.csv`` and the test that drew them as ``.json``.

        Returns
        -------
        pathlib.Path
            The path of the PNG.
        """
        import matplotlib as mpl
        import matplotlib.pyplot as plt
        from matplotlib.ticker import LogLocator, NullFormatter

        for axis in figure.axes:
            low, high = axis.get_ylim()
            if axis.get_yscale() == "log" and high < 100 * low:  # 0.2 and 0.5 rather than 2 x 10^-1
                axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axis.yaxis.set_major_formatter("{x:g}")
                axis.yaxis.set_minor_formatter(NullFormatter())
        self.folder.mkdir(parents=True, exist_ok=True)
        frame.to_csv(self.folder / f"{name}.csv", index=False, float_format="%.6g")
        path = self.folder / f"{name}.png"
        figure.savefig(path, dpi=DPI, bbox_inches="tight")
        with mpl.rc_context({"svg.hashsalt": name}):  # the same numbers give the same bytes
            figure.savefig(path.with_suffix(".svg"), bbox_inches="tight", metadata={"Date": None})
        path.with_suffix(".json").write_text(json.dumps({"schema": SCHEMA, "test": self.test}))
        plt.close(figure)
        return path


def panels(
    count: int, width: float = 4.2, height: float = 3.2, epochs: bool = False, stacked: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels in a row, or `stacked`; with `epochs`, ticks of x axes are whole numbers."""
    import matplotlib as mpl

    mpl.use("Agg")
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
    """Name what was really trained: the paper's model at paper scale, a stand-in for it elsewhere."""
    workload = runs[0].provenance["workload"]
    return f"{model} on {workload}" if settings.scale == "paper" else f"{workload}, stand-in for {model}"


def curves(runs: Sequence[Run], labels: Sequence[str], metric: str) -> pd.DataFrame:
    """Collect a metric over steps.

    Returns
    -------
    pandas.DataFrame
        One row per run and step with the columns label, seed, step, metric and value.
    """
    import pandas as pd

    frames = []
    for run, label in zip(runs, labels, strict=True):
        rows = run.frame[run.frame["metric"] == metric]
        frames.append(rows.assign(label=label, seed=getattr(run.experiment, "seed", 0)))
    return pd.concat(frames, ignore_index=True)[["label", "seed", "step", "metric", "value"]]


def draw(axis: Axes, frame: pd.DataFrame, **style: Any) -> None:
    """Draw the mean over seeds of every label, in order of appearance, with the range of the seeds as a band."""
    for label in frame["label"].unique():
        grouped = frame[frame["label"] == label].groupby("step")["value"].agg(["mean", "min", "max"])
        line = axis.plot(grouped.index, grouped["mean"], label=label, **style)[0]
        axis.fill_between(grouped.index, grouped["min"], grouped["max"], color=line.get_color(), alpha=0.15, lw=0)
