"""Transport: blocks between ranks, as few and as large messages as there are pairs of ranks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from mpi4py import MPI

Parcels = defaultdict[int, list[Tensor]]
"""Blocks to or from every rank."""

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
    landing = [(rank, _adjacent(blocks)) for rank, blocks in receives.items() if blocks]
    hosts = [_host(target) for _, target in landing]
    requests = [comm.Irecv(host.numpy(), rank) for (rank, _), host in zip(landing, hosts, strict=True)]
    for rank in sorted(sends, key=lambda rank: (rank - comm.Get_rank()) % comm.Get_size()):  # not all to rank 0 first
        if blocks := sends[rank]:
            parcel = blocks[0] if len(blocks) == 1 else _packed(blocks, f"parcel for {rank}", buffer)
            requests.append(comm.Isend(parcel.cpu().numpy(), rank))
    wait(requests)
    for (_, target), host in zip(landing, hosts, strict=True):
        if host is not target:
            target.copy_(host)


def _packed(blocks: Sequence[Tensor], name: str, buffer: Callable[[str, int, Tensor], Tensor]) -> Tensor:
    out = buffer(name, sum(block.numel() for block in blocks), blocks[0])
    return torch.cat(list(blocks), out=out)


def _adjacent(blocks: Sequence[Tensor]) -> Tensor:
    """Return the stretch of memory that 1-d blocks fill together."""
    return blocks[0].as_strided((sum(block.numel() for block in blocks),), (1,))


def _host(tensor: Tensor) -> Tensor:
    """Return the tensor itself on CPU, and an empty pinned CPU tensor to receive into for one on a GPU."""
    return tensor if tensor.device.type == "cpu" else torch.empty_like(tensor, device="cpu", pin_memory=True)
