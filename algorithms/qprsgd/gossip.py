"""Algorithm 2, G-QPRSGD: quantized parallel restarted SGD by gossip with neighbours.

Wu et al., "On the Convergence of Quantized Parallel Restarted SGD for Central Server Free Distributed Training". M
workers make K local updates, then tell their neighbours how their models changed; every message is packed bytes, see
`messages`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.qprsgd.messages import Codec, Mail, check_period
from algorithms.topology import Matrix, Weights, check_mixing
from algorithms.world import World


@dataclass(frozen=True)
class GossipQPRSGD(Algorithm):
    """Algorithm 2, G-QPRSGD: workers keep copies of their neighbours' models up to date by quantized changes.

    Parameters
    ----------
    K
        Local updates between synchronizations.
    codec
        Q_s, or `Dense`.
    weights
        W, (M, M), as nested tuples; see `algorithms.topology.value`.

    Raises
    ------
    ValueError
        If K < 1 or W is not symmetric with rows that sum to one, or does not connect the workers.
    """

    K: int
    codec: Codec
    weights: Weights

    def __post_init__(self) -> None:
        check_period(self.K)
        check_mixing(self.W, connected=True)

    @property
    def W(self) -> Matrix:
        """The mixing matrix, (M, M)."""
        return np.array(self.weights, dtype=np.float64)

    def state(self, world: World, x: Tensor) -> dict[str, Tensor]:
        """Return the copies of x~_n^(j) for all j with W_mj != 0, of every local worker m: (local, neighbours, d)."""
        most = int((self.W != 0).sum(axis=1).max())
        return {"copies": x[:, None].repeat(1, most, 1)}  # all workers start from the same x_1

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Line 5 and, after K local updates, lines 7 to 10."""
        x.sub_(g, alpha=lr)
        if (t + 1) % self.K:
            return
        W, copies, mail = self.W, state["copies"], Mail(world, self.codec, x.shape[1], x)
        mail.expect(np.full(world.workers, x.shape[1]))
        known = {m: np.flatnonzero(W[m]).tolist() for m in world.local}  # in the order of their copies
        for row, m in enumerate(world.local):
            own = copies[row, known[m].index(m)]
            half = x[row].sub_(own)  # line 7: sum_j W_mj x~_n^(j) - x_{n;0} + x_{n;K}
            for copy, j in zip(copies[row], known[m], strict=False):
                half.add_(copy, alpha=float(W[m, j]))
            mail.write(row, torch.sub(own, half, out=half), t)  # line 8
        received = mail.spread(W != 0)  # line 9
        for row, m in enumerate(world.local):
            for copy, j in zip(copies[row], known[m], strict=False):
                mail.read(received[j], x[row])
                copy.sub_(x[row])  # line 10
            x[row].copy_(copies[row, known[m].index(m)])
        mail.check(x[0])
