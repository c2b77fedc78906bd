"""The cluster model on MPI ranks: one rank per process, real messages, shared windows, ranks that are really killed.

Runs the same generators as `scheduler`, over the links of `links` and the registers of `window`. Nobody waits for
a process that is slow, stopped or dead, but where its algorithm waits for messages. Start it with Open MPI's
``mpiexec --with-ft ulfm``, which lets the others live on when a rank is killed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from algorithms.clustersgd.links import Links
from algorithms.clustersgd.log import Log, Note, step
from algorithms.clustersgd.model import (
    Broadcast,
    Clusters,
    Computed,
    Effect,
    Process,
    Read,
    Receive,
    Tag,
    Vector,
    Write,
)
from algorithms.clustersgd.state import Mailbox
from algorithms.clustersgd.window import WindowRegisters

if TYPE_CHECKING:
    from mpi4py import MPI

NAP = 5e-5  # seconds between looks at the network


@dataclass(frozen=True)
class Kill:
    """A process kills itself with SIGKILL when it is about to make its `step`-th step, from 1, or a later one.

    If that is a broadcast, the first `recipients` of the others, in ascending order after its own number, have it, but
    for those that are so far behind that it is not yet under way to them, see `algorithms.clustersgd.links`.
    With `tag`, it waits for its broadcast of this tag or of the next one after it.
    """

    step: int = 1
    recipients: int = 0
    tag: Tag | None = None

    def due(self, made: int, effect: Effect) -> bool:
        """Whether to die instead of the next step."""
        reached = self.tag is None or (isinstance(effect, Broadcast) and effect.tag >= self.tag)
        return reached and made + 1 >= self.step


class Node:
    """One process of the cluster model on its rank; making one is collective.

    Parameters
    ----------
    comm
        Communicator with a rank for every process.
    clusters
        The n processes.
    shape
        Arrays of shared memory, see `WindowRegisters`.
    like
        (d,) vector of the kind that is sent and stored.
    log
        Where events are noted, if they are.
    capacity
        Arrays that are kept in memory, see `WindowRegisters`.

    Raises
    ------
    ValueError
        If there is not one rank for every process.
    """

    def __init__(
        self,
        comm: MPI.Comm,
        clusters: Clusters,
        shape: Tag,
        like: Vector,
        log: Log | None = None,
        capacity: int | None = None,
    ) -> None:
        if comm.Get_size() != clusters.n:
            raise ValueError(f"{clusters.n} processes need as many ranks, but there are {comm.Get_size()}")
        self.log = log
        self.me = comm.Get_rank()
        cluster = comm.Split(clusters.of(self.me), self.me)
        self.mailbox = Mailbox(clusters)
        self.links = Links(comm.Dup(), like, self._arrive)  # messages of one node are not taken for those of another
        self.registers = WindowRegisters(cluster, clusters.peers(self.me), shape, like, capacity)
        self.made = 0

    def run(
        self, process: Process, observe: Callable[[Computed], None] = lambda computed: None, kill: Kill | None = None
    ) -> Vector:
        """Run a process to its end and return its output.

        Parameters
        ----------
        process
            Generator of the process of this rank, not started.
        observe
            Called with what the process says it has computed.
        kill
            When this rank is to die, if it is.
        """
        result: Any = None
        try:
            while True:
                effect = process.send(result)
                if isinstance(effect, Computed):
                    observe(effect)
                    result = None
                    continue
                if kill is not None and kill.due(self.made, effect):
                    self._die(effect, kill.recipients)
                result = self._perform(effect)
                self.made += 1
        except StopIteration as stop:
            self.registers.leave()
            self._note(Note("done"))
            self.log = None  # what arrives from now on is of no account
            return stop.value  # type: ignore[no-any-return]

    def part(self) -> None:
        """Take what the others still send, until all are done or dead: a large message needs its receiver.

        Not part of the algorithms, whose outputs are known before.
        """
        self.links.part(self._rest)

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Read):
            value = self.registers.read(effect.owner, effect.tag)
            self._note(step(effect, seen=value is not None))
            return value
        if isinstance(effect, Receive):
            while not self.mailbox.has(effect):
                self._rest()
        self._note(step(effect))
        if isinstance(effect, Receive):
            return self.mailbox.take(effect)
        if isinstance(effect, Write):
            self.registers.write(effect.tag, effect.value, lambda j: j not in self.links.failed())
        if isinstance(effect, Broadcast):
            self.links.send(effect.tag, effect.value, self.links.others)
            self._arrive(self.me, effect.tag, effect.value)
        return None

    def _arrive(self, sender: int, tag: Tag, value: Vector) -> None:
        self._note(Note("deliver", tag, sender))
        self.mailbox.put(sender, tag, value)

    def _rest(self) -> None:
        if not self.links.poll():
            time.sleep(NAP)

    def _die(self, effect: Effect, recipients: int) -> None:
        if isinstance(effect, Broadcast):
            self._note(step(effect))
            self.links.send(effect.tag, effect.value, self.links.others[:recipients])
        os.kill(os.getpid(), signal.SIGKILL)

    def _note(self, note: Note) -> None:
        if self.log is not None:
            self.log.add(note)
