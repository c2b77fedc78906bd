"""Rounds behind the lemmas of Appendix B: RPS over and over from the same models, for expectations over the drops."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from algorithms.world import World
from reproductions.experiments.descent import Simulation, spread
from reproductions.harness.runs.context import Context


@dataclass(frozen=True)
class Rounds(Simulation):
    """One step of an algorithm over and over from the same normal X and G: expectations over the drops.

    With V = X - gamma G, dx the step of the mean model and bars for means over workers, it logs means over rounds of

    - ``contraction``: Tr(X'(I-A)X'^T) / Tr(V(I-A)V^T), beta in Eq. (22);
    - ``spread``: n (|dx|^2 - gamma^2 |gbar|^2) / Tr(V(I-A)V^T), alpha_2 in Lemma 4;
    - ``drift``: <dx, -gamma gbar> / |gamma gbar|^2, 1 in Lemma 4.

    Parameters
    ----------
    gamma
        Step size.
    """

    gamma: float = 0.5

    def execute(self, context: Context) -> None:
        """Make the rounds and log the means."""
        context.notes["workload"] = "fixed models"
        world = World(context.comm, self.nodes, self.network, self.seed)
        start = self._rows(world, "model")
        g = self._rows(world, "gradient") + 1.0  # a common part for the mean to follow
        before, goal = world.collect(start).mean(dim=0), -self.gamma * world.collect(g).mean(dim=0)
        spread_v, sums = spread(world.collect(start - self.gamma * g)), torch.zeros(3, dtype=torch.float64)
        for t in range(self.steps):
            x = start.clone()
            self.algorithm.step(world, x, g.clone(), self.algorithm.state(world, x), t, self.gamma)
            rows = world.collect(x)
            dx = rows.mean(dim=0) - before
            excess = self.nodes * (dx.square().sum() - goal.square().sum()) / spread_v
            sums += torch.stack([spread(rows) / spread_v, excess, dx @ goal / goal.square().sum()])
            context.on_progress((t + 1) / self.steps)
        names = ("contraction", "spread", "drift")
        context.log(self.steps, dict(zip(names, (sums / self.steps).tolist(), strict=True)))

    def _rows(self, world: World, purpose: str) -> Tensor:
        return torch.stack([torch.from_numpy(world.stream(purpose, i).standard_normal(self.d)) for i in world.local])
