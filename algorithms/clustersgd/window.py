"""Registers of a cluster in a shared-memory window of MPI: reads and writes only, no locks, and nobody waits.

Every process has a segment that only it writes: for each of the last arrays a sequence number and a value, and how far
the process has come. A register A[i] is written once. Its value goes first and its sequence number second, with a
memory barrier in between: a reader sees all of the value or, before the number changed, bottom, and a process that is
killed in the middle of a write has not written.

The arrays of a segment form a ring. A process that is `capacity` arrays ahead of a living one of its cluster moves the
value that it replaces to a file, where the slow one finds it: asynchrony without bound needs memory without bound.
While a value is replaced its sequence number is negative: a reader that was copying it notices, and reads the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import FileIO
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from algorithms.clustersgd.model import Tag, Vector

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
        self.overflow = Overflow(comm, members, like)
        self.numbers[self.me][:] = 0
        self.window.Sync()
        comm.Barrier()

    def write(self, tag: Tag, value: Vector, alive: Callable[[int], bool]) -> None:
        """Write the own register of an array.

        Parameters
        ----------
        tag
            The array; tags of one process ascend.
        value
            (d,) value.
        alive
            Whether a process is not known to have crashed.
        """
        number, mine = self._number(tag), self.numbers[self.me]
        mine[0] = number  # collects of all arrays before this one are finished
        entry = self._slot(number)
        slot = self.values[self.me][entry - 1]
        replaced = int(mine[entry])
        if replaced and any(self.numbers[j][0] <= replaced and alive(j) for j in self.numbers):
            self.overflow.write(self.me, replaced, slot)
        mine[entry] = -number
        self.window.Sync()
        slot[:] = value
        self.window.Sync()
        mine[entry] = number
        self.window.Sync()

    def read(self, owner: int, tag: Tag) -> Vector | None:
        """Return a copy of a register, None if it was not written."""
        number, numbers = self._number(tag), self.numbers[owner]
        entry = self._slot(number)
        self.window.Sync()
        if numbers[entry] == number:
            self.window.Sync()
            value: Vector = self.values[owner][entry - 1].copy()
            self.window.Sync()
            if numbers[entry] == number:
                return value
        return self.overflow.read(owner, number) if abs(numbers[entry]) > number else None

    def leave(self) -> None:
        """Say that this process needs no register any more."""
        self.numbers[self.me][0] = DONE
        self.window.Sync()

    def _slot(self, number: int) -> int:
        """Return the place of an array in the ring, from 1."""
        return (number - 1) % self.capacity + 1

    def _number(self, tag: Tag) -> int:
        """Return the position of an array among all, from 1, in the order of their tags."""
        number = 0
        for index, size in zip(tag, self.shape, strict=True):
            number = number * size + index - 1
        return number + 1


class Overflow:
    """Values for which the ring had no place any more: a file for each process of a cluster, which only it writes.

    Making one is collective over `comm`. The files have no names once everyone has opened them, so that none is left
    behind when processes are killed; they take space only for what was written.
    """

    def __init__(self, comm: MPI.Comm, members: Sequence[int], like: Vector) -> None:
        self.record = np.dtype([("number", np.int64), ("value", like.dtype, like.shape)])
        with NamedTemporaryFile(prefix="registers-") as own:
            names = comm.allgather(own.name)
            self.files = {process: FileIO(name, "r+") for process, name in zip(members, names, strict=True)}
            comm.Barrier()

    def write(self, owner: int, number: int, value: Vector) -> None:
        """Keep the value of an array of `owner`, which is this process."""
        file = self.files[owner]
        file.seek((number - 1) * self.record.itemsize)
        np.array([(number, value)], self.record).tofile(file)

    def read(self, owner: int, number: int) -> Vector | None:
        """Return the value of an array of a process, None if it was not kept."""
        file = self.files[owner]
        file.seek((number - 1) * self.record.itemsize)
        found = np.fromfile(file, self.record, count=1)
        return found["value"][0] if len(found) and found["number"][0] == number else None
