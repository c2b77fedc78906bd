"""Ports of servers and of the switch: finite queues of two classes and the scheduler that chooses between them.

Port i is the link from server i to the switch, port n + i the link from the switch to server i. A packet that ends its
time on the first is at the second: delays that are the same for all packets are added where it is delivered. All times
are whole nanoseconds, so simulations are bitwise reproducible.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from algorithms.compiled import kernel

NEVER = 1 << 55
NONE = np.int32(-1)
UPPER, LOWER = 0, 1  # queues of a port
WEB, LEARNING = 0, 1  # kinds of traffic
AT_HOST, AT_SWITCH = 0, 1
IN_FLIGHT, MISSING, ACKNOWLEDGED = 1, 2, 3  # what a reliable sender knows of a packet; 0 until it is sent

# `recovery`: transmissions that were made when the window was last reduced; `fresh`: packets sent at least once
MESSAGE = np.dtype(
    [
        *((name, np.int64) for name in ("start", "finish", "timeout", "deadline", "recovery")),
        *((name, np.float64) for name in ("window", "threshold", "mean_rtt", "deviation")),
        *((name, np.int32) for name in ("source", "destination", "kind", "queue", "first", "packets")),
        *(
            (name, np.int32)
            for name in ("fresh", "transmissions", "outstanding", "missing", "acknowledged", "received")
        ),
        ("reliable", np.bool_),
    ],
    align=True,
)
PACKET = np.dtype(
    [("sent", np.int64), ("delivered", np.int64)]
    + [(name, np.int32) for name in ("message", "size", "transmission", "state")],
    align=True,
)
NODE = np.dtype([("due", np.int64), ("packet", np.int32), ("transmission", np.int32), ("next", np.int32)], align=True)
PORT = np.dtype(
    [("limit", np.int64), ("since", np.int64), ("area", np.int64), ("clock", np.float64)]
    + [(name, np.int32) for name in ("serving", "held")],
    align=True,
)
QUEUE = np.dtype(
    [("backlog", np.int64), ("tag", np.float64), ("head", np.int32), ("tail", np.int32)],
    align=True,
)


class State(NamedTuple):
    """State of a simulation.

    Attributes
    ----------
    next_event
        (2n + 4,) time of the next departure from every port, then of the four events of `events`.
    messages, packets, nodes
        Records; a node is one transmission of a packet, unused ones are linked from ``cursor[0]``, and
        acknowledgements on their way from ``cursor[1]`` to ``cursor[2]``.
    ports, queues
        (2n,) and (2n, 2) records.
    lost, entered, arrived
        Bytes by kind of traffic: (2, 2) lost at servers and at the switch, (2,) into servers' ports, (2,) arrived.
    """

    next_event: Any
    messages: Any
    packets: Any
    nodes: Any
    cursor: Any
    ports: Any
    queues: Any
    lost: Any
    entered: Any
    arrived: Any


@kernel
def take_node(net: Any, packet: int, transmission: int) -> Any:
    """Return a node for one transmission of a packet."""
    node = net.cursor[0]
    if node < 0:
        raise MemoryError("more packets are on their way at once than twice all packets of all messages")
    net.cursor[0] = net.nodes[node].next
    net.nodes[node].packet = packet
    net.nodes[node].transmission = transmission
    return node


@kernel
def free_node(net: Any, node: int) -> None:
    """Give a node back."""
    net.nodes[node].next = net.cursor[0]
    net.cursor[0] = node


@kernel
def enter(net: Any, port: int, node: int, now: int, nanoseconds: int, share: float) -> None:
    """Let a packet enter a port: serve it, let it wait in the queue of its class, or lose it if that queue is full.

    The socket of a reliable sender waits for its own server's port, which therefore never loses its packets.
    """
    place = net.ports[port]
    packet = net.packets[net.nodes[node].packet]
    message = net.messages[packet.message]
    queue = net.queues[port, message.queue]
    servers = len(net.ports) // 2
    if port < servers:
        net.entered[message.kind] += packet.size
    waits = port < servers and message.reliable
    if place.serving >= 0 and queue.backlog + packet.size > place.limit and not waits:
        net.lost[int(port >= servers), message.kind] += packet.size
        free_node(net, node)
        return
    _count(place, now, 1)
    if place.serving < 0:
        queue.tag = max(place.clock, queue.tag) + packet.size / _weight(message.queue, share)
        _serve(net, port, node, queue.tag, now, nanoseconds)
        return
    net.nodes[node].next = NONE
    if queue.head < 0:
        queue.tag = max(place.clock, queue.tag) + packet.size / _weight(message.queue, share)
        queue.head = node
    else:
        net.nodes[queue.tail].next = node
    queue.tail = node
    queue.backlog += packet.size


@kernel
def depart(net: Any, port: int, now: int, nanoseconds: int, share: float) -> Any:
    """End the service of a port, start the next, and return the node that leaves."""
    place = net.ports[port]
    leaving = place.serving
    _count(place, now, -1)
    chosen = _choose(net.queues[port, UPPER], net.queues[port, LOWER], share)
    if chosen < 0:
        place.serving = NONE
        net.next_event[port] = NEVER
        return leaving
    queue = net.queues[port, chosen]
    node, tag = queue.head, queue.tag
    queue.backlog -= net.packets[net.nodes[node].packet].size
    queue.head = net.nodes[node].next
    if queue.head >= 0:
        queue.tag += net.packets[net.nodes[queue.head].packet].size / _weight(chosen, share)
    _serve(net, port, node, tag, now, nanoseconds)
    return leaving


@kernel
def _choose(upper: Any, lower: Any, share: float) -> int:
    """Choose a queue by self-clocked fair queueing (Golestani 1994); a share of 1 is strict priority."""
    if upper.head < 0 and lower.head < 0:
        return -1
    if lower.head < 0:
        return UPPER
    if upper.head < 0:
        return LOWER
    return UPPER if share >= 1 or upper.tag <= lower.tag else LOWER


@kernel
def _weight(queue: int, share: float) -> float:
    """Return the share of a queue; tags mean nothing under strict priority."""
    if share >= 1:
        return 1.0
    return share if queue == UPPER else 1 - share


@kernel
def _serve(net: Any, port: int, node: int, tag: float, now: int, nanoseconds: int) -> None:
    net.ports[port].serving = node
    net.ports[port].clock = tag
    net.next_event[port] = now + net.packets[net.nodes[node].packet].size * nanoseconds


@kernel
def _count(place: Any, now: int, change: int) -> None:
    """Count the packets in a port, and their number integrated over time."""
    place.area += place.held * (now - place.since)
    place.since = now
    place.held += change
