"""PopSGD as it is deployed (section 6): networks that MPI ranks train through windows, each at its own speed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from algorithms.onesided import Interaction, OneSided, partner_of, replay
from algorithms.windows import Windows
from reproductions.harness.context import Context
from reproductions.harness.training import load
from reproductions.popsgd.training import Nodes, NodeTraining, PopSGD
from reproductions.workloads.base import Task, kernels


@dataclass(frozen=True)
class WindowTraining(NodeTraining):
    """As `NodeTraining` by PopSGD, but every rank trains its nodes at its own speed and reads the others' models.

    A rank makes a step of each of its nodes by turns; there may be more nodes than ranks. The order of interactions is
    a matter of timing: equal experiments give different models. Logged when node 0 has made `every` more steps, and at
    the end the traffic ledger and, with `replayed`, ``differ``: how many of all models differ, in any bit, from those
    that one process makes of the recorded interactions.

    Parameters
    ----------
    replayed
        Whether to make the run again; it takes as long as all ranks together, and the memory of all versions.
    """

    solo: ClassVar[bool] = False

    replayed: bool = False

    def execute(self, context: Context) -> None:
        """Train on the ranks of `context`."""
        assert isinstance(self.method, PopSGD), f"{self.method} is no PopSGD"
        task = load(self.workload, context.data, "cpu")
        context.notes["workload"] = task.label
        start = Nodes(self, task, "cpu", range(1)).replicas.parameters[0].clone()
        windows = Windows(context.comm, self.nodes, start, turns=self.method.averaging == "symmetric")
        comm, system, nodes = (
            windows.comm,
            OneSided(windows, self.method.averaging),
            Nodes(self, task, "cpu", windows.local),
        )
        with kernels(task):
            record = self._train(context, system, nodes)
            comm.Barrier()
            for k, node in enumerate(windows.local):
                system.copy(node, nodes.replicas.parameters[k])
            context.log(self.steps, system.traffic(start.nbytes).totals() | {"again": comm.allreduce(system.again)})
            windows.free()
            records, models = comm.gather(record), comm.gather(nodes.replicas.parameters)
            if self.replayed and records and models:
                again = self._again(task, start, list(itertools.chain(*records)))
                rows = enumerate(row for part in models for row in part)
                context.log(self.steps, {"differ": sum(not torch.equal(again[i], row) for i, row in rows)})

    def _train(self, context: Context, system: OneSided, nodes: Nodes) -> list[Interaction]:
        """Make all steps of the local nodes; return what happened."""
        record = []
        for step, (k, node) in itertools.product(range(self.steps), enumerate(nodes.local)):
            version = system.copy(node, nodes.replicas.parameters[k])
            partner = partner_of(self.nodes, self.seed, node, step)
            record.append(system.interact(node, partner, nodes.descent(node), version))
            if node == 0 and (step + 1) % self.every == 0:
                system.copy(node, nodes.replicas.parameters[k])
                context.log(step + 1, nodes.measure())
                context.on_progress((step + 1) / self.steps)
        return record

    def _again(self, task: Task, start: Tensor, record: list[Interaction]) -> dict[int, Tensor]:
        """Make the recorded interactions again, in this process."""
        assert isinstance(self.method, PopSGD)
        nodes = Nodes(self, task, "cpu", range(self.nodes))

        def descend(model: Tensor, node: int, step: int) -> Tensor:
            nodes.replicas.parameters[node].copy_(model)
            return nodes.descent(node)

        return replay(start, record, descend, self.method.averaging)
