"""Algorithm 1, AR-QPRSGD: quantized parallel restarted SGD on a ring all-reduce.

Wu et al., "On the Convergence of Quantized Parallel Restarted SGD for Central Server Free Distributed Training". M
workers make K local updates, then sum around the ring what they changed; every message is packed bytes, see `messages`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.blocks import partition
from algorithms.qprsgd.messages import Codec, Mail, check_period
from algorithms.world import World


@dataclass(frozen=True)
class RingQPRSGD(Algorithm):
    """Algorithm 1, AR-QPRSGD: the changes of K local updates, summed around the ring.

    Parameters
    ----------
    K
        Local updates between synchronizations.
    codec
        Q_s, or `Dense`.

    Raises
    ------
    ValueError
        If K < 1.
    """

    K: int
    codec: Codec

    def __post_init__(self) -> None:
        check_period(self.K)

    def state(self, world: World, x: Tensor) -> dict[str, Tensor]:
        """Return x~_n, the model of the last synchronization."""
        return {"synchronized": x.clone()}

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Line 5 and, after K local updates, lines 7 to 17."""
        x.sub_(g, alpha=lr)
        if (t + 1) % self.K == 0:
            start = state["synchronized"]
            delta = torch.sub(start, x, out=x)  # line 7: g_n = x_{n;0} - x_{n;K}
            ring_sum(world, delta, self.codec, t)
            start.sub_(delta, alpha=1 / world.workers)  # lines 16 and 17
            x.copy_(start)


def ring_sum(world: World, delta: Tensor, codec: Codec, t: int) -> None:
    """Sum rows around the ring, every message encoded: lines 9 to 15 of algorithm 1, in place.

    In its i-th turn worker m of the paper takes part ``(m + i) mod M`` and sends it to the next node, which has to be
    node m - 1, as that one takes this part in the next turn. Here the next node is m + 1, as in `World.shift`, and the
    part is ``(m - i) mod M``: the same ring, walked the other way round.

    Parameters
    ----------
    world
        M workers in a ring.
    delta
        (local, d) rows; on return what all workers decode from the same M messages, bitwise the same in every row.
    codec
        How a part travels. It is encoded M times on its way, at last by the worker that completes it.
    t
        Iteration.
    """
    M, parts = world.workers, partition(delta.shape[1], world.workers)
    mail = Mail(world, codec, parts[0].stop, delta)
    sizes = np.array([part.stop - part.start for part in parts])
    for i in range(M):  # reduce-scatter
        mail.expect(sizes[(np.arange(M) - i) % M])
        for row, m in enumerate(world.local):
            part = delta[row, parts[(m - i) % M]]
            if i:
                mail.read(mail[row], part, add=True)  # line 12: Delta_j + g_{n,j}
            mail.write(row, part, t * M + i)
        if i < M - 1:
            mail.pass_on()  # line 13
    for i in range(M):  # all-gather: what was encoded last is passed on as it is
        if i:
            mail.pass_on()
        for row, m in enumerate(world.local):
            mail.read(mail[row], delta[row, parts[(m + 1 - i) % M]])
    mail.check(delta[0, parts[0]])
