"""Registers of a cluster in a shared-memory window of MPI: reads and writes only, no locks.

Every process has a segment that only it writes: for each of the last arrays a sequence number and a value, and how far
the process has come. A register A[i] is written once. Its value goes first and its sequence number second, with a
memory barrier in between: a reader sees all of the value or, before the number changed, bottom, and a process that is
killed in the middle of a write has not written.

Asynchrony without bound would need memory without bound, so the arrays of a segment form a ring: a process that is
`capacity` arrays ahead of a living one of its cluster waits until that one has passed the array to be replaced. This
cannot deadlock, since the process furthest behind never waits for others in here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from algorithms.cluster_model import Tag, Vector

if TYPE_CHECKING:
    from mpi4py import MPI

DONE = np.iinfo(np.int64).max
MEMORY = 16 << 20  # bytes of values in the segment of a process


class WindowRegisters:
    """The registers of one cluster, seen from one of its ranks; collective over the cluster.

    Parameters
    ----------
    comm
        Communicator of the cluster.
    members
        Process on each rank of `comm`.
    shape
        How many arrays there are, level by level of their tags (which count from 1); empty if there are none.
    like
        (d,) vector of the kind that is stored.
    capacity
        Arrays that a segment holds; None for as many as `MEMORY` allows.

    Raises
    ------
    ValueError
        If `capacity` is less than one.
    """

    def __init__(
        self, comm: MPI.Comm, members: Sequence[int], shape: Tag, like: Vector, capacity: int | None = None
    ) -> None:
        from mpi4py import MPI

        arrays = int(np.prod(shape)) if shape else 0
        capacity = max(1, MEMORY // like.nbytes) if capacity is None else capacity
        if capacity < 1:
            raise ValueError(f"a segment of {capacity} arrays cannot hold a register: use at least 1")
        self.shape, self.capacity = shape, max(1, min(arrays, capacity))
        self.window = MPI.Win.Allocate_shared(8 * (1 + self.capacity) + self.capacity * like.nbytes, 1, comm=comm)  # type: ignore[arg-type]  # what Split returns is one
        self.window.Lock_all(MPI.MODE_NOCHECK)  # an epoch, as `Sync` wants one: nobody ever asks for exclusive access
        self.numbers: dict[int, NDArray[np.int64]] = {}
        self.values: dict[int, Vector] = {}
        for rank, process in enumerate(members):
            segment: NDArray[np.uint8] = np.asarray(self.window.Shared_query(rank)[0], dtype=np.uint8)
            split = 8 * (1 + self.capacity)
            self.numbers[process] = segment[:split].view(np.int64)  # the array reached, then what each slot holds
            self.values[process] = segment[split:].view(like.dtype).reshape(self.capacity, like.size)
        self.me = members[comm.Get_rank()]
        self.numbers[self.me][:] = 0
        self.window.Sync()
        comm.Barrier()

    def write(self, tag: Tag, value: Vector, wait: Callable[[], None], alive: Callable[[int], bool]) -> None:
        """Write the own register of an array.

        Parameters
        ----------
        tag
            The array; tags of one process ascend.
        value
            (d,) value.
        wait
            Called while a living peer still needs the array that this one replaces.
        alive
            Whether a process is not known to have crashed.
        """
        number = self._number(tag)
        self.numbers[self.me][0] = number  # collects of all arrays before this one are finished
        replaced = number - self.capacity
        while replaced > 0 and any(self.numbers[j][0] <= replaced and alive(j) for j in self.numbers):
            wait()
        slot = (number - 1) % self.capacity
        self.values[self.me][slot] = value
        self.window.Sync()
        self.numbers[self.me][1 + slot] = number
        self.window.Sync()

    def read(self, owner: int, tag: Tag) -> Vector | None:
        """Return a copy of a register, None if it was not written."""
        number = self._number(tag)
        slot = (number - 1) % self.capacity
        self.window.Sync()
        if self.numbers[owner][1 + slot] != number:
            return None
        self.window.Sync()
        value: Vector = self.values[owner][slot].copy()
        return value

    def leave(self) -> None:
        """Say that this process needs no register any more."""
        self.numbers[self.me][0] = DONE
        self.window.Sync()

    def _number(self, tag: Tag) -> int:
        """Return the position of an array among all, from 1, in the order of their tags."""
        number = 0
        for index, size in zip(tag, self.shape, strict=True):
            number = number * size + index - 1
        return number + 1
