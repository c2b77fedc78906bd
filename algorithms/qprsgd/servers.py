"""What QPRSGD is compared with in its Table I: three algorithms with a parameter server.

    DoubleSqueeze [4]      every gradient and every mean is compressed, both with memories of what was lost
    QSparse-local-SGD [7]  the changes of K local updates are compressed, with a memory; the mean is sent as it is
    FedPAQ [8]             the same without a memory

The server has no process of its own: every worker receives all messages and does what the server does, with the same
random numbers, so that all know the same mean. Results are those of a server; the ledger is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.qprsgd.messages import Codec, Mail, check_period
from algorithms.streams import kernel_key
from algorithms.world import World


@dataclass(frozen=True)
class FedPAQ(Algorithm):
    """K local updates, and the mean of their compressed changes.

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
        """Return the model of the last synchronization."""
        return {"synchronized": x.clone()}

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Make a local update and, after K of them, x <- x + mean of Q(x_K - x)."""
        x.sub_(g, alpha=lr)
        if (t + 1) % self.K == 0:
            start = state["synchronized"]
            start.sub_(mean_message(world, self.codec, start - x, t))
            x.copy_(start)


@dataclass(frozen=True)
class QSparseLocalSGD(FedPAQ):
    """`FedPAQ` whose workers add to a change what compression lost of the last one."""

    def state(self, world: World, x: Tensor) -> dict[str, Tensor]:
        """Return the model of the last synchronization and what was lost."""
        return super().state(world, x) | {"lost": torch.zeros_like(x)}

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Make a local update and, after K of them, x <- x + mean of Q(x_K - x + lost)."""
        x.sub_(g, alpha=lr)
        if (t + 1) % self.K == 0:
            start = state["synchronized"]
            start.sub_(mean_message(world, self.codec, start - x, t, state["lost"]))
            x.copy_(start)


@dataclass(frozen=True)
class DoubleSqueeze(Algorithm):
    """Compressed gradients, and a compressed mean of them, both with a memory.

    Parameters
    ----------
    codec
        Q_s, or `Dense`.
    """

    codec: Codec

    def state(self, world: World, x: Tensor) -> dict[str, Tensor]:
        """Return what every worker's compression lost, and what the server's did."""
        return {"lost": torch.zeros_like(x), "lost by the server": torch.zeros_like(x)}

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Make a step along Q(mean of Q(g + lost) + lost by the server)."""
        lost = state["lost by the server"]
        wanted = lost[0] + mean_message(world, self.codec, g, t, state["lost"])
        message = torch.zeros(self.codec.size(len(wanted)), dtype=torch.uint8)
        used = self.codec.encode(wanted, kernel_key(world.seed, "server", 0, t), message)
        self.codec.decode(message[:used], direction := torch.empty_like(wanted))
        lost.copy_(wanted - direction)
        x.sub_(direction, alpha=lr)


def mean_message(world: World, codec: Codec, rows: Tensor, t: int, lost: Tensor | None = None) -> Tensor:
    """Return the mean of the compressed rows of all workers, (d,); rows are added to what was lost, which is renewed.

    Parameters
    ----------
    rows, lost
        (local, d).
    t
        Iteration, which keys the random numbers.
    """
    M, d = world.workers, rows.shape[1]
    wanted = rows if lost is None else rows + lost
    mail = Mail(world, codec, d, rows)
    mail.expect(np.full(M, d))
    for row in range(len(world.local)):
        mail.write(row, wanted[row], t)
    received = mail.spread(np.ones((M, M), dtype=np.bool_))
    decoded, total = torch.empty_like(rows[0]), torch.zeros_like(rows[0])
    for m in range(M):
        codec.decode(received[m], decoded)
        total += decoded
        if lost is not None and m in world.local:
            lost[m - world.local.start] = wanted[m - world.local.start] - decoded
    return total / M
