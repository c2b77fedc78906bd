"""Lanes: what the recorded events of a timeline mean, as numbers and as figures 1 and 6(b)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from algorithms.coopsgd.overlap import split
from algorithms.network import Delivered
from algorithms.topology import zeta
from reproductions.coopsgd.timeline import Timeline
from reproductions.paper import Decision, Run, exactly, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Spans = dict[tuple[str, int, int], tuple[float, float]]
"""Start and end of events by phase, number and worker."""

STYLES: dict[str, dict[str, Any]] = {
    "compute": {"color": "#0072B2"},
    "communicate": {"color": "#D55E00"},
    "update": {"color": "#7F7F7F"},
    "wait": {"facecolor": "#F2F2F2", "edgecolor": "#9A9A9A", "hatch": "////", "linewidth": 0},
}
NAMES = {
    "compute": "local update",
    "communicate": "communication and averaging",
    "update": "update of auxiliary variables",
    "wait": "waiting",
}


class Activity(NamedTuple):
    """What one worker or auxiliary variable did from start to end (seconds), in its main thread or its background."""

    worker: int
    kind: str
    start: float
    end: float
    background: bool


def activities(run: Run[Timeline]) -> pd.DataFrame:
    """Return what the ranks of a run did, one row an activity.

    An averaging step is ``wait`` from the own arrival until the last partner has arrived, then ``communicate``, on an
    auxiliary variable up to its ``update``. If auxiliary variables overlap with compute, workers ``wait`` until the
    one of the averaging before is there, and the background is split in the same way.
    """
    rows = [activity for activity in _activities(run) if activity.end > activity.start]
    return pd.DataFrame(rows, columns=list(Activity._fields)).sort_values("start", ignore_index=True)


def spans(run: Run[Timeline]) -> Spans:
    """Return start and end of every recorded event."""
    frame = run.frame[run.frame["metric"].str.endswith((" start", " end"))]
    found: dict[tuple[str, int, int], dict[str, float]] = {}
    for step, metric, value in frame[["step", "metric", "value"]].itertuples(index=False, name=None):
        phase, worker, edge = metric.split()
        found.setdefault((phase, step, int(worker)), {})[edge] = value
    return {event: (edges["start"], edges["end"]) for event, edges in found.items()}


def _activities(run: Run[Timeline]) -> Iterator[Activity]:
    algorithm = run.experiment.algorithm
    events, m = spans(run), algorithm.workers
    phases = split(algorithm.W, algorithm.v)
    partners = {"average": algorithm.W != 0, "models": phases.to_anchors, "anchors": phases.to_workers}
    for (phase, number, worker), (start, end) in events.items():
        background = phase in {"models", "anchors"} or (phase == "update" and algorithm.overlap)
        if phase in {"compute", "update"}:
            yield Activity(worker, phase, start, end, background)
        elif phase == "average" and algorithm.overlap and worker >= m:
            continue  # the main thread of an auxiliary variable only waits for its background
        else:
            if phase == "average" and algorithm.overlap:
                ready = events.get(("anchors", number - 1, worker), (start, start))[1]
            else:
                ready = _arrival(events, phase, number, partners[phase], worker)
            done = events.get(("update", number, worker), (end, end))[0] if phase == "average" else end
            ready = min(max(start, ready), done)
            yield Activity(worker, "wait", start, ready, background)
            yield Activity(worker, "communicate", ready, done, background)


def _arrival(events: Spans, phase: str, number: int, routes: Delivered, worker: int) -> float:
    """Return when the last one arrived from whom or to whom a model travels."""
    partners = np.flatnonzero(routes[worker] | routes[:, worker]).tolist()
    return max(events[phase, number, partner][0] for partner in partners)


# ------------------------------------------------------------------------------------------------------------ numbers


def per_iteration(run: Run[Timeline], kind: str) -> float:
    """Return the mean seconds of an iteration that a worker's main thread spends on one kind of activity."""
    frame = activities(run)
    frame = frame[(frame["worker"] < _workers(run)) & ~frame["background"]]
    seconds = (frame["end"] - frame["start"])[frame["kind"] == kind].sum()
    return float(seconds / (_workers(run) * run.experiment.iterations))


def duration(run: Run[Timeline]) -> float:
    """Return the seconds from the first local update to the end of the last averaging step of a worker."""
    frame = activities(run)
    frame = frame[(frame["worker"] < _workers(run)) & ~frame["background"]]
    return float(frame["end"].max() - frame["start"].min())


def concurrency(run: Run[Timeline]) -> float:
    """Return which share of its workers computes while an auxiliary variable communicates, averaged over that time.

    Counted until the first worker has made all its updates.
    """
    frame, m, linked = activities(run), _workers(run), run.experiment.algorithm.W != 0
    busy = frame[frame["kind"] == "compute"]
    horizon = busy.groupby("worker")["end"].max().min()
    talk = frame[(frame["worker"] >= m) & (frame["kind"] == "communicate") & (frame["start"] < horizon)]
    low = np.maximum.outer(talk["start"].to_numpy(), busy["start"].to_numpy())
    high = np.minimum.outer(talk["end"].clip(upper=horizon).to_numpy(), busy["end"].to_numpy())
    both = (high - low).clip(min=0) * linked[np.ix_(talk["worker"], busy["worker"])]
    members = linked[talk["worker"], :m].sum(axis=1)
    return float(both.sum() / ((talk["end"].clip(upper=horizon) - talk["start"]) * members).sum())


def same_models(*groups: Sequence[Run[Timeline]]) -> Decision:
    """Decide that all runs end with bitwise the same models: what is hidden behind compute is done, and done right."""
    digests = [run.final("digest") for group in groups for run in group]
    return exactly(digests, [digests[0]] * len(digests))


def _workers(run: Run[Timeline]) -> int:
    return run.experiment.algorithm.workers


# ------------------------------------------------------------------------------------------------------------- figure


def chart(runs: Sequence[Run[Timeline]], titles: Sequence[str]) -> tuple[Figure, pd.DataFrame]:
    """Draw the lanes of runs below each other on one axis of time; return the figure and the activities in it."""
    lanes = max(run.experiment.workers for run in runs)
    figure, axes = panels(len(runs), width=9, height=0.6 + 0.25 * lanes, stacked=True)
    frames = []
    for axis, run, title in zip(axes, runs, titles, strict=True):
        frame = activities(run)
        _draw(axis, frame, run)
        axis.set_title(title, loc="left", fontsize=9)
        algorithm = run.experiment.algorithm
        known = {"tau": algorithm.tau, "zeta": zeta(algorithm.W), "v": algorithm.v, "overlap": algorithm.overlap}
        frames.append(frame.assign(**known))
    end = max(float(frame["end"].max()) for frame in frames) * 1e3
    for axis in axes:
        axis.set_xlim(0, end)
        axis.tick_params(labelbottom=axis is axes[-1])
    axes[-1].set_xlabel("time [ms]")
    figure.legend(handles=_legend(), ncols=len(STYLES), loc="outside upper center", frameon=False)
    return figure, pd.concat(frames)


def _draw(axis: Axes, frame: pd.DataFrame, run: Run[Timeline]) -> None:
    m, n = _workers(run), run.experiment.workers
    halves = frame["background"].any()
    drawn = frame[~(frame["background"] & (frame["kind"] == "wait"))]
    lanes: Any = drawn.groupby(["worker", "kind", "background"], sort=False)
    for (worker, kind, background), spans in lanes:
        low, height = (-0.4, 0.8) if worker >= m or not halves else (0.15, 0.25) if background else (-0.4, 0.5)
        axis.add_patch(_bars(spans, worker + low, height, STYLES[kind]))
    axis.autoscale_view()
    axis.set_yticks(range(n), [f"worker {i + 1}" for i in range(m)] + [f"auxiliary {j + 1}" for j in range(n - m)])
    axis.set_ylim(n - 0.5, -0.5)
    axis.tick_params(axis="y", labelsize=7)
    axis.grid(visible=False)


def _bars(spans: pd.DataFrame, low: float, height: float, style: dict[str, Any]) -> Any:
    """Return all bars of a lane of one kind as one shape, which takes a tenth of the bytes of as many."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    unit = np.asarray(Path.unit_rectangle().vertices, dtype=float)
    corners = [
        Path(unit * (1e3 * (end - start), height) + (1e3 * start, low), Path.unit_rectangle().codes)
        for start, end in zip(spans["start"], spans["end"], strict=True)
    ]
    return PathPatch(Path.make_compound_path(*corners), **({"linewidth": 0} | style))


def _legend() -> list[Any]:
    from matplotlib.patches import Patch

    return [Patch(label=NAMES[kind], **style) for kind, style in STYLES.items()]
