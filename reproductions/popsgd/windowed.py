"""PopSGD as it is deployed (section 6): networks that MPI ranks train through windows, each at its own speed."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from algorithms.popsgd.onesided import Interaction, OneSided, partner_of, replay
from algorithms.popsgd.windows import Windows
from algorithms.transport import poll
from reproductions.experiments.training import load
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Placement
from reproductions.popsgd.training import Nodes, NodeTraining, PopSGD
from reproductions.workloads.base import Task, kernels

WARM_UP = 3  # steps that connect ranks and touch memory
TIMES = ("compute_seconds", "cpu_seconds", "wall_seconds")


@dataclass(frozen=True)
class WindowTraining(NodeTraining):
    """As `NodeTraining` by PopSGD, but every node is a rank that trains at its own speed and reads the others' models.

    The order of interactions is a matter of timing: equal experiments give different models. Logged when node 0 has
    made `every` more steps, and at the end: the traffic ledger; ``start_loss`` and ``mean_loss``, the training loss of
    the initial model and of the mean of the last ones; with `replayed` ``differ``, how many of all models differ, in
    any bit, from those that one process makes of the recorded interactions. And times of a batch, means over nodes and
    over all steps but the first three: ``cpu_seconds`` by the CPU clock of each rank, and the part ``compute_seconds``
    that is the gradient's. Waiting for a core costs a rank no CPU time. Waiting for another rank does, because MPI
    polls. ``wall_seconds`` is the time of a batch by the wall clock, which means something where ranks wait for links
    and not for cores.

    Parameters
    ----------
    replayed
        Whether to make the run again; it takes as long as all ranks together, and the memory of all versions.
    """

    placement: ClassVar[Placement] = Placement.RANK_EACH

    replayed: bool = False

    def execute(self, context: Context) -> None:
        """Train on the ranks of `context`."""
        assert isinstance(self.method, PopSGD), f"{self.method} is no PopSGD"
        task = load(self.workload, context.data, "cpu")
        context.notes["workload"] = task.label
        nodes = Nodes(self, task, "cpu", range(context.rank, context.rank + 1))
        model = nodes.replicas.parameters[0]
        start = model.clone()
        windows = Windows(context.comm, self.nodes, start, turns=self.method.averaging == "symmetric")
        comm, system = windows.comm, OneSided(windows, self.method.averaging)
        with kernels(task):
            untrained = nodes.measure()["train_loss"]
            record, times = self._train(context, system, nodes)
            poll([comm.Ibarrier()])  # who is done leaves its core to the others
            system.copy(context.rank, model)
            context.log(self.steps, system.traffic(start.nbytes).totals() | {"again": comm.allreduce(system.again)})
            windows.free()
            means = np.mean(comm.allgather(times), axis=0).tolist()
            context.log(self.steps, {"start_loss": untrained, **dict(zip(TIMES, means, strict=True))})
            records, models = comm.gather(record), comm.gather(model.clone())
            if records and models:
                model.copy_(torch.stack(models).mean(dim=0))
                context.log(self.steps, {"mean_loss": nodes.measure()["train_loss"]})
                differ = self._differ(task, start, list(itertools.chain(*records)), models) if self.replayed else {}
                context.log(self.steps, differ)
            poll([comm.Ibarrier()])

    def partner(self, node: int, step: int) -> int:
        """Return whose model a node reads after a step: another node, drawn at random."""
        return partner_of(self.nodes, self.seed, node, step)

    def descend(self, nodes: Nodes, node: int) -> Tensor:
        """Return the descent of a node's next step, (d,)."""
        return nodes.descent(node)

    def _train(self, context: Context, system: OneSided, nodes: Nodes) -> tuple[list[Interaction], list[float]]:
        """Make all steps of the node of this rank; return what happened, and the times of a batch."""
        node, record, times = context.rank, [], []
        system.windows.comm.Barrier()
        for step in range(self.steps):
            began, at = time.process_time(), time.perf_counter()
            version = system.copy(node, nodes.replicas.parameters[0])
            copied = time.process_time()
            descent = self.descend(nodes, node)
            computed = time.process_time()
            record.append(system.interact(node, self.partner(node, step), descent, version))
            times.append((computed - copied, time.process_time() - began, time.perf_counter() - at))
            if node == 0 and (step + 1) % self.every == 0:
                system.copy(node, nodes.replicas.parameters[0])
                context.log(step + 1, nodes.measure())
                context.on_progress((step + 1) / self.steps)
        return record, np.mean(times[WARM_UP:], axis=0).tolist()

    def _differ(self, task: Task, start: Tensor, record: list[Interaction], models: list[Tensor]) -> dict[str, int]:
        """Make the recorded interactions again, in this process, and count the models that come out otherwise."""
        assert isinstance(self.method, PopSGD)
        nodes = Nodes(self, task, "cpu", range(self.nodes))

        def descend(model: Tensor, node: int, step: int) -> Tensor:
            nodes.replicas.parameters[node].copy_(model)
            return nodes.descent(node)

        again = replay(start, record, descend, self.method.averaging)
        return {"differ": sum(not torch.equal(again[i], model) for i, model in enumerate(models))}
