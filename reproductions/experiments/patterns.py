"""Who sends to whom, as the ledger of a real step counts it: what the papers draw to explain their algorithms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import cos, pi, sin
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from algorithms.network import Delivered, Traffic
from algorithms.world import World

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pairs = Collection[tuple[int, int]]
Place = tuple[float, float]


class Phases(Traffic):
    """A ledger that also keeps, phase by phase, who sent to whom."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pairs: list[list[tuple[int, int]]] = []

    def record(self, nbytes: NDArray[np.int64], delivered: Delivered) -> None:
        """Enter one phase."""
        super().record(nbytes, delivered)
        self.pairs.append([(i, j) for i, j in np.argwhere(nbytes > 0).tolist()])


def messages(workers: int, step: Callable[[World], object]) -> list[list[tuple[int, int]]]:
    """Return who sends to whom in each phase of a step in a world of so many workers."""
    world = World(None, workers)
    world.traffic = ledger = Phases(workers)
    step(world)
    return ledger.pairs


def circle(count: int, radius: float = 1.0, centre: Place = (0.0, 0.0), start: float = 0.0) -> list[Place]:
    """Return places on a circle, counted from an angle on."""
    angles = [start + 2 * pi * k / count for k in range(count)]
    return [(centre[0] + radius * cos(angle), centre[1] + radius * sin(angle)) for angle in angles]


def row(count: int, y: float, width: float = 3.0) -> list[Place]:
    """Return places in a row around 0."""
    return [((k + 0.5) * width / count - width / 2, y) for k in range(count)]


def draw_nodes(
    axis: Axes, at: Mapping[str, Place], edges: Mapping[str, tuple[Pairs, Mapping[str, Any]]], legend: bool = True
) -> None:
    """Draw nodes at their places, by name, and under them each kind of edge in its style of arrow."""
    places = list(at.values())
    for label, (pairs, style) in edges.items():
        for i, j in sorted(pairs):
            arrow = {"arrowstyle": "-|>", "shrinkA": 9, "shrinkB": 9, **style}
            axis.annotate("", places[j], places[i], arrowprops=arrow, zorder=1)
        axis.plot([], [], color=style["color"], lw=style["lw"], label=label)
    for name, (x, y) in at.items():
        axis.plot(x, y, "o", ms=17, color="white", mec="black", zorder=2)
        axis.annotate(name, (x, y), ha="center", va="center", fontsize=8, zorder=3)
    axis.set_axis_off()
    axis.set_aspect("equal")
    axis.margins(0.15)
    if legend:
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=2)
