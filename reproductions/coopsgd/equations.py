"""The paper's own update equations (2) to (6) and (10), and the algorithms of `cooperative` beside them.

Everything here is a multiple of a power of two and stays within 53 bits: float64 computes it without rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.world import World

M, D, STEPS, ETA = 4, 3, 6, 0.25
CENTRES = torch.arange(M * D, dtype=torch.float64).view(M, D) - 5
RING = np.array([[0.5, 0.25, 0, 0.25], [0.25, 0.5, 0.25, 0], [0, 0.25, 0.5, 0.25], [0.25, 0, 0.25, 0.5]])

Step = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Iteration k of the models of workers x, (m, d), and the auxiliary variables z, (v, d)."""


def gradient(x: Tensor) -> Tensor:
    """Return the gradients of 1/4 |x - c_i|^2 at every worker's own model, (m, d)."""
    return (x - CENTRES) / 2


def trajectory(algorithm: CooperativeSGD, steps: int = STEPS) -> list[Tensor]:
    """Return the models after every iteration, (m + v, d), from X_1 = 0."""
    world = World(None, algorithm.workers + algorithm.v)
    x, seen = torch.zeros(world.workers, D, dtype=torch.float64), []
    state = algorithm.state(world, x)
    for t in range(steps):
        g = torch.full_like(x, torch.nan)  # what an auxiliary variable would receive if it had a gradient
        g[:M] = gradient(x[:M])
        algorithm.step(world, x, g, state, t, ETA)
        algorithm.settle(world, x)
        seen.append(x.clone())
    return seen


def direct(step: Step, v: int = 0) -> list[Tensor]:
    """Return what the equations of one algorithm give, (m + v, d) after every iteration, from X_1 = 0."""
    x, z, seen = torch.zeros(M, D, dtype=torch.float64), torch.zeros(v, D, dtype=torch.float64), []
    for k in range(1, STEPS + 1):
        x, z = step(k, x, z)
        seen.append(torch.cat([x, z]))
    return seen


def equation_2(k: int, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Fully synchronous SGD."""
    return (x[0] - ETA * gradient(x).mean(dim=0)).expand(M, D).clone(), z


def equation_3(tau: int) -> Step:
    """PASGD."""

    def step(k: int, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        local = x - ETA * gradient(x)
        return (local.mean(dim=0).expand(M, D).clone() if k % tau == 0 else local), z

    return step


def equations_4_and_5(alpha: float) -> Step:
    """EASGD."""

    def step(k: int, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        moved = x - ETA * gradient(x) - alpha * (x - z)
        return moved, (1 - M * alpha) * z + M * alpha * x.mean(dim=0)

    return step


def equation_6(k: int, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """D-PSGD on `RING`."""
    w = torch.from_numpy(RING)
    rows = [torch.stack([w[j, i] * x[j] for j in range(M)]).sum(dim=0) for i in range(M)]
    return torch.stack(rows) - ETA * gradient(x), z


def equation_10(algorithm: CooperativeSGD) -> list[Tensor]:
    """Return X_{k+1} = (X_k - eta G_k) W_k with the matrices written out."""
    n, seen = len(algorithm.weights), []
    x = torch.zeros(n, D, dtype=torch.float64)
    for k in range(1, STEPS + 1):
        g = torch.cat([gradient(x[:M]), torch.zeros(n - M, D, dtype=torch.float64)])
        w = torch.from_numpy(algorithm.W) if k % algorithm.tau == 0 else torch.eye(n, dtype=torch.float64)
        x = w.T @ (x - ETA * g)
        seen.append(x.clone())
    return seen
