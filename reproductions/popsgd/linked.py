"""PopSGD over links: every node is a host that reads the model of another over links which really limit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from algorithms.popsgd.onesided import Interaction, OneSided
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Placement
from reproductions.popsgd.training import Nodes
from reproductions.popsgd.windowed import WindowTraining


@dataclass(frozen=True)
class LinkedTraining(WindowTraining):
    """As `WindowTraining`, but every node has a host of its own, and reading a model takes its time on a link.

    Many hosts share few cores here, and nodes of a deployment share none. So a gradient, which is computed, takes a
    given time by the clock: it is made long before, and the node sleeps until then. Times tell nothing about gradients.

    Parameters
    ----------
    mbit
        Rate of every link in each direction, in Mbit/s.
    compute
        Seconds that a gradient takes, at least.
    circle
        Whether node i always reads node i + 1, so that no two read from one host at the same time.
    """

    placement: ClassVar[Placement] = Placement.HOST_WINDOWS

    mbit: float = 20.0
    compute: float = 0.2
    circle: bool = False

    def partner(self, node: int, step: int) -> int:
        """Return whose model a node reads after a step."""
        return (node + 1) % self.nodes if self.circle else super().partner(node, step)

    def descend(self, nodes: Nodes, node: int) -> Tensor:
        """Return the descent of a node's next step, (d,), when its gradient has taken its time."""
        end = time.perf_counter() + self.compute
        descent = super().descend(nodes, node)
        time.sleep(max(0.0, end - time.perf_counter()))
        return descent

    def _train(self, context: Context, system: OneSided, nodes: Nodes) -> tuple[list[Interaction], list[float]]:
        context.limit_links(self.mbit)
        return super()._train(context, system, nodes)
