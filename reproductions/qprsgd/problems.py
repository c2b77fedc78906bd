"""Runs behind the theorems: QPRSGD with messages on objectives with known constants, all models from x_1 = 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import pi, sqrt

import numpy as np
import torch
from torch import Tensor

from algorithms.network import Lossless
from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.schedule import Constant
from algorithms.topology import Matrix, ring, uniform, value, zeta
from algorithms.world import World
from reproductions.experiments.descent import Descent, seeded, spread
from reproductions.harness.runs.context import Context
from reproductions.paper import Decision, Label, Run, Runs, Settings, all_of, within
from reproductions.qprsgd import exact
from reproductions.qprsgd.bounds import Gossip, Ring, noise_factor
from reproductions.qprsgd.exact import SkewedQuadratic, relative_noise
from reproductions.qprsgd.rounding import Array, Levels
from reproductions.workloads.objectives import Gaussian, Objective, Quadratic, Rare, Waves

PROBLEMS: dict[str, tuple[Objective, Gaussian]] = {
    "bowl": (Quadratic(1.0, centre=1.0, tilt=1.0, pattern="outlier"), Gaussian(1.0)),
    "noiseless bowl": (Quadratic(1.0, centre=1.0, pattern="outlier"), Gaussian(0.0)),
    "waves": (Waves(3.0, centre=2.0, spread=0.8), Rare(1.0)),
    "hilltop": (Waves(1.0, centre=pi), Gaussian(0.3)),  # starts at a maximum
}
RINGS = ((4, 4), (3, 1))  # M and K
FRACTIONS = {0.3: 16, 0.8: 4}  # of the largest step size that a theorem allows, and synchronizations at smoke scale
METRICS = ("gradient", "mean_gradient", "inner_gradient", "gradients", "noise", "disagreement", "drift", "average")


@dataclass(frozen=True)
class GossipDescent(Descent):
    """A descent by gossip, measured once for every synchronization n, with models X_n and X_{n;k} at its K updates.

    Logged at N = 1, 2, 4, ... synchronizations and the last are means over n of

    - ``gradient``, ``mean_gradient``: |grad F(xbar_n)|^2 and |1/M sum_m grad F_m(x_n^(m))|^2;
    - ``inner_gradient``: |1/M sum_m grad F_m(x_{n;k}^(m))|^2, mean over k;
    - ``gradients``: |G(X_{n;k}, xi_k)|_F^2, mean over k;
    - ``noise``: |C_n|_F^2, with C_n = X_{n+1} - X_n W + gamma sum_k G_{n;k} as in (11);
    - ``disagreement``: sum_m |xbar_n - x_n^(m)|^2;
    - ``drift``: sum_m |xbar_n - x_{n;k}^(m)|^2, mean over k;
    - ``average``: |1/M sum_m sum_k grad f_m(x_{n;k}^(m))|^2.
    """

    algorithm: GossipQPRSGD

    def execute(self, context: Context) -> None:
        """Descend and log the running means."""
        context.notes["workload"] = type(self.objective).__name__.lower()
        world = World(context.comm, self.nodes, self.network, self.seed)
        x = torch.zeros(len(world.local), self.d, dtype=torch.float64)
        state, sums = self.algorithm.state(world, x), torch.zeros(len(METRICS), dtype=torch.float64)
        syncs = self.steps // self.algorithm.K
        for n in range(syncs):
            sums += self._synchronize(world, x, state, n)
            if n + 1 == syncs or (n + 1) & n == 0:
                context.log(n + 1, dict(zip(METRICS, (sums / (n + 1)).tolist(), strict=True)))
            context.on_progress((n + 1) / syncs)

    def _synchronize(self, world: World, x: Tensor, state: dict[str, Tensor], n: int) -> Tensor:
        """Make K local updates and a synchronization; return what METRICS name."""
        K, gamma = self.algorithm.K, self.schedule.lr(n)
        start = world.collect(x)
        centre, moved, inner = start.mean(dim=0), torch.zeros_like(start), torch.zeros(3, dtype=torch.float64)
        first = torch.zeros(())
        for k in range(K):
            gradients, noisy = self._gradients(world, x, n * K + k)
            models, g, mean = world.collect(x), world.collect(noisy), world.collect(gradients).mean(dim=0)
            first = mean.square().sum() if k == 0 else first
            inner += torch.stack([mean.square().sum(), g.square().sum(), (models - centre).square().sum()]) / K
            moved += g
            self.algorithm.step(world, x, noisy, state, n * K + k, gamma)
        noise = world.collect(x) - torch.from_numpy(self.algorithm.W) @ start + gamma * moved
        gradient = self.objective.gradient(centre, self.nodes).square().sum()
        last = [noise.square().sum(), spread(start), inner[2], moved.mean(dim=0).square().sum()]
        return torch.stack([gradient, first, inner[0], inner[1], *last])


def syncs_of(run: Descent) -> list[int]:
    """Return N = 1, 2, 4, ... and the last one: after so many synchronizations there is something logged."""
    last = run.steps // algorithm_of(run).K
    return sorted({2**k for k in range(last.bit_length())} | {last})


def measured(group: Sequence[Run[Descent]]) -> dict[str, Array]:
    """Return what the runs of one `GossipDescent` logged by metric, (seeds, logs): one look at every frame."""
    values = np.stack([run.frame["value"].to_numpy().reshape(-1, len(METRICS)) for run in group])
    return dict(zip(METRICS, np.moveaxis(values, 2, 0), strict=True))


# -------------------------------------------------------------------------------------------------------- settings


def ring_setting(run: Descent) -> Ring:
    """Return what Theorem 1 depends on for a run."""
    constants, levels = run.objective.constants(run.nodes, run.d), levels_of(run)
    x = noise_factor(run.d, levels) if levels else 0.0
    noise = run.noise.sigma(run.d)
    return Ring(run.nodes, algorithm_of(run).K, x, constants.lipschitz, noise, constants.zeta, constants.gap)


def gossip_setting(run: Descent) -> Gossip:
    """Return what Theorem 2 depends on for a run."""
    constants, K = run.objective.constants(run.nodes, run.d), algorithm_of(run).K
    levels, noise = levels_of(run) or 10**9, run.noise.sigma(run.d)
    lipschitz, kappa, gap = constants.lipschitz, constants.zeta, constants.gap
    return Gossip(run.nodes, K, run.d, levels, *spectrum(matrix_of(run)), lipschitz, noise, kappa, gap)


def spectrum(W: Matrix) -> tuple[float, float]:
    """Return rho of Assumption 2 and mu = max_{i >= 2} |lambda_i - 1| of appendix D."""
    values = np.linalg.eigvalsh(W)[:-1]
    return zeta(W), float(abs(values - 1).max())


def algorithm_of(run: Descent) -> RingQPRSGD | GossipQPRSGD:
    """Return the algorithm of a run, one of the two of the paper."""
    assert isinstance(run.algorithm, RingQPRSGD | GossipQPRSGD)
    return run.algorithm


def levels_of(run: Descent) -> int | None:
    """Return s, or None without compression."""
    codec = algorithm_of(run).codec
    assert isinstance(codec, Levels)
    return codec.s


def matrix_of(run: Descent) -> Matrix:
    """Return W of a run by gossip."""
    assert isinstance(run.algorithm, GossipQPRSGD)
    return run.algorithm.W


def gossip_follows(runs: Runs[Descent]) -> Decision:
    """Decide whether runs with messages have the exact expectations."""
    decisions = []
    for label, group in runs.items():
        run = runs.experiment(label)
        expected = gossip_exact(gossip_setting(run), matrix_of(run), run.schedule.lr(0), syncs_of(run)[-1])
        decisions.append(within(measured(group)["gradient"][:, -1] / expected, 0.85, 1.15))
    return all_of(*decisions)


def gossip_exact(s: Gossip, W: Matrix, gamma: float, syncs: int) -> float:
    """Return the exact mean over n of E |grad F(xbar_n)|^2 on a quadratic that all workers share."""
    problem = SkewedQuadratic(s.M, s.K, s.lipschitz, s.sigma, s.gap)
    return exact.gossip(problem, relative_noise(s.d, s.s), W, gamma, syncs)


# ------------------------------------------------------------------------------------------------------------ grids


def ring_grid(settings: Settings) -> dict[Label, list[Descent]]:
    """Return algorithm 1, d/(4 s^2) about 1/2, by problem, M, K and share of the largest step size."""
    longer = {"smoke": 1, "small": 4, "paper": 16}[settings.scale]
    grid: dict[Label, list[Descent]] = {}
    for (name, (objective, noise)), (M, K), (fraction, syncs) in product(PROBLEMS.items(), RINGS, FRACTIONS.items()):
        algorithm = RingQPRSGD(K, Levels(round(sqrt(32 * M / 2))))
        draft = Descent(algorithm, M, 32 * M, longer * syncs * K, 0, Lossless(), objective, noise, Constant(0.0))
        step = Constant(fraction * ring_setting(draft).edge)
        grid[name, M, K, fraction] = seeded(replace(draft, schedule=step), settings.seeds)
    return grid


def networks() -> dict[str, tuple[Matrix, int]]:
    """Return W and s by name, so that the precondition of Theorem 2 holds for 64 coordinates."""
    return {"ring": (uniform(ring(4)), 24), "all": (np.full((6, 6), 1 / 6), 12)}


def gossip_grid(settings: Settings) -> dict[Label, list[Descent]]:
    """Return algorithm 2 by problem, network and share of the largest step size.

    K is 3 on the ring of four workers and 1 if all are neighbours.
    """
    longer = {"smoke": 1, "small": 4, "paper": 16}[settings.scale]
    grid: dict[Label, list[Descent]] = {}
    updates = {"ring": 3, "all": 1}
    for (problem, (objective, noise)), (name, (W, s)) in product(PROBLEMS.items(), networks().items()):
        for fraction, syncs in FRACTIONS.items():
            algorithm = GossipQPRSGD(updates[name], Levels(s), value(W))
            steps = longer * syncs * algorithm.K
            draft = GossipDescent(algorithm, len(W), 64, steps, 0, Lossless(), objective, noise, Constant(0.0))
            step = Constant(fraction * gossip_setting(draft).edge)
            grid[problem, name, fraction] = seeded(replace(draft, schedule=step), settings.seeds)
    return grid


def problem_of(label: Label) -> str:
    """Return the name of the problem in a label of a grid."""
    return str(label[0]) if isinstance(label, tuple) else str(label)
