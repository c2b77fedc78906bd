"""Messages between the ranks of the cluster model, any of which may be dead.

Everything is point to point and nobody waits for anybody in particular: a dead rank costs nothing, and one that is
stopped costs memory. MPI has buffers for some hundred messages, shared by all links of a rank; if they were full of
messages to a stopped one, nobody would get any more. So only `WINDOW` messages to each process are under way at once,
in synchronous mode, which says when they are received; the others wait here. What a rank sent shortly before it was
killed may be lost, with it the model's reliable links: but only links from dead processes, on whose messages neither
algorithm relies.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from algorithms.clustersgd.model import Tag, Vector

if TYPE_CHECKING:
    from mpi4py import MPI

HEADER = 4  # int64: length of the tag, then the tag
VALUE, FAREWELL = 1, 2  # MPI tags
WINDOW = 16  # messages to one process that are under way at once


class Parcel(NamedTuple):
    """A message under way: the buffer must outlive the request."""

    request: MPI.Request
    packed: Any
    other: int
    kind: int


class Links:
    """All links of one rank.

    Parameters
    ----------
    comm
        Communicator with a rank for every process.
    like
        (d,) vector of the kind that is sent.
    arrive
        Called with sender, tag and value of every message that arrives.
    """

    def __init__(self, comm: MPI.Comm, like: Vector, arrive: Callable[[int, Tag, Vector], None]) -> None:
        self.comm, self.like, self.arrive = comm, like, arrive
        n, me = comm.Get_size(), comm.Get_rank()
        self.others = [(me + k) % n for k in range(1, n)]
        self.waiting: dict[int, deque[tuple[Any, int]]] = {j: deque() for j in self.others}
        self.sending: list[Parcel] = []
        self.receiving: list[Parcel] = []
        self.farewells: set[int] = set()
        self.dead: set[int] = set()

    def send(self, tag: Tag, value: Vector, recipients: Iterable[int]) -> None:
        """Send a value to those who are not known to be dead."""
        header = np.array([len(tag), *tag, *[0] * (HEADER - 1 - len(tag))], np.int64)
        self._send(np.concatenate([header.view(np.uint8), value.view(np.uint8)]), recipients, VALUE)
        self.poll()

    def poll(self) -> bool:
        """Take what has arrived, forget what was received, send more; return whether anything arrived."""
        self._accept()
        ended = [(parcel, _ended(parcel.request)) for parcel in self.receiving]
        self.receiving = [parcel for parcel, whole in ended if whole is None]
        for parcel, whole in ended:
            if whole:
                self._unpack(parcel)
        self.sending = [parcel for parcel in self.sending if _ended(parcel.request) is None]
        self._start()
        return any(whole for _, whole in ended)

    def failed(self) -> set[int]:
        """Return the processes that are known to have crashed."""
        group = self.comm.Get_failed()
        if group.Get_size() > len(self.dead):
            self.dead = set(group.Translate_ranks(None, self.comm.Get_group()))
        return self.dead

    def part(self, rest: Callable[[], None]) -> None:
        """Say farewell, and take what the others still send until all have done so or are dead."""
        self._send(np.empty(0, np.uint8), self.others, FAREWELL)
        while (self._absent() | self._busy()) - self.failed():
            rest()

    def _absent(self) -> set[int]:
        return set(self.others) - self.farewells

    def _busy(self) -> set[int]:
        """Return the processes with which a message is under way or waits."""
        under_way = {parcel.other for parcel in (*self.sending, *self.receiving)}
        return under_way | {j for j, queue in self.waiting.items() if queue}

    def _send(self, packed: Any, recipients: Iterable[int], kind: int) -> None:
        for j in recipients:
            self.waiting[j].append((packed, kind))
        self._start()

    def _start(self) -> None:
        """Begin to send what waits, as far as the others have received what is under way to them."""
        if not any(self.waiting.values()):
            return
        dead, under_way = self.failed(), Counter(parcel.other for parcel in self.sending)
        for j, queue in self.waiting.items():
            if j in dead:
                queue.clear()
            for _ in range(min(len(queue), WINDOW - under_way[j])):
                packed, kind = queue.popleft()
                with _survived():
                    self.sending.append(Parcel(self.comm.Issend(packed, j, kind), packed, j, kind))

    def _accept(self) -> None:
        """Begin to receive what is on its way; a large message needs its sender, so nobody waits for it."""
        from mpi4py import MPI

        status = MPI.Status()
        while (message := self._next(status)) is not None:
            packed = np.empty(status.Get_count(MPI.BYTE), np.uint8)
            self.receiving.append(Parcel(message.Irecv(packed), packed, status.Get_source(), status.Get_tag()))

    def _next(self, status: MPI.Status) -> MPI.Message | None:
        from mpi4py import MPI

        with _survived():
            return self.comm.Improbe(MPI.ANY_SOURCE, MPI.ANY_TAG, status)
        self.comm.Ack_failed()  # or no receipt from whoever it may be would succeed any more
        return None

    def _unpack(self, parcel: Parcel) -> None:
        if parcel.kind == FAREWELL:
            self.farewells.add(parcel.other)
            return
        header = parcel.packed[: 8 * HEADER].view(np.int64)
        tag = tuple(header[1 : 1 + header[0]].tolist())
        self.arrive(parcel.other, tag, parcel.packed[8 * HEADER :].view(self.like.dtype))


@contextmanager
def _survived() -> Iterator[None]:
    """Go on if the other side of an operation turns out to be dead."""
    from mpi4py import MPI

    try:
        yield
    except MPI.Exception as error:
        if error.Get_error_class() not in {MPI.ERR_PROC_FAILED, MPI.ERR_PROC_FAILED_PENDING}:
            raise


def _ended(request: MPI.Request) -> bool | None:
    """Return whether an operation was completed, True, or failed with its other side, False; None if neither yet."""
    with _survived():
        return True if request.Test() else None
    return False
