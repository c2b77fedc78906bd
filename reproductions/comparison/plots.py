"""Pictures of the standings: a map of conditions and contestants, performance profiles, what no other beats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reproductions.comparison.contestants import CONTESTANTS
from reproductions.comparison.race import Race
from reproductions.comparison.standings import MEASURES, SENT, front, made, profile, senders, standings, summary
from reproductions.comparison.tuning import choices
from reproductions.paper import COLOURS, FigureFolder, Runs, Settings, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FACTORS = np.geomspace(1, 32, 121)
WORST = 10.0  # ratio from which on a cell has the darkest colour
STYLES = ("-", "--", ":")
MARKERS = "osD^vPXp*hd<>"
WORDS = {"seconds_to_target": "time", "bytes_to_target": "bytes", "steps_to_target": "gradients"}
SENDERS = " of senders"  # ends a measure in which only those are compared that send anything
TIME, *_ = WORDS


def named(figure: str, settings: Settings) -> str:
    """Return the name of a figure; one with an algorithm of one's own takes the place of no other."""
    return f"{figure}-{settings.algorithm.folder}" if settings.algorithm else figure


def draw_map(runs: Runs[Race], figures: FigureFolder, name: str) -> None:
    """Draw how many times as long as the best each contestant takes to the target, in each condition."""
    frame = standings(runs)
    table = summary(frame, TIME)
    wide = table.pivot_table(index="contestant", columns="condition", values="ratio", sort=False, dropna=False)
    best = table.pivot_table(index="contestant", columns="condition", values="best", sort=False, dropna=False)
    order = list(dict.fromkeys(frame["contestant"]))
    wide, best = wide.loc[order], best.loc[order]
    figure, (axis,) = panels(1, width=0.62 * wide.shape[1] + 3.2, height=0.3 * len(wide) + 2.4)
    shown = np.log(wide.to_numpy().clip(1, WORST))
    axis.imshow(
        np.where(np.isfinite(wide), shown, np.nan), cmap="YlOrBr", vmin=0, vmax=1.6 * math.log(WORST), aspect="auto"
    )
    for (row, column), ratio in np.ndenumerate(wide.to_numpy()):
        text = "never" if np.isinf(ratio) else f"{ratio:.3g}"
        axis.text(
            column, row, text, ha="center", va="center", fontsize=7, weight="bold" if best.iloc[row, column] else None
        )
    axis.set_xticks(range(wide.shape[1]), wide.columns, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(range(len(wide)), wide.index, fontsize=8)
    axis.grid(visible=False)
    axis.set(
        xlabel="condition", ylabel="contestant", title=_title(runs, "modelled time to the target over that of the best")
    )
    words = "bold: the best, or not told from it at 95 %; never: some seed did not get there"
    figure.text(0.01, -0.01, words, va="top", fontsize=7)  # below everything: the picture grows by it
    figures.save(name, figure, tables(frame))


def tables(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the summaries of all measures in one table; what seed 0 had chosen stands in the rows of time.

    The soonest of those that send anything there follow: among all, who never sends is first wherever a task is so easy
    that nobody has to.
    """
    sooner = summary(senders(frame), TIME)
    among = [summary(frame, measure).assign(measure=word) for measure, word in WORDS.items()]
    among.append(sooner[sooner["best"]].assign(measure=WORDS[TIME] + SENDERS))
    whole = pd.concat(among, ignore_index=True)
    first = frame[frame["seed"] == frame["seed"].min()][["condition", "contestant", "chosen", "task"]]
    rounded = whole.assign(**{name: whole[name].map("{:.3g}".format) for name in ("mean", "ratio", "low", "high")})
    found = rounded.merge(first, on=["condition", "contestant"], how="left").drop(columns="failed")
    return found.assign(chosen=found["chosen"].where(found["measure"] == WORDS[TIME]))


def draw_tuning(runs: Runs[Race], figures: FigureFolder, name: str) -> None:
    """Draw which try, so which step size, each contestant chose in how many conditions; the table has all of them."""
    frame = made(runs)
    counts = frame.groupby(["contestant", "chosen"], sort=False).size().unstack(fill_value=0)
    rates = [
        choice.lr for choice in choices(CONTESTANTS[0], runs.all[0].experiment.task, runs.all[0].experiment.trials)
    ]
    counts = counts.reindex(
        index=list(dict.fromkeys(frame["contestant"])), columns=range(1, len(rates) + 1), fill_value=0
    )
    figure, (axis,) = panels(1, width=0.5 * len(rates) + 3.2, height=0.3 * len(counts) + 2.0)
    axis.imshow(counts, cmap="YlOrBr", vmin=0, vmax=1.5 * frame["condition"].nunique(), aspect="auto")
    for (row, column), count in np.ndenumerate(counts.to_numpy()):
        axis.text(column, row, str(count), ha="center", va="center", fontsize=7)
    axis.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates], rotation=45, fontsize=8)
    axis.set_yticks(range(len(counts)), counts.index, fontsize=8)
    axis.grid(visible=False)
    axis.set(xlabel="step size", ylabel="contestant", title=_title(runs, "conditions in which it was chosen"))
    figures.save(name, figure, frame)


def draw_profiles(runs: Runs[Race], figures: FigureFolder, name: str) -> None:
    """Draw in what share of the conditions each contestant is within a factor of the best."""
    frame = standings(runs)
    figure, axes = panels(2, width=4.6, height=4.2)
    frames = []
    for axis, measure in zip(axes, (TIME, SENT), strict=True):
        curves = profile(summary(frame, measure), FACTORS)
        for k, who in enumerate(dict.fromkeys(frame["contestant"])):
            part = curves[curves["contestant"] == who]
            style = STYLES[k // len(COLOURS)]
            axis.step(
                part["factor"], part["share"], style, where="post", color=COLOURS[k % len(COLOURS)], lw=1.3, label=who
            )
        axis.set(xscale="log", xlim=(1, FACTORS[-1]), ylim=(0, 1.02), xlabel=f"factor of the best, {MEASURES[measure]}")
        axis.set_ylabel("share of all conditions")
        axis.set_xticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
        axis.minorticks_off()
        frames.append(curves.assign(measure=measure).drop_duplicates(["contestant", "measure", "share"]))
    axes[1].legend(fontsize=6, loc="upper left", bbox_to_anchor=(1.01, 1))
    figure.suptitle(_title(runs, "performance profiles"))
    figures.save(name, figure, pd.concat(frames, ignore_index=True))


def draw_fronts(runs: Runs[Race], figures: FigureFolder, name: str, conditions: tuple[str, ...]) -> None:
    """Draw time against traffic to the target; a line joins what no other beats in both."""
    frame = standings(runs)
    means = frame.groupby(["condition", "contestant"], sort=False)[[TIME, SENT]].mean().reset_index()
    figure, axes = panels(len(conditions), width=3.6, height=3.6)
    fronts = front(senders(frame))  # who sends nothing is no point of these axes
    who = list(dict.fromkeys(fronts[fronts["condition"].isin(conditions)]["contestant"]))
    for axis, condition in zip(axes, conditions, strict=True):
        _draw_front(axis, means[means["condition"] == condition], fronts[fronts["condition"] == condition], who)
        axis.set(title=condition, xlabel=MEASURES[TIME], ylabel="MB sent a worker to the target")
    axes[-1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1))
    figure.suptitle(_title(runs, "time against traffic"))
    kept = pd.MultiIndex.from_frame(fronts[["condition", "contestant"]])
    means["front"] = pd.MultiIndex.from_frame(means[["condition", "contestant"]]).isin(kept)
    figures.save(name, figure, means)


def _draw_front(axis: Axes, means: pd.DataFrame, best: pd.DataFrame, who: Sequence[str]) -> None:
    """Draw one condition; `who` are those with a marker, the same in all panels: their names would hide each other."""
    from matplotlib.ticker import LogLocator, NullFormatter

    there = means[np.isfinite(means[TIME]) & (means[SENT] > 0) & ~means["contestant"].isin(best["contestant"])]
    axis.plot(there[TIME], there[SENT] / 1e6, "o", ms=4, color="grey", alpha=0.5, label="beaten in both by another")
    axis.step(best[TIME], best[SENT] / 1e6, "k", where="post", lw=1, label="beaten in both by none")
    for k, name in enumerate(who):
        mine, style = best[best["contestant"] == name], MARKERS[k % len(MARKERS)]
        axis.plot(mine[TIME], mine[SENT] / 1e6, style, ms=7, mfc="none", color=COLOURS[k % len(COLOURS)], label=name)
    axis.set(xscale="log", yscale="log")
    low, high = axis.get_xlim()
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 50 * low else (1.0,)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())


def _title(runs: Runs[Race], what: str) -> str:
    first = runs.all[0].experiment
    seeds = len({run.experiment.seed for run in runs.all})
    return f"{first.task.name}, {what} ({seeds} seeds)"
