"""Transport: blocks between ranks, as few and as large messages as there are pairs of ranks."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from algorithms.blocks import adjacent

if TYPE_CHECKING:
    from mpi4py import MPI

Parcels = defaultdict[int, list[Tensor]]
"""Blocks to or from every rank."""

_LIBRARIES = ("libmpi.so.40", "libmpi.so.12")  # Open MPI, MPICH and its relatives

Wait = Callable[[list["MPI.Request"]], None]
"""Returns when all requests are complete."""


def spin(requests: list[MPI.Request]) -> None:
    """Wait inside MPI: the shortest delay, at the price of a core (less, if the library yields when idle)."""
    from mpi4py import MPI

    MPI.Request.Waitall(requests)


def poll(requests: list[MPI.Request]) -> None:
    """Wait outside of MPI and look now and then: for a thread that shares its core with one that computes."""
    from mpi4py import MPI

    while not MPI.Request.Testall(requests):
        time.sleep(5e-5)


def exchange(
    comm: MPI.Comm | None,
    sends: Mapping[int, Sequence[Tensor]],
    receives: Mapping[int, Sequence[Tensor]],
    buffer: Callable[[str, int, Tensor], Tensor],
    wait: Wait = spin,
) -> None:
    """Move 1-d blocks between ranks, all blocks for one rank as one message.

    Parameters
    ----------
    comm
        Communicator; None for a single process.
    sends
        Blocks for every rank.
    receives
        Where the blocks from every rank go: next to each other in memory, in the order in which that rank lists them.
    buffer
        Gives scratch memory by name, number of elements and a tensor of the same kind.
    wait
        How to wait: `spin` or `poll`.
    """
    if comm is None or comm.Get_size() == 1:
        return
    landing = [(rank, adjacent(blocks)) for rank, blocks in receives.items() if blocks]
    hosts = [_host(target) for _, target in landing]
    requests = [comm.Irecv(_memory(host), rank) for (rank, _), host in zip(landing, hosts, strict=True)]
    targets = sorted(sends, key=lambda rank: (rank - comm.Get_rank()) % comm.Get_size())  # not all to rank 0 first
    parcels = [(rank, _parcel(sends[rank], rank, buffer)) for rank in targets if sends[rank]]
    if any(parcel.is_cuda for parcel in chain.from_iterable(sends.values())):
        torch.cuda.current_stream().synchronize()  # MPI reads memory that kernels and copies have written
    requests += [comm.Isend(_memory(parcel), rank) for rank, parcel in parcels]
    wait(requests)
    for (_, target), host in zip(landing, hosts, strict=True):
        if host is not target:
            target.copy_(host)


def _parcel(blocks: Sequence[Tensor], rank: int, buffer: Callable[[str, int, Tensor], Tensor]) -> Tensor:
    """Return the blocks for a rank as one tensor in memory that MPI reads; from a GPU the copy is only begun."""
    if len(blocks) == 1:
        parcel = blocks[0]
    else:
        parcel = buffer(f"parcel for {rank}", sum(block.numel() for block in blocks), blocks[0])
        torch.cat(list(blocks), out=parcel)
    host = _host(parcel)
    return parcel if host is parcel else host.copy_(parcel, non_blocking=True)


def _host(tensor: Tensor) -> Tensor:
    """Return the tensor itself if MPI can use its memory, else an empty pinned tensor of the same size."""
    if tensor.device.type == "cpu" or gpu_aware():
        return tensor
    return torch.empty_like(tensor, device="cpu", pin_memory=True)  # torch keeps pinned memory for the next one


def _memory(tensor: Tensor) -> Any:
    """Return what mpi4py takes as a buffer."""
    return tensor if tensor.is_cuda else tensor.numpy()


@functools.cache
def gpu_aware() -> bool:
    """Return whether the MPI library of this process says that it can read and write the memory of a GPU."""
    for name in _LIBRARIES:
        with contextlib.suppress(OSError, AttributeError):
            return bool(ctypes.CDLL(name, mode=os.RTLD_NOLOAD).MPIX_Query_cuda_support())
    return False
