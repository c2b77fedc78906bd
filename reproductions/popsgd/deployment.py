"""A model of the time per batch of nodes that read each others' models over links (figure 2, right)."""

from __future__ import annotations

import heapq

from algorithms.popsgd.onesided import partner_of
from algorithms.streams import stream


def modelled_seconds(nodes: int, steps: int, compute: float, transfer: float, seed: int = 0) -> float:
    """Return the mean time per batch if reads of one node's model share its link, one after the other.

    Parameters
    ----------
    nodes, steps
        n, and steps of every node.
    compute, transfer
        Seconds of a step's compute, and of a model on an idle link.
    seed
        Keys partners and when nodes start, which is spread over one step.
    """
    if nodes == 1:
        return compute
    ready = [(compute * (1 + float(stream(seed, "start", node).random())), node) for node in range(nodes)]
    heapq.heapify(ready)
    free, made, ends = [0.0] * nodes, [0] * nodes, dict(sorted((node, -at + compute) for at, node in ready))
    while ready:
        now, node = heapq.heappop(ready)
        partner = partner_of(nodes, seed, node, made[node])
        free[partner] = max(now, free[partner]) + transfer
        made[node] += 1
        if made[node] < steps:
            heapq.heappush(ready, (free[partner] + compute, node))
        else:
            ends[node] += free[partner]
    return sum(ends.values()) / nodes / steps
