"""Experiments that the tests of one-sided PopSGD run over MPI ranks."""

from __future__ import annotations

import itertools
import os
import signal
import time
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from algorithms.network import Traffic
from algorithms.popsgd.onesided import Interaction, OneSided, partner_of, replay
from algorithms.popsgd.population import Averaging, constant, population, simulate
from algorithms.popsgd.windows import Windows
from algorithms.streams import torch_seed
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement


def descent(model: Tensor, node: int, step: int) -> Tensor:
    """A stochastic gradient step on a quadratic of the node's own, in double precision."""
    noise = torch.randn(model.shape, generator=torch.Generator().manual_seed(torch_seed(0, "noise", node, step)))
    return 0.1 * (model - node + noise)


@dataclass(frozen=True)
class OverRanks(Experiment):
    placement: ClassVar[Placement] = Placement.RANK_EACH
    ranks: int

    @property
    def workers(self) -> int:
        return self.ranks


@dataclass(frozen=True)
class Population(OverRanks):
    """Nodes interact at their own speed, or in a fixed order; what they made is compared with what a replay makes."""

    nodes: int
    averaging: Averaging
    d: int
    steps: int
    mapped: bool = True
    lockstep: bool = False

    def execute(self, context: Context) -> None:
        comm = context.comm
        assert comm
        windows = Windows(comm, self.nodes, torch.zeros(self.d), self.averaging == "symmetric", self.mapped)
        system = OneSided(windows, self.averaging)
        record, x = [], torch.empty(self.d)
        for step in range(self.steps):
            for node in range(self.nodes) if self.lockstep else windows.local:
                if self.lockstep:
                    comm.Barrier()
                if node in windows.local:
                    at = system.copy(node, x)
                    record.append(
                        system.interact(node, partner_of(self.nodes, 0, node, step), descent(x, node, step), at)
                    )
        comm.Barrier()
        models = {}
        for node in windows.local:
            system.copy(node, x)
            models[node] = x.clone()
        traffic = system.traffic(4 * self.d)
        records = list(itertools.chain(*comm.allgather(record)))
        everyone = {node: model for part in comm.allgather(models) for node, model in part.items()}
        windows.free()
        self._check(context, everyone, records, traffic, comm.allreduce(system.again))

    def _check(
        self, context: Context, models: dict[int, Tensor], record: list[Interaction], traffic: Traffic, again: int
    ) -> None:
        again_made = replay(torch.zeros(self.d), record, descent, self.averaging)
        context.log(0, {"differ": sum(not torch.equal(again_made[node], models[node]) for node in models)})
        context.log(0, traffic.totals() | {"again": again, "record": len(record), "exact": self._exact(models)})
        interleaved = sum(item.own != item.descent for item in record)
        context.log(0, {"interleaved": interleaved})

    def _exact(self, models: dict[int, Tensor]) -> float:
        """Return how many models differ from those of the specification, for a fixed order."""
        nodes = population(torch.zeros(self.nodes, self.d).numpy())
        pairs = [(i, partner_of(self.nodes, 0, i, step)) for step in range(self.steps) for i in range(self.nodes)]
        simulate(
            nodes, pairs, lambda x, i, step: descent(torch.from_numpy(x), i, step).numpy(), constant(1.0), "one-sided"
        )
        return sum(not torch.equal(torch.from_numpy(nodes.x[i]), models[i]) for i in range(self.nodes))


@dataclass(frozen=True)
class Stress(OverRanks):
    """Rank 0 publishes constant models without a pause; the others read them."""

    d: int
    reads: int
    mapped: bool = True

    def execute(self, context: Context) -> None:
        comm = context.comm
        assert comm
        windows = Windows(comm, self.ranks, torch.zeros(self.d), mapped=self.mapped)
        system, x, torn = OneSided(windows), torch.empty(self.d), 0
        if comm.Get_rank() == 0:
            pending, version = comm.Ibarrier(), 0
            while not pending.Test():
                version += 1
                windows.write(0, version, torch.full((self.d,), float(version)))
        else:
            for _ in range(self.reads):
                at = system.copy(0, x)
                torn += bool((x != float(at)).any())
            comm.Ibarrier().Wait()
        torn = comm.allreduce(torn)
        windows.free()
        context.log(0, {"torn": torn})


@dataclass(frozen=True)
class Overtaken(OverRanks):
    """A reader that is overtaken by one write, and then by two, in the middle of a model."""

    def execute(self, context: Context) -> None:
        windows = Windows(context.comm, self.ranks, torch.zeros(4))
        if context.rank == 0:
            for overtaken in (1, 2):
                at = windows.version(0)
                x = windows.models[0].get(at)[:2].tolist()
                for version in range(at + 1, at + 1 + overtaken):
                    windows.write(0, version, torch.full((4,), float(version)))
                x += windows.models[0].get(at)[2:].tolist()
                context.log(overtaken, {"halves": len(set(x)), "whole": windows.whole(0, at)})
        windows.free()


@dataclass(frozen=True)
class Dying(OverRanks):
    """A rank is killed while it holds the lock of a model that the others want."""

    def execute(self, context: Context) -> None:
        comm = context.comm
        assert comm
        windows = Windows(comm, self.ranks, torch.zeros(4), turns=True)
        if comm.Get_rank() == 1:
            with windows.turn(0, 1):
                comm.Barrier()
                os.kill(os.getpid(), signal.SIGKILL)
        comm.Barrier()
        with windows.turn(0, 1):
            time.sleep(0.1)
        windows.free()


@dataclass(frozen=True)
class BadInput(OverRanks):
    """What windows refuse, on ranks."""

    def execute(self, context: Context) -> None:
        refused = 0
        for comm, nodes, start in (
            (None, 4, torch.zeros(2)),
            (context.comm, self.ranks - 1, torch.zeros(2)),
            (context.comm, 4, torch.zeros(2, device="meta")),
        ):
            try:
                Windows(comm, nodes, start)
            except (TypeError, ValueError) as error:
                refused += str(error) in SENTENCES
        context.log(0, {"refused": refused})


SENTENCES = (
    "windows need the MPI ranks of one group, not None",
    "1 nodes cannot be spread over 2 ranks: use at most 1 ranks",
    "models in windows live in the memory of the CPU, but the first one is on meta",
)
