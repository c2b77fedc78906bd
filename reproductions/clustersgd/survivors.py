"""Algorithm 2 on MPI ranks, some of which are killed: many launches of a problem so small that they mostly start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from algorithms.clustersgd.model import Clusters, Computed, Vector
from algorithms.clustersgd.ranks import Kill, Node
from algorithms.clustersgd.sgd import GeneralSGD
from algorithms.schedule import Constant
from algorithms.streams import stream
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement

CLUSTERS = Clusters(((0, 1), (2,), (3,)))
RATE, DEVIATION = 0.1, 1.0


@dataclass(frozen=True)
class Survivors(Experiment):
    """Four processes in clusters of two, one and one: one of the first is killed with SIGKILL, and one of the others.

    So a whole cluster dies, and a process is left that is alone in its own. Who is killed, in the middle of which
    broadcast, and how many have it is drawn from the seed. The problem is |x|^2/2 from (1, ..., 1) with normal noise.
    Logged at the end: ``survivors``, how many processes have an output that is finite; ``lonely``, how many of these
    had at least one cluster mate, all of whom are dead; ``after``: iterations computed since the last scheduled death,
    the minimum over the lonely survivors; ``error``, the mean over the survivors of |x_{T+1}|^2, and ``whole_error``,
    the same in a run before, of the same processes, in which nobody is killed.

    Parameters
    ----------
    seed
        Keys noise and deaths.
    iterations, d
        T, and coordinates.
    """

    placement: ClassVar[Placement] = Placement.MORTAL

    seed: int
    iterations: int = 60
    d: int = 200

    @property
    def workers(self) -> int:
        """One rank for every process."""
        return CLUSTERS.n

    @property
    def cost(self) -> float:
        """Mostly the start of the ranks."""
        return 5.0

    @property
    def algorithm(self) -> GeneralSGD:
        """Algorithm 2, which tolerates the kills."""
        T = self.iterations
        return GeneralSGD(CLUSTERS, T, 2, Constant(RATE), 2, contraction=0.9, output=T, failed_clusters=1)

    @property
    def kills(self) -> dict[int, Kill]:
        """Who dies when: in the second quarter of the run, which leaves half of it to the survivors."""
        rng = stream(self.seed, "clustersgd/survivors")
        quarter = self.iterations // 4
        victims = [int(rng.integers(2)), 2 + int(rng.integers(2))]
        times = rng.integers(quarter, 2 * quarter, size=2)
        reached = rng.integers(CLUSTERS.n, size=2)
        return {i: Kill(recipients=int(r), tag=(int(t),)) for i, t, r in zip(victims, times, reached, strict=True)}

    def execute(self, context: Context) -> None:
        """Run twice, and leave the survivors in ``context.comm``."""
        assert context.comm is not None
        context.notes["workload"] = "quadratic"
        me = context.rank
        whole, _ = self._run(context, None)
        mine, computed = self._run(context, self.kills.get(me))
        living = context.comm = context.comm.Shrink()
        found = living.allgather((me, mine, whole, computed))
        alive = {i for i, x, _, _ in found if np.isfinite(x).all()}
        lonely = {i for i in alive if len(CLUSTERS.peers(i)) > 1 and not alive & set(CLUSTERS.peers(i)) - {i}}
        last = max(kill.tag[0] for kill in self.kills.values() if kill.tag)
        after = min((t - last for i, _, _, t in found if i in lonely), default=0)
        errors = {"error": [x @ x for _, x, _, _ in found], "whole_error": [x @ x for _, _, x, _ in found]}
        counts: dict[str, float] = {"survivors": len(alive), "lonely": len(lonely), "after": after}
        context.log(self.iterations, counts | {name: float(np.mean(values)) for name, values in errors.items()})

    def _run(self, context: Context, kill: Kill | None) -> tuple[Vector, int]:
        """Return the x that this process has computed last, and in which iteration."""
        assert context.comm is not None
        start, seen = np.ones(self.d), {0: np.ones(self.d)}

        def gradient(i: int, t: int, x: Vector) -> Vector:
            noise = stream(self.seed, "clustersgd/noise", i, t).standard_normal(self.d)
            return np.asarray(x + DEVIATION * noise)

        def observe(computed: Computed) -> None:
            if len(computed.tag) == 1:
                seen[computed.tag[0]] = computed.value

        node = Node(context.comm, CLUSTERS, self.algorithm.arrays, start)
        node.run(self.algorithm.process(node.me, start, gradient), observe, kill)
        node.part()
        last = max(seen)
        return seen[last], last
