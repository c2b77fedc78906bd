"""Datagrams: the two collectives of RPS over UDP, where the network itself decides what arrives.

`Datagrams` is a `World` whose `alltoall` and `allgather` send every block from worker to worker as UDP datagrams, so
that an algorithm sees real losses as it sees simulated ones: None in an inbox. A block longer than a datagram is cut
into parts and arrives if all of them do; nothing is sent again. With k parts and independent losses of datagrams,

    P(block lost) = 1 - (1 - P(datagram lost))^k                                       (`block_loss`)

A phase has a reliable channel beside it, the MPI communicator, on which workers only say that they have sent
everything, and afterwards what arrived, for the ledger. A phase ends when all blocks are there, or a while after the
last worker has sent. What comes later carries an old step or phase and is dropped, as is what nobody expects: memory is
that of the blocks of one phase, and of the socket.
"""

from __future__ import annotations

import select
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.network import Delivered
from algorithms.world import Inbox, World

if TYPE_CHECKING:
    from mpi4py import MPI

Bytes = NDArray[np.uint8]
Route = tuple[int, int]
"""Source and target of a message."""

HEADER = struct.Struct("!QIIII")  # step, phase, source, target, part
PAYLOAD = 1472 - HEADER.size  # bytes of a part: a datagram then fills an Ethernet frame, and IP never cuts it
ROOM = 4 << 20  # bytes that may wait in the socket, if the system allows so many; a full one loses datagrams


def parts(nbytes: int, payload: int = PAYLOAD) -> list[slice]:
    """Cut a block of so many bytes into the parts that datagrams carry; an empty block is one empty part."""
    return [slice(start, min(start + payload, nbytes)) for start in range(0, max(nbytes, 1), payload)]


def block_loss(loss: float, nbytes: int, payload: int = PAYLOAD) -> float:
    """Return the probability that a block is lost if each of its datagrams is, independently, with probability `loss`.

    Parameters
    ----------
    loss
        In [0, 1].
    nbytes, payload
        Length of the block and of its parts, in bytes.
    """
    return float(1 - (1 - loss) ** len(parts(nbytes, payload)))


@dataclass
class _Arrival:
    """A block on its way: the memory that it fills and the parts that are missing."""

    content: Bytes
    payload: int
    missing: dict[int, slice] = field(init=False)

    def __post_init__(self) -> None:
        self.missing = dict(enumerate(parts(len(self.content), self.payload)))

    def add(self, number: int, part: memoryview) -> None:
        """Take in a part; one that is there already, or of another length than expected, changes nothing."""
        where = self.missing.get(number)
        if where is not None and where.stop - where.start == len(part):
            self.content[where] = np.frombuffer(part, np.uint8)
            del self.missing[number]

    @property
    def complete(self) -> bool:
        """Whether all parts are there."""
        return not self.missing


class Datagrams(World):
    """Workers that send blocks as UDP datagrams, also to workers of the same rank.

    Parameters
    ----------
    comm, workers, seed
        See `World`.
    address
        IPv4 address of this rank, at which the others reach it.
    patience
        Seconds without a datagram, after all workers have sent everything, at which what is missing counts as lost.
    payload
        Bytes of a part.

    Raises
    ------
    ValueError
        If a part has less than one byte or more than fit a frame.
    """

    def __init__(
        self,
        comm: MPI.Comm | None,
        workers: int,
        seed: int = 0,
        address: str = "127.0.0.1",
        patience: float = 2e-3,
        payload: int = PAYLOAD,
    ) -> None:
        super().__init__(comm, workers, seed=seed)
        if not 1 <= payload <= PAYLOAD:
            raise ValueError(f"a part of {payload} bytes does not fit: a datagram carries 1 to {PAYLOAD}")
        self.patience, self.payload = patience, payload
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        self.socket.bind((address, 0))
        self.socket.setblocking(False)
        mine: tuple[str, int] = self.socket.getsockname()
        addresses = comm.allgather(mine) if comm else [mine]
        self.addresses = [addresses[rank] for rank in self.home]

    def alltoall(self, blocks: Sequence[Tensor], step: int, phase: str, routes: Delivered | None = None) -> list[Inbox]:
        """See `World.alltoall`; every worker sends to every other, so that `routes` may not be given."""
        _check_everybody(routes)
        sends = {
            (source, target): block[row] for row, source in enumerate(self.local) for target, block in enumerate(blocks)
        }
        sizes = np.tile([block.shape[1] for block in blocks], (self.workers, 1))
        return self._phase(sends, sizes, step, phase)

    def allgather(
        self, blocks: Sequence[Tensor], step: int, phase: str, sizes: Sequence[int], routes: Delivered | None = None
    ) -> list[Inbox]:
        """See `World.allgather` and `alltoall`."""
        _check_everybody(routes)
        sends = {
            (source, target): block
            for source, block in zip(self.local, blocks, strict=True)
            for target in range(self.workers)
        }
        return self._phase(sends, np.tile(np.array(sizes)[:, None], (1, self.workers)), step, phase)

    def _phase(self, sends: Mapping[Route, Tensor], sizes: NDArray[np.int64], step: int, phase: str) -> list[Inbox]:
        """Send blocks along their routes and return what arrived for the local workers; ``sizes[route]`` elements."""
        like = next(iter(sends.values()))
        landing = self._landing(sizes, phase, like)
        arrivals = {route: _Arrival(_bytes(block), self.payload) for route, block in landing.items()}
        name = step, zlib.crc32(phase.encode())
        for source, target in sorted(sends, key=self._distance):
            if source != target:
                for datagram in self._datagrams(name, source, target, _bytes(sends[source, target])):
                    self._send(datagram, target)
                    self._receive(arrivals, name)
        self._wait(arrivals, name)
        arrived = {route: landing[route] for route, arrival in arrivals.items() if arrival.complete}
        arrived |= {(i, i): sends[i, i] for i in self.local}
        self._count(sizes, like.element_size(), self._everywhere(arrived))
        return [[arrived.get((source, target)) for source in range(self.workers)] for target in self.local]

    def _landing(self, sizes: NDArray[np.int64], phase: str, like: Tensor) -> dict[Route, Tensor]:
        """Return memory for every block that another worker sends to a local one."""
        routes = [(source, target) for target in self.local for source in range(self.workers) if source != target]
        lengths = [int(sizes[route]) for route in routes]
        return dict(zip(routes, torch.split(self.buffer(phase, sum(lengths), like), lengths), strict=True))

    def _distance(self, route: Route) -> int:
        """Order messages so that not all workers send to the same one at the same time."""
        return (route[1] - route[0]) % self.workers

    def _datagrams(self, name: tuple[int, int], source: int, target: int, content: Bytes) -> Iterator[bytes]:
        for number, part in enumerate(parts(len(content), self.payload)):
            yield HEADER.pack(*name, source, target, number) + content[part].tobytes()

    def _send(self, datagram: bytes, target: int) -> None:
        """Hand a datagram to the kernel, as soon as it has room for it."""
        while True:
            try:
                self.socket.sendto(datagram, self.addresses[target])
                return
            except BlockingIOError:
                select.select([], [self.socket], [])

    def _receive(self, arrivals: Mapping[Route, _Arrival], name: tuple[int, int]) -> bool:
        """Take in the datagrams that are here; return whether there were any."""
        found = False
        while True:
            try:
                datagram = self.socket.recv(HEADER.size + PAYLOAD)
            except BlockingIOError:
                return found
            found = True
            self._take_in(datagram, arrivals, name)

    def _take_in(self, datagram: bytes, arrivals: Mapping[Route, _Arrival], name: tuple[int, int]) -> None:
        """Add a datagram of this step and phase to its block, drop any other."""
        if len(datagram) < HEADER.size:
            return
        step, phase, source, target, number = HEADER.unpack_from(datagram)
        arrival = arrivals.get((source, target))
        if arrival is not None and (step, phase) == name:
            arrival.add(number, memoryview(datagram)[HEADER.size :])

    def _wait(self, arrivals: Mapping[Route, _Arrival], name: tuple[int, int]) -> None:
        """Receive until all blocks are complete, or all workers have sent theirs and then nothing comes any more."""
        all_sent = self._announce()
        heard = time.monotonic()
        while not all(arrival.complete for arrival in arrivals.values()):
            if self._receive(arrivals, name) or not all_sent():
                heard = time.monotonic()
            elif time.monotonic() - heard > self.patience:
                break
            select.select([self.socket], [], [], self.patience / 4)
        while not all_sent():
            time.sleep(self.patience / 4)

    def _announce(self) -> Callable[[], bool]:
        """Tell all ranks that this one has sent everything; return what says whether all have."""
        return self.comm.Ibarrier().Test if self.comm else lambda: True

    def _everywhere(self, arrived: Mapping[Route, Tensor]) -> NDArray[np.bool_]:
        """Return what arrived anywhere, (n, n); no rank sends anything of the next phase before all are here."""
        routes = self.comm.allgather(list(arrived)) if self.comm else [list(arrived)]
        matrix = np.zeros((self.workers, self.workers), dtype=np.bool_)
        for source, target in (route for some in routes for route in some):
            matrix[source, target] = True
        return matrix


def _bytes(block: Tensor) -> Bytes:
    """Return the memory of a 1-d block as bytes."""
    if block.device.type != "cpu":
        raise ValueError(f"datagrams are sent from main memory, but a block is on {block.device}: use --device cpu")
    return block.numpy().view(np.uint8)


def _check_everybody(routes: Delivered | None) -> None:
    if routes is not None:
        raise ValueError("routes are given, but datagrams go from every worker to every other")
