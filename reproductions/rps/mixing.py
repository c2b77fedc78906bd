"""The mixing matrices W_t^(j) of (4), recovered from messages that were really sent."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.network import IndependentDrops, Network
from algorithms.rps.averaging import ModelAveraging
from algorithms.world import World
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment


@dataclass(frozen=True)
class MixingMatrices(Experiment):
    """Measure the moments of W over rounds of a step without gradients.

    In every block, worker k starts from the unit vector e_k. What worker i holds after a round is then column i of
    that block's W. Logged for every round: ``alpha1`` = (tr W W^T - 1)/(n - 1) and ``alpha2`` = (tr W A_n W^T - 1)/
    (n - 1), whose expectations are the alpha_1 and alpha_2 of (5) and (6), averaged over the n blocks;
    ``column_error`` = max |1^T W - 1^T| and ``row_error`` = max |W 1 - 1|.
    """

    nodes: int
    p: float
    rounds: int
    seed: int
    algorithm: Algorithm = field(default_factory=ModelAveraging)

    @property
    def workers(self) -> int:
        """Number of rows: workers, then servers if they are apart."""
        return self.nodes + self.algorithm.auxiliaries

    @property
    def network(self) -> Network:
        """Independent drops with probability p."""
        return IndependentDrops(self.p, self.seed)

    @property
    def cost(self) -> float:
        """Seconds on one core."""
        return self.rounds * self.nodes**2 * 1e-5

    def execute(self, context: Context) -> None:
        """Send unit vectors round after round."""
        world = World(context.comm, self.workers, self.network, self.seed)
        for t in range(self.rounds):
            weights = mixing_round(world, self.algorithm, t)
            context.log(t, moments(weights))
        context.log(self.rounds, world.traffic.totals())


def mixing_round(world: World, algorithm: Algorithm, t: int) -> Tensor:
    """Return W of every block of round `t`, (blocks, n, n), float64, on every rank."""
    n = world.workers - algorithm.auxiliaries
    units = torch.eye(world.workers, n, dtype=torch.float64)[list(world.local)]  # servers, if any, hold zeros
    x = units.repeat(1, algorithm.auxiliaries or n)  # blocks of n elements; worker k holds e_k in each
    algorithm.step(world, x, torch.zeros_like(x), algorithm.state(world, x), t, lr=1.0)
    return world.collect(x)[:n].view(n, -1, n).permute(1, 2, 0)


def moments(weights: Tensor) -> dict[str, float]:
    """Return the metrics of one round from the (blocks, n, n) mixing matrices of its blocks."""
    n = weights.shape[-1]
    row_sums = weights.sum(dim=2)
    squares = weights.square().sum(dim=(1, 2))
    return {
        "alpha1": float(((squares - 1) / (n - 1)).mean()),
        "alpha2": float(((row_sums.square().sum(dim=1) / n - 1) / (n - 1)).mean()),
        "column_error": float((weights.sum(dim=1) - 1).abs().max()),
        "row_error": float((row_sums - 1).abs().max()),
    }
