"""Rounds of learning beside a web service, as experiments and as the network of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from algorithms.network import Delivered, Trace
from algorithms.streams import stream
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.rps.colocation.ports import AT_HOST, LEARNING, WEB
from reproductions.rps.colocation.simulation import Fabric, Messages, Outcome, simulate
from reproductions.rps.colocation.traffic import PHASES, Learning, Web

Unit = Literal["packet", "block"]


@dataclass(frozen=True)
class Scene:
    """What shares the fabric, and how.

    Parameters
    ----------
    web, learning, fabric
        The two kinds of traffic and what carries them.
    """

    web: Web
    learning: Learning = field(default_factory=Learning)
    fabric: Fabric = field(default_factory=Fabric)

    @property
    def period(self) -> float:
        """Seconds of a round."""
        return self.learning.period(self.fabric.servers)

    def play(self, seed: int, step: int) -> tuple[Messages, Outcome]:
        """Simulate one round, from an empty network until all messages are through; learning's messages come first.

        Scenes that differ in degrees, queues or rates of links see the same messages in rounds of the same name.
        """
        learning = self.learning.messages(self.fabric, seed, step)
        messages = learning + self.web.messages(self.fabric, self.period, seed, step)
        packets = int((-(-learning.nbytes // self.fabric.packet)).sum())
        late = stream(seed, "colocation/late", step=step).random(packets)
        return messages, simulate(self.fabric, messages, late)


@dataclass(frozen=True)
class Colocation(Experiment):
    """Rounds of a scene, each on its own; one point of figure 6.

    Logged for every round (step): ``completion_ms`` (mean over the web messages of it), ``completion_p99_ms``,
    ``repeated`` (web packets sent again, over those sent), ``learning_loss`` (packets of learning that never arrive,
    over all), ``block_loss`` (blocks that lack a packet), ``host_loss`` (the part of ``learning_loss``, in bytes, that
    is at servers' own ports) and ``learning_gbps`` (what learning offers, over the period).

    Parameters
    ----------
    scene, rounds, seed
        What is simulated, how often, and the key of all draws.
    """

    placement: ClassVar[Placement] = Placement.ALONE
    scene: Scene
    rounds: int
    seed: int

    @property
    def workers(self) -> int:
        """Number of servers, all of which one rank simulates."""
        return self.scene.fabric.servers

    @property
    def cost(self) -> float:
        """Seconds on one core: events, and compilation once in a while."""
        web = self.scene.web.rate * self.scene.period * self.scene.web.nbytes
        learning = self.scene.learning.round_bytes(self.scene.fabric.servers)
        return self.rounds * (0.03 + 6e-7 * (web + learning) / self.scene.fabric.packet)

    def execute(self, context: Context) -> None:
        """Simulate the rounds."""
        context.notes["workload"] = "packet simulation"
        for step in range(self.rounds):
            context.log(step, self._measure(*self.scene.play(self.seed, step)))
            context.on_progress((step + 1) / self.rounds)

    def _measure(self, messages: Messages, outcome: Outcome) -> dict[str, float]:
        web, learning = (messages.kind == kind for kind in (WEB, LEARNING))
        taken, sent = 1e3 * outcome.seconds[web], outcome.packets[web].sum()
        packets, received = outcome.packets[learning], outcome.received[learning]
        offered = messages.nbytes[learning].sum()
        return {
            "completion_ms": taken.mean(),
            "completion_p99_ms": float(np.quantile(taken, 0.99)),
            "repeated": outcome.transmissions[web].sum() / sent - 1,
            "learning_loss": 1 - received.sum() / packets.sum(),
            "block_loss": (received < packets).mean(),
            "host_loss": outcome.lost[AT_HOST, LEARNING] / offered,
            "learning_gbps": 8e-9 * offered / self.scene.period,
        }


@dataclass(frozen=True)
class Colocated:
    """The network that learning sees in a scene, repeated after some rounds.

    Parameters
    ----------
    scene, rounds, seed
        As in `Colocation`.
    unit
        What of a simulated block decides the fate of a message: ``block``, all of its packets have to arrive;
        ``packet``, one of its packets, drawn uniformly, has to: averaging then goes packet by packet, and the message
        stands for the coordinates in that packet.
    """

    scene: Scene
    rounds: int
    seed: int
    unit: Unit = "packet"

    @cached_property
    def trace(self) -> Trace:
        """Losses of all rounds."""
        return Trace.from_table(pd.concat([self._losses(step) for step in range(self.rounds)]), self.rounds)

    def delivered(self, step: int, phase: str, workers: int) -> Delivered:
        """See `algorithms.network.Network`."""
        if workers != self.scene.fabric.servers:
            raise ValueError(f"a scene of {self.scene.fabric.servers} servers is no network of {workers} workers")
        return self.trace.delivered(step, phase, workers)

    def _losses(self, step: int) -> pd.DataFrame:
        messages, outcome = self.scene.play(self.seed, step)
        count = int((messages.kind == LEARNING).sum())
        lost = outcome.received[:count] < outcome.packets[:count]
        if self.unit == "packet":
            draws = stream(self.seed, "colocation/unit", step=step).random(count)
            firsts = np.cumsum(outcome.packets[:count]) - outcome.packets[:count]
            lost = outcome.delivered[firsts + (draws * outcome.packets[:count]).astype(np.int64)] < 0
        table = pd.DataFrame({"source": messages.source[:count], "destination": messages.destination[:count]})
        phases = np.repeat(PHASES, count // 2)
        return table.assign(step=step, phase=phases)[lost]
