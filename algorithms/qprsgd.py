"""QPRSGD: quantized parallel restarted SGD on a ring all-reduce (algorithm 1) and by gossip (algorithm 2).

Wu et al., "On the Convergence of Quantized Parallel Restarted SGD for Central Server Free Distributed Training". M
workers make K local updates, then exchange what they changed; every message is a packed byte string, see `quantize`.
With other settings the same two algorithms are the paper's baselines:

    K = 1, dense        PSGD on the ring, D-PSGD by gossip
    K = 1, quantized    QSGD on the ring, DCD-PSGD by gossip
    K > 1, dense        PR-SGD

Iterations t = 0, 1, ... of ours are local updates; synchronization n = 1, 2, ... of the paper follows t = n K - 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.blocks import partition
from algorithms.streams import kernel_key
from algorithms.topology import Matrix, Weights, check_mixing
from algorithms.world import World


class Codec(Protocol):
    """How a vector travels: `algorithms.quantize.Quantizer`, or `Dense`."""

    @property
    def fixed(self) -> bool:
        """Whether every message of n elements takes all of size(n) bytes."""
        ...

    def size(self, n: int) -> int:
        """Return the bytes that a message of n elements needs at most."""
        ...

    def encode(self, v: Tensor, key: int, message: Tensor) -> int:
        """Write v (n,) into a byte buffer, by the random stream of `key`; return the bytes used."""
        ...

    def decode(self, message: Tensor, out: Tensor, add: bool = False) -> None:
        """Write what a message says into out (n,), or add it."""
        ...


@dataclass(frozen=True)
class Dense:
    """float32 elements travel as they are."""

    fixed: ClassVar[bool] = True

    def size(self, n: int) -> int:
        """See `Codec.size`."""
        return 4 * n

    def encode(self, v: Tensor, key: int, message: Tensor) -> int:
        """See `Codec.encode`."""
        message[: 4 * len(v)].copy_(v.view(torch.uint8))
        return 4 * len(v)

    def decode(self, message: Tensor, out: Tensor, add: bool = False) -> None:
        """See `Codec.decode`."""
        values = message.view(torch.float32)
        if add:
            out.add_(values)
        else:
            out.copy_(values)


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
        _check_period(self.K)

    def state(self, world: World, x: Tensor) -> dict[str, Tensor]:
        """Return x~_n, the model of the last synchronization."""
        return {"synchronized": x.clone()}

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        """Line 6 and, after K local updates, lines 8 to 17."""
        x.sub_(g, alpha=lr)
        if (t + 1) % self.K == 0:
            start = state["synchronized"]
            delta = torch.sub(start, x, out=x)  # line 8: g_n = x_{n;0} - x_{n;K}
            ring_sum(world, delta, self.codec, t)
            start.sub_(delta, alpha=1 / world.workers)  # lines 16 and 17
            x.copy_(start)


def ring_sum(world: World, delta: Tensor, codec: Codec, t: int) -> None:
    """Sum rows around the ring, every message encoded: lines 9 to 15 of algorithm 1, in place.

    The paper prints that worker m takes part ``(m + i) mod M`` in its i-th turn and sends it to the next worker. That
    one takes part ``(m + 1 + i + 1) mod M`` in its next turn, so no part would be passed on: it is ``(m - i) mod M``.

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
    mail = _Mail(world, codec, parts[0].stop, delta)
    sizes = np.array([part.stop - part.start for part in parts])
    for i in range(M):  # reduce-scatter
        mail.expect(sizes[(np.arange(M) - i) % M])
        for row, m in enumerate(world.local):
            part = delta[row, parts[(m - i) % M]]
            if i:
                codec.decode(mail[row], part, add=True)  # line 12: Delta_j + g_{n,j}
            mail.write(row, part, t * M + i)
        if i < M - 1:
            mail.pass_on()  # line 13
    for i in range(M):  # all-gather: what was encoded last is passed on as it is
        if i:
            mail.pass_on()
        for row, m in enumerate(world.local):
            codec.decode(mail[row], delta[row, parts[(m + 1 - i) % M]])


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
        _check_period(self.K)
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
        W, copies, mail = self.W, state["copies"], _Mail(world, self.codec, x.shape[1], x)
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
                self.codec.decode(received[j], x[row])
                copy.sub_(x[row])  # line 10
            x[row].copy_(copies[row, known[m].index(m)])


class _Mail:
    """One message of every local worker, on the device of its rows, with the lengths of all messages."""

    def __init__(self, world: World, codec: Codec, elements: int, like: Tensor) -> None:
        self.world, self.codec = world, codec
        shape = len(world.local), codec.size(elements)
        self.bytes = world.buffer("mail", shape[0] * shape[1], like.new_empty(0, dtype=torch.uint8)).view(shape)
        self.lengths = np.zeros(world.workers, dtype=np.int64)
        self._known = False

    def expect(self, elements: NDArray[np.int64]) -> None:
        """Announce how many elements every worker, (M,), will write: all that a fixed format leaves to be known."""
        self._known = self.codec.fixed
        if self._known:
            self.lengths = np.array([self.codec.size(int(n)) for n in elements])

    def write(self, row: int, v: Tensor, turn: int) -> None:
        """Encode v into the message of a local worker; `turn` keys its randomness."""
        worker = self.world.local[row]
        key = kernel_key(self.world.seed, "quantize", worker, turn)
        self.lengths[worker] = self.codec.encode(v, key, self.bytes[row])

    def pass_on(self) -> None:
        """Give every worker the message of the one before it in the ring."""
        self._agree()
        self.bytes.copy_(self.world.shift(self.bytes, 1, self.lengths))
        self.lengths = np.roll(self.lengths, 1)

    def spread(self, routes: NDArray[np.bool_]) -> dict[int, Tensor]:
        """Send every message along its routes; return those that local workers received, by source."""
        self._agree()
        self.world.count(self.bytes, routes, self.lengths)
        return self.world.fetch(self.bytes, routes, lengths=self.lengths)

    def _agree(self) -> None:
        """Tell all ranks the lengths that no format fixes, which MPI messages carry with them: outside the ledger."""
        if not self._known:
            mine = torch.from_numpy(self.lengths[self.world.local.start : self.world.local.stop].copy())
            self.lengths = self.world.collect(mine[:, None])[:, 0].numpy()
            self._known = True

    def __getitem__(self, row: int) -> Tensor:
        """Return the message of a local worker."""
        return self.bytes[row, : self.lengths[self.world.local[row]]]


def _check_period(K: int) -> None:
    if K < 1:
        raise ValueError(f"K is {K}, but there is at least one local update between synchronizations")
