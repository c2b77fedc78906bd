"""World: n workers on the leading axis of every tensor, sharded over MPI ranks.

An algorithm is written once, for the workers that live on this rank, with the collectives below. Rank r of R holds a
contiguous run of workers; R = 1 is the simulator, R = n the deployment of the papers. All sums run over workers in
ascending order, element by element, so results are bitwise the same for every R.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.blocks import Buffers, ordered_mean, partition, weighted_sums
from algorithms.network import Delivered, Lossless, Network, Traffic
from algorithms.streams import stream
from algorithms.transport import Parcels, Wait, exchange, spin

if TYPE_CHECKING:
    from mpi4py import MPI

T = TypeVar("T")
Lengths = NDArray[np.int64]
Inbox = list[Tensor | None]
"""What one worker received, by source; None where the message was lost."""


class World:
    """n workers sharded over the ranks of a communicator.

    Parameters
    ----------
    comm
        MPI communicator, or None for a single process without MPI.
    workers
        n, at least the number of ranks.
    network
        Decides which messages of `alltoall` and `allgather` arrive.
    seed
        Seed of the streams that `World.stream` hands out.
    wait
        How to wait for messages, see `algorithms.transport`.

    Attributes
    ----------
    local : range
        Workers whose rows live on this rank.
    traffic : Traffic
        Ledger of all messages, the same on every rank.
    """

    def __init__(
        self,
        comm: MPI.Comm | None,
        workers: int,
        network: Network | None = None,
        seed: int = 0,
        wait: Wait = spin,
    ) -> None:
        self.comm = comm
        self.wait = wait
        self.rank, self.ranks = (comm.Get_rank(), comm.Get_size()) if comm else (0, 1)
        if workers < self.ranks:
            raise ValueError(f"{workers} workers cannot be spread over {self.ranks} ranks: use at most {workers} ranks")
        self.workers = workers
        self.network = network or Lossless()
        self.seed = seed
        self.shards = [range(part.start, part.stop) for part in partition(workers, self.ranks)]
        self.local = self.shards[self.rank]
        self.others = [rank for rank in range(self.ranks) if rank != self.rank]
        self.home = [rank for rank, shard in enumerate(self.shards) for _ in shard]
        self.traffic = Traffic(workers)
        self.buffer = Buffers()
        self._resources: dict[str, object] = {}

    def stream(self, purpose: str, worker: int = 0, step: int = 0) -> np.random.Generator:
        """Return the random stream of a key, the same on every rank; see `algorithms.streams`."""
        return stream(self.seed, purpose, worker, step)

    # ---------------------------------------------------------------- collectives that cross the unreliable network

    def alltoall(self, blocks: Sequence[Tensor], step: int, phase: str, routes: Delivered | None = None) -> list[Inbox]:
        """Send block ``blocks[j]`` of every worker to worker j.

        Parameters
        ----------
        blocks
            For each destination j of all n, a (local, b_j) tensor: row i comes from the i-th local worker.
        step, phase
            Name of the messages, for the network.
        routes
            (n, n), who sends to whom, the same on every rank; everybody to everybody if it is not given.

        Returns
        -------
        list of Inbox
            For each local worker, n blocks by source, None where lost. They are views of `blocks` or of a buffer
            that the next call with the same `phase` overwrites.
        """
        arrives, sent = self._fates(step, phase, routes)
        sizes = np.array([block.shape[1] for block in blocks])
        self._count(sizes * sent, blocks[0].element_size(), arrives)
        buffer = self.buffer(phase, int(len(self._remote()) * sizes[self._rows()].sum()), blocks[0])
        inboxes: list[Inbox] = [[None] * self.workers for _ in self.local]
        sends, receives = Parcels(list), Parcels(list)
        mine = [dict(zip(self.local, block, strict=True)) for block in blocks]  # by target and source
        for source, target in np.argwhere(arrives).tolist():
            if source in self.local and target in self.local:
                inboxes[target - self.local.start][source] = mine[target][source]
            elif source in self.local:
                sends[self.home[target]].append(mine[target][source])
            elif target in self.local:
                block, buffer = buffer[: sizes[target]], buffer[sizes[target] :]
                inboxes[target - self.local.start][source] = block
                receives[self.home[source]].append(block)
        self._exchange(sends, receives)
        return inboxes

    def allgather(
        self, blocks: Sequence[Tensor], step: int, phase: str, sizes: Sequence[int], routes: Delivered | None = None
    ) -> list[Inbox]:
        """Send the block of every worker to all others.

        Parameters
        ----------
        blocks
            For each local worker, its 1-d block.
        step, phase
            Name of the messages, for the network.
        sizes
            Lengths of the blocks of all n workers.
        routes
            As for `alltoall`.

        Returns
        -------
        list of Inbox
            As for `alltoall`. Workers of one rank share the same tensors: read, do not write.
        """
        arrives, sent = self._fates(step, phase, routes)
        self._count(np.array(sizes)[:, None] * sent, blocks[0].element_size(), arrives)
        buffer = self.buffer(phase, sum(sizes[source] for source in self._remote()), blocks[0])
        gathered: Inbox = []
        sends, receives = Parcels(list), Parcels(list)
        for source in range(self.workers):
            if source in self.local:
                gathered.append(blocks[source - self.local.start])
                for rank in {self.home[target] for target in np.flatnonzero(arrives[source])} - {self.rank}:
                    sends[rank].append(blocks[source - self.local.start])
            elif arrives[source, self._rows()].any():
                block, buffer = buffer[: sizes[source]], buffer[sizes[source] :]
                gathered.append(block)
                receives[self.home[source]].append(block)
            else:
                gathered.append(None)
        self._exchange(sends, receives)
        return [
            [block if arrives[source, target] else None for source, block in enumerate(gathered)]
            for target in self.local
        ]

    # ------------------------------------------------------------------------------------- reliable collectives

    def shift(self, x: Tensor, by: int = 1, lengths: Lengths | None = None) -> Tensor:
        """Pass (local, d) rows around the ring: worker i receives the row of worker ``(i - by) mod n``.

        Only the first ``lengths[j]`` elements of the row of worker j travel, if `lengths`, (n,), are given. The result
        (local, d) is overwritten by the next call.
        """
        routes = np.roll(np.eye(self.workers, dtype=np.bool_), by, axis=1)
        self.count(x, routes, lengths)
        rows = self.fetch(x, routes, lengths=lengths)
        moved = self.buffer("shift", x.numel(), x).view_as(x)
        for i, worker in enumerate(self.local):
            row = rows[(worker - by) % self.workers]
            moved[i, : len(row)].copy_(row)
        return moved

    def mix(self, x: Tensor, weights: NDArray[np.float64]) -> None:
        """Replace X by X W in place: worker i holds column i of X as a row of `x`, (local, d); W is `weights`, (n, n).

        ``W[j, i]`` is the weight of worker j at worker i. Only rows with a nonzero weight travel; sums run over j in
        ascending order.
        """
        if weights.shape != (self.workers, self.workers):
            raise ValueError(f"a mixing matrix for {self.workers} workers cannot have the shape {weights.shape}")
        self.count(x, weights != 0)
        self.combine(x, self.fetch(x, weights != 0), weights, self.local)

    def combine(self, x: Tensor, rows: dict[int, Tensor], weights: NDArray[np.float64], targets: Sequence[int]) -> None:
        """Replace the rows of x that belong to the local workers `targets` by sum_j W[j, i] rows[j], j ascending."""
        outputs = [x[i - self.local.start] for i in targets]
        weighted_sums(rows, weights, targets, outputs, lambda elements: self.buffer("mix", elements, x))

    def allreduce(self, x: Tensor) -> Tensor:
        """Return the mean over all n workers of (local, d) rows, as a (d,) tensor on every rank; see `mean`.

        Counted as reduce-scatter plus all-gather, 2 (n - 1) d / n elements per worker and direction.
        """
        sizes = np.array([part.stop - part.start for part in partition(x.shape[1], self.workers)])
        everywhere = np.ones((self.workers, self.workers), dtype=np.bool_)
        self._count(np.tile(sizes, (self.workers, 1)), x.element_size(), everywhere)
        self._count(np.tile(sizes[:, None], (1, self.workers)), x.element_size(), everywhere)
        return self.mean(x)

    # ------------------------------------------------------------------------------- measurement, outside the ledger

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean over all n workers of (local, d) rows on every rank, outside the ledger.

        The (d,) tensor is overwritten by the next call.
        """
        parts = partition(x.shape[1], self.ranks)
        mine, remote = parts[self.rank], self._remote()
        width = mine.stop - mine.start
        received = self.buffer("mean/rows", len(remote) * width, x).view(len(remote), width)
        columns = dict(zip(remote, received, strict=True))
        columns |= {worker: x[i, mine] for i, worker in enumerate(self.local)}
        self._exchange(
            {rank: list(x[:, parts[rank]]) for rank in self.others},
            {rank: [columns[worker] for worker in self.shards[rank]] for rank in self.others},
        )
        mean = self.buffer("mean", x.shape[1], x)
        ordered_mean([columns[worker] for worker in range(self.workers)], out=mean[mine])
        self._exchange(
            {rank: [mean[mine]] for rank in self.others},
            {rank: [mean[parts[rank]]] for rank in self.others},
        )
        return mean

    def collect(self, x: Tensor) -> Tensor:
        """Return the rows of all n workers, (n, ...), on every rank, outside the ledger."""
        rows = x.new_empty((self.workers, *x.shape[1:]))
        rows[self._rows()] = x
        self._exchange(
            {rank: [x.flatten()] for rank in self.others},
            {rank: [rows[self.shards[rank].start : self.shards[rank].stop].view(-1)] for rank in self.others},
        )
        return rows

    # ------------------------------------------------------------------------------------------------- plumbing

    def _rows(self) -> slice:
        return slice(self.local.start, self.local.stop)

    def _remote(self) -> list[int]:
        return [worker for worker in range(self.workers) if worker not in self.local]

    def _fates(self, step: int, phase: str, routes: Delivered | None) -> tuple[Delivered, Delivered]:
        """Return which messages arrive and which are sent, (n, n)."""
        arrives = self.network.delivered(step, phase, self.workers)
        sent = np.ones_like(arrives) if routes is None else routes
        return arrives & sent, sent

    def _count(self, elements: NDArray[np.int64], itemsize: int, arrives: Delivered) -> None:
        nbytes = elements.astype(np.int64) * itemsize
        np.fill_diagonal(nbytes, 0)
        self.traffic.record(nbytes, arrives)

    def count(self, x: Tensor, routes: Delivered, lengths: Lengths | None = None) -> None:
        """Enter into the ledger one phase: worker j sends (the first elements of) its row to i if ``routes[j, i]``."""
        width = np.full(self.workers, x.shape[1]) if lengths is None else lengths
        self._count(routes * width[:, None], x.element_size(), np.ones_like(routes))

    def fetch(
        self, x: Tensor, routes: Delivered, name: str = "rows", lengths: Lengths | None = None
    ) -> dict[int, Tensor]:
        """Bring here the rows that a local worker needs: those of j with ``routes[j, i]`` for a local i; see `count`.

        Returns
        -------
        dict of int to Tensor
            (d,) or (lengths[j],) rows by worker j, those of all local workers among them. Remote ones are overwritten
            by the next call with the same `name`.
        """
        width = [x.shape[1]] * self.workers if lengths is None else lengths.tolist()
        rows = {worker: x[i, : width[worker]] for i, worker in enumerate(self.local)}
        needed = [worker for worker in self._remote() if routes[worker, self._rows()].any()]
        sizes = [width[worker] for worker in needed]
        rows |= dict(zip(needed, torch.split(self.buffer(name, sum(sizes), x), sizes), strict=True))
        sends, receives = Parcels(list), Parcels(list)
        for rank in self.others:
            wanted = np.flatnonzero(routes[self._rows(), self.shards[rank]].any(axis=1))
            sends[rank] = [rows[self.local[i]] for i in wanted.tolist()]
            receives[rank] = [rows[worker] for worker in needed if worker in self.shards[rank]]
        self._exchange(sends, receives)
        return rows

    def resource(self, name: str, make: Callable[[], T]) -> T:
        """Return the object kept under `name`, made by `make` on first use; for owners of threads or communicators."""
        if name not in self._resources:
            self._resources[name] = make()
        return self._resources[name]  # type: ignore[return-value]

    def _exchange(self, sends: Mapping[int, Sequence[Tensor]], receives: Mapping[int, Sequence[Tensor]]) -> None:
        exchange(self.comm, sends, receives, self.buffer, self.wait)
