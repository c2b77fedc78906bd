"""A `World` whose ranks are the processes of a torch.distributed group: the algorithms where MPI is not.

Algorithms see the collectives of `World`, which only move bytes and sum in ascending order of the workers, so the
numbers are those of MPI ranks and of a single process, bit for bit. No reduction of the backend is ever used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, cast

import torch
import torch.distributed as dist
from torch import Tensor

from algorithms.blocks import adjacent
from algorithms.network import Network
from algorithms.world import World

if TYPE_CHECKING:
    from mpi4py import MPI


class DistributedWorld(World):
    """n workers sharded over the processes of a group; making one is collective over the group.

    Messages travel from the memory where the tensors are: gloo carries those of a CPU, NCCL those of GPUs (untried). As
    some algorithms also tell each other lengths, which stay on the CPU, a job on GPUs needs
    ``init_process_group("cpu:gloo,cuda:nccl")``.

    Parameters
    ----------
    workers
        n, at least the number of processes of the group.
    network, seed
        As for `World`.
    group
        Processes that take part; all of the job if it is not given.

    Raises
    ------
    RuntimeError
        If torch.distributed has no process group yet.
    ValueError
        If this process is not in the group, or the group has more processes than there are workers.
    """

    def __init__(
        self, workers: int, network: Network | None = None, seed: int = 0, group: dist.ProcessGroup | None = None
    ) -> None:
        super().__init__(cast("MPI.Comm", _Members(group)), workers, network, seed)
        self.group = group
        self.backends = dict(pair.split(":") for pair in dist.get_backend_config(group).split(","))
        dist.barrier(group)  # NCCL wants all of a group in its first call; a message may be for two of them alone

    def _exchange(self, sends: Mapping[int, Sequence[Tensor]], receives: Mapping[int, Sequence[Tensor]]) -> None:
        landing = [(adjacent(blocks), rank) for rank, blocks in receives.items() if blocks]
        parcels = [(self._parcel(blocks, rank), rank) for rank, blocks in sends.items() if blocks]
        operations = [
            dist.P2POp(operation, tensor, group=self.group, group_peer=rank)
            for operation, messages in ((dist.irecv, landing), (dist.isend, parcels))
            for tensor, rank in messages
            if tensor.numel()
        ]
        if not operations:
            return
        self._check(operations[0].tensor.device)
        for work in dist.batch_isend_irecv(operations):
            work.wait()

    def _parcel(self, blocks: Sequence[Tensor], rank: int) -> Tensor:
        """Return the blocks for a rank as one tensor."""
        if len(blocks) == 1:
            return blocks[0]
        parcel = self.buffer(f"parcel for {rank}", sum(block.numel() for block in blocks), blocks[0])
        torch.cat(list(blocks), out=parcel)
        return parcel

    def _check(self, device: torch.device) -> None:
        """Refuse tensors that the group cannot carry: gloo would read the memory of a GPU as its own."""
        backend = self.backends.get(device.type)
        if backend is None or (backend == "gloo" and device.type != "cpu"):
            raise ValueError(
                f"tensors on {device.type} cannot travel over {backend or 'a group without a backend for them'}: "
                'begin with init_process_group("gloo") on CPUs, "cpu:gloo,cuda:nccl" on GPUs'
            )


class _Members:
    """What `World` asks of a communicator, answered by a process group."""

    def __init__(self, group: dist.ProcessGroup | None) -> None:
        if not (dist.is_available() and dist.is_initialized()):
            raise RuntimeError(
                "torch.distributed has no process group here: call torch.distributed.init_process_group first"
            )
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        if self.rank < 0:
            raise ValueError(
                f"process {dist.get_rank()} is not in the group that it was given: only members have a world"
            )

    def Get_rank(self) -> int:
        return self.rank

    def Get_size(self) -> int:
        return self.size

    def Dup(self) -> NoReturn:
        raise RuntimeError("averaging in the background (overlap=True) needs MPI ranks, not torch.distributed")
