"""Windows: n models in MPI memory that any rank reads, and writes, without the owner's participation.

Rank r holds the models of a contiguous run of nodes (as in `algorithms.world`) in one window: for each node two
counters and two slots. Version v of a model lies in slot v mod 2, so the next one is written beside the one that is
read: ``begun`` is the newest version whose writing has begun, ``published`` the newest that is whole. Who reads version
v and finds ``begun < v + 2`` afterwards has read it whole: nothing was written where it read. Else it reads again.

Ranks of one machine share memory and read by plain loads; between machines a read is an MPI_Get, which needs no help of
the target where the network has remote direct memory access. Both are passive-target access in one epoch that lasts as
long as the windows. Several writers of a model (the symmetric rule) take turns by a lock per model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from algorithms.blocks import partition

if TYPE_CHECKING:
    from mpi4py import MPI

HEADER = 64  # bytes: both counters, alone in their cache line
BEGUN, PUBLISHED = 0, 1
MESSAGE = 1 << 26  # bytes of one MPI_Get or MPI_Put


class Mapped:
    """A model in memory that this rank can address.

    Parameters
    ----------
    memory
        (bytes,) uint8 of the segment.
    like
        (d,) tensor of the kind of the model.
    window
        Window that the memory belongs to.
    """

    def __init__(self, memory: np.ndarray[Any, Any], like: Tensor, window: MPI.Win) -> None:
        self.counters = memory[:HEADER].view(np.int64)
        length = like.numel() * like.element_size()
        starts = [HEADER + _slot_bytes(like) * k for k in range(2)]
        self.slots = [torch.from_numpy(memory[at : at + length]).view(like.dtype) for at in starts]
        self.window = window

    def counter(self, which: int) -> int:
        """Return a counter; loads before and after keep their order."""
        self.window.Sync()
        value = int(self.counters[which])
        self.window.Sync()
        return value

    def count(self, which: int, version: int) -> None:
        """Set a counter; stores before and after keep their order."""
        self.window.Sync()
        self.counters[which] = version
        self.window.Sync()

    def get(self, version: int) -> Tensor:
        """Return the slot of a version, (d,), itself."""
        return self.slots[version % 2]

    def put(self, version: int, model: Tensor) -> None:
        """Write a slot."""
        if model is not self.slots[version % 2]:
            self.slots[version % 2].copy_(model)


class Remote:
    """A model in the memory of another machine; as `Mapped`, but what `get` returns is a copy.

    Parameters
    ----------
    window, rank, start
        Where its segment is: in the window of which rank, from which byte.
    scratch
        (d,) memory for the copy, shared by all remote models of this rank.
    """

    def __init__(self, window: MPI.Win, rank: int, start: int, scratch: Tensor) -> None:
        self.window, self.rank, self.start, self.scratch = window, rank, start, scratch
        self.word = np.zeros(1, np.int64)

    def counter(self, which: int) -> int:
        """Return a counter, atomically."""
        from mpi4py import MPI

        at = self.start + 8 * which
        self.window.Fetch_and_op(np.zeros(1, np.int64), self.word, self.rank, at, MPI.NO_OP)
        self.window.Flush(self.rank)
        return int(self.word[0])

    def count(self, which: int, version: int) -> None:
        """Set a counter, atomically, after all that was put before."""
        from mpi4py import MPI

        self.window.Flush(self.rank)
        value = np.array([version], np.int64)
        self.window.Fetch_and_op(value, self.word, self.rank, self.start + 8 * which, MPI.REPLACE)
        self.window.Flush(self.rank)

    def get(self, version: int) -> Tensor:
        """Return a copy of the slot of a version, (d,), which the next call overwrites."""
        for part, at in self._pieces(version, self.scratch):
            self.window.Get(part, self.rank, at)
        self.window.Flush(self.rank)
        return self.scratch

    def put(self, version: int, model: Tensor) -> None:
        """Write a slot."""
        for part, at in self._pieces(version, model):
            self.window.Put(part, self.rank, at)
        self.window.Flush(self.rank)

    def _pieces(self, version: int, model: Tensor) -> Iterator[tuple[np.ndarray[Any, Any], int]]:
        flat = model.numpy().view(np.uint8)
        at = self.start + HEADER + _slot_bytes(model) * (version % 2)
        for first in range(0, len(flat), MESSAGE):
            yield flat[first : first + MESSAGE], at + first


class Windows:
    """The models of all nodes in windows; make and free them on all ranks together.

    Parameters
    ----------
    comm
        The ranks.
    nodes
        n, at least the number of ranks.
    start
        (d,) initial model of every node, on the CPU.
    turns
        Whether models have several writers, who take turns.
    mapped
        Whether to share memory; by default if all ranks run on one machine.

    Attributes
    ----------
    local : range
        Nodes whose models live on this rank.
    models : list of Mapped or Remote
        All models by node.
    """

    def __init__(
        self, comm: MPI.Comm | None, nodes: int, start: Tensor, turns: bool = False, mapped: bool | None = None
    ) -> None:
        from mpi4py import MPI

        if not isinstance(comm, MPI.Intracomm):
            raise TypeError(f"windows need the MPI ranks of one group, not {comm}")
        if nodes < comm.Get_size():
            raise ValueError(f"{nodes} nodes cannot be spread over {comm.Get_size()} ranks: use at most {nodes} ranks")
        if start.device.type != "cpu":
            raise ValueError(f"models in windows live in the memory of the CPU, but the first one is on {start.device}")
        self.comm = comm
        self.shards = [range(part.start, part.stop) for part in partition(nodes, comm.Get_size())]
        self.local = self.shards[comm.Get_rank()]
        self.home = [(rank, node - shard.start) for rank, shard in enumerate(self.shards) for node in shard]
        shared = _one_machine(comm) if mapped is None else mapped
        size = HEADER + 2 * _slot_bytes(start)
        allocate = MPI.Win.Allocate_shared if shared else MPI.Win.Allocate
        self.window = allocate(len(self.local) * size, 1, comm=comm)
        self.window.Lock_all(MPI.MODE_NOCHECK)
        self.models = self._models(start, size, shared)
        for node in self.local:
            self.models[node].put(0, start)
            self.models[node].count(BEGUN, 0)
            self.models[node].count(PUBLISHED, 0)
        count = max(map(len, self.shards)) if turns else 0
        self._turns = [MPI.Win.Allocate(8, 1, comm=comm) for _ in range(count)]
        comm.Barrier()

    def _models(self, start: Tensor, size: int, shared: bool) -> list[Mapped | Remote]:
        scratch = torch.empty_like(start)
        models: list[Mapped | Remote] = []
        for node, (rank, row) in enumerate(self.home):
            if shared or node in self.local:
                memory: Any = self.window.Shared_query(rank)[0] if shared else self.window.tomemory()
                segment = np.frombuffer(memory, np.uint8)[row * size : (row + 1) * size]
                models.append(Mapped(segment, start, self.window))
            else:
                models.append(Remote(self.window, rank, row * size, scratch))
        return models

    def version(self, node: int) -> int:
        """Return the newest version of a model."""
        return self.models[node].counter(PUBLISHED)

    def whole(self, node: int, version: int) -> bool:
        """Return whether what was read of a version up to now is whole: nobody has begun to write over it."""
        return self.models[node].counter(BEGUN) < version + 2

    def write(self, node: int, version: int, model: Tensor) -> None:
        """Write and publish a version of a model."""
        target = self.models[node]
        target.count(BEGUN, version)
        target.put(version, model)
        target.count(PUBLISHED, version)

    @contextmanager
    def turn(self, *nodes: int) -> Iterator[None]:
        """Hold the locks of some models, taken in ascending order, so that nobody waits in a circle."""
        from mpi4py import MPI

        with ExitStack() as held:
            for node in sorted(set(nodes)):
                rank, row = self.home[node]
                turns = self._turns[row]
                turns.Lock(rank, MPI.LOCK_EXCLUSIVE)
                held.callback(turns.Unlock, rank)
                turns.Get(np.empty(8, np.uint8), rank)  # MPI may put off a lock until something needs it
                turns.Flush(rank)
            yield

    def free(self) -> None:
        """Free all windows, when no rank reads any more; what `models` hold is gone."""
        self.comm.Barrier()
        self.models.clear()
        self.window.Unlock_all()
        for window in (self.window, *self._turns):
            window.Free()


def _slot_bytes(like: Tensor) -> int:
    """Return the bytes of a model, rounded up to whole cache lines."""
    return -(-like.numel() * like.element_size() // HEADER) * HEADER


def _one_machine(comm: MPI.Intracomm) -> bool:
    from mpi4py import MPI

    machine = comm.Split_type(MPI.COMM_TYPE_SHARED)
    alone = machine.Get_size() == comm.Get_size()
    machine.Free()
    return alone
