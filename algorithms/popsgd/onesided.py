"""One-sided PopSGD between MPI ranks (section 6): "to read each others' models for averaging without explicit
synchronization".

Every node repeats, at its own speed: a stochastic gradient at a copy of its model, a partner drawn uniformly among the
other nodes, and one of two rules, in which the partner takes no part:

    one-sided    X^i <- ((X^i - u) + X^j)/2                 the authors' code: only the reader averages
    symmetric    X^i, X^j <- ((X^i - u) + X^j)/2            lines 3 and 6 to 8 of algorithm 1

with u = eta g. The partner makes its own gradient step (line 4) in an interaction of its own, so an interaction is one
SGD step here and two in algorithm 1. By the symmetric rule X^i may have been averaged while its gradient was computed:
then u belongs to an older version of X^i.

The order of interactions is a matter of timing, so two runs of one seed differ. What happened is in the
`Interaction` records: with them `replay` makes bitwise the same models, in one process.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.compiled import kernel, use_512_bits
from algorithms.network import Traffic
from algorithms.popsgd.population import Averaging, checked
from algorithms.popsgd.windows import BEGUN, PUBLISHED, Windows
from algorithms.streams import stream

Row = NDArray[Any]
Descent = Callable[[Tensor, int, int], Tensor]  # (model (d,), node, steps it made before) -> u = eta g, (d,)


class Interaction(NamedTuple):
    """What one interaction read: versions of the models of `node` and `partner`, and at which one u was computed."""

    node: int
    partner: int
    descent: int
    own: int
    other: int


def partner_of(nodes: int, seed: int, node: int, step: int) -> int:
    """Draw a partner uniformly among the other nodes; a single node is its own."""
    if nodes == 1:
        return node
    other = int(stream(seed, "popsgd/partner", node, step).integers(nodes - 1))
    return other + (other >= node)


class OneSided:
    """Averages models in windows; make it on all ranks together.

    Parameters
    ----------
    windows
        The models; with `turns` for the symmetric rule.
    averaging
        ``one-sided`` or ``symmetric``.

    Attributes
    ----------
    reads, writes : (n, n) int64
        Models that row i read from, and wrote to, column j on this rank, those included that were read again.
    again : int
        Reads of partners that a write had torn, and that were made again.
    """

    def __init__(self, windows: Windows, averaging: Averaging = "one-sided") -> None:
        self.windows = windows
        self.symmetric = checked(averaging) == "symmetric"
        nodes = len(windows.models)
        self.reads, self.writes = np.zeros((nodes, nodes), np.int64), np.zeros((nodes, nodes), np.int64)
        self.again = 0
        _compile(windows.models[windows.local.start].get(0).dtype)
        windows.comm.Barrier()

    def copy(self, node: int, out: Tensor) -> int:
        """Copy the newest model of a local node to `out`, (d,), whole; return its version."""
        while True:
            version = self.windows.version(node)
            out.copy_(self.windows.models[node].get(version))
            if self.windows.whole(node, version):
                return version

    def interact(self, i: int, j: int, descent: Tensor | None, computed: int) -> Interaction:
        """Let local node i step by u and average with node j.

        Parameters
        ----------
        i, j
            Node and partner; if they are the same, i only steps.
        descent
            u, (d,); None for no step.
        computed
            Version of the model of i at which u was computed.
        """
        if not self.symmetric:
            return self._average(i, j, descent, computed)
        with self.windows.turn(i, j):
            done = self._average(i, j, descent, computed)
            if i != j:
                self.windows.write(j, done.other + 1, self.windows.models[i].get(done.own + 1))
                self.writes[i, j] += 1
            return done

    def _average(self, i: int, j: int, descent: Tensor | None, computed: int) -> Interaction:
        """X^i <- ((X^i - u) + X^j)/2, beside the version that others may be reading."""
        mine, own = self.windows.models[i], self.windows.version(i)
        mine.count(BEGUN, own + 1)
        x, out = mine.get(own), mine.get(own + 1)
        while True:
            other = self.windows.version(j) if j != i else own
            average(x, descent, self.windows.models[j].get(other) if j != i else None, out)
            self.reads[i, j] += i != j
            if j == i or self.windows.whole(j, other):
                break
            self.again += 1
        mine.count(PUBLISHED, own + 1)
        return Interaction(i, j, computed, own, other)

    def traffic(self, nbytes: int) -> Traffic:
        """Return the ledger of all ranks; collective.

        A model of `nbytes` bytes goes from j to i for every read and from i to j for every write; counters are left
        out, as headers are. There are no phases, so the busiest node is the one of the whole run.
        """
        total = self.windows.comm.allreduce(self.reads.T + self.writes)
        ledger = Traffic(len(total))
        ledger.sent_messages, ledger.received_messages = total.sum(axis=1), total.sum(axis=0)
        ledger.sent_bytes, ledger.received_bytes = nbytes * total.sum(axis=1), nbytes * total.sum(axis=0)
        ledger.busiest_messages = int(max(total.sum(axis=1).max(), total.sum(axis=0).max()))
        ledger.busiest_bytes = nbytes * ledger.busiest_messages
        return ledger


def average(x: Tensor, descent: Tensor | None, y: Tensor | None, out: Tensor) -> None:
    """Write ((x - descent) + y)/2, or x - descent without y, to `out`, all (d,) on the CPU, in one pass."""
    if y is None:
        torch.sub(x, 0.0 if descent is None else descent, out=out)
    elif descent is None:
        _mean(x.numpy(), y.numpy(), out.numpy())
    else:
        _mean_after_step(x.numpy(), descent.numpy(), y.numpy(), out.numpy())


def _compile(dtype: torch.dtype) -> None:
    """Load the compiled loops now: who loads them while others interact falls behind."""
    x = torch.zeros(1, dtype=dtype)
    average(x, None, x, x)
    average(x, x, x, x)


@kernel
def _mean(x: Row, y: Row, out: Row) -> None:
    use_512_bits()
    half = x.dtype.type(0.5)
    for k in range(len(out)):
        out[k] = (x[k] + y[k]) * half


@kernel
def _mean_after_step(x: Row, descent: Row, y: Row, out: Row) -> None:
    use_512_bits()
    half = x.dtype.type(0.5)
    for k in range(len(out)):
        out[k] = ((x[k] - descent[k]) + y[k]) * half


def replay(start: Tensor, record: Iterable[Interaction], descend: Descent, averaging: Averaging) -> dict[int, Tensor]:
    """Make the recorded interactions again, in one process and in an order in which all that they read is there.

    Parameters
    ----------
    start
        (d,) initial model of every node.
    record
        Interactions of all ranks, those of a node in its order.
    descend
        Steps; see `Descent`.
    averaging
        Rule of the record.

    Returns
    -------
    dict of int to Tensor
        Newest models by node, (d,).

    Raises
    ------
    ValueError
        If an interaction read a version that nobody made.
    """
    symmetric = checked(averaging) == "symmetric"
    queues: dict[int, list[Interaction]] = defaultdict(list)
    for item in record:
        queues[item.node].append(item)
    nodes = {*queues} | {item.partner for items in queues.values() for item in items}
    made = {(node, 0): start for node in nodes}
    done = dict.fromkeys(queues, 0)
    while waiting := [node for node, items in queues.items() if done[node] < len(items)]:
        ready = [node for node in waiting if _needs(queues[node][done[node]]) <= made.keys()]
        if not ready:
            raise ValueError(f"no node made what {queues[waiting[0]][done[waiting[0]]]} read")
        for node in ready:
            item = queues[node][done[node]]
            out = torch.empty_like(start)
            u = descend(made[node, item.descent], node, done[node])
            other = made[item.partner, item.other] if item.partner != node else None
            average(made[node, item.own], u, other, out)
            made[node, item.own + 1] = out
            if symmetric and other is not None:
                made[item.partner, item.other + 1] = out
            done[node] += 1
    newest = {node: max(version for at, version in made if at == node) for node in nodes}
    return {node: made[node, version] for node, version in newest.items()}


def _needs(item: Interaction) -> set[tuple[int, int]]:
    own = {(item.node, item.descent), (item.node, item.own)}
    return own | ({(item.partner, item.other)} if item.partner != item.node else set())
