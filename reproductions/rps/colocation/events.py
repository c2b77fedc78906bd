"""The event loop: departures from ports, messages that start, packets that are injected, acknowledgements, timers."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from algorithms.compiled import kernel
from reproductions.rps.colocation.flows import acknowledge, expire, open_flow
from reproductions.rps.colocation.ports import NEVER, NONE, depart, enter, free_node, take_node


@kernel
def run(
    net: Any, opening: Any, injected: Any, at: Any, transport: Any, share: float, nanoseconds: int, until: int
) -> int:
    """Run all events before `until`.

    Parameters
    ----------
    net
        See `ports.State`.
    opening
        Reliable messages in the order of their start.
    injected, at
        Packets of unreliable messages in the order in which they enter their server's port, and when.
    transport
        See `flows.open_flow`.
    share
        Of a link that the upper class has while both classes wait, in (0, 1]; 1 is strict priority.
    nanoseconds
        Time of a byte on a link.

    Returns
    -------
    int
        Number of events.
    """
    ports = len(net.ports)
    opens, injects, acknowledges, expires = ports, ports + 1, ports + 2, ports + 3
    timers = [(np.int64(NEVER), np.int64(0))]  # and their messages; the last one never expires
    opened, entered, events = 0, 0, 0
    while True:
        event, now = _next(net.next_event)
        if now >= until:
            return events
        events += 1
        if event < ports:
            _leave(net, event, now, transport[3], nanoseconds, share)
        elif event == opens:
            open_flow(net, opening[opened], now, transport, timers, nanoseconds, share)
            opened += 1
            more = opened < len(opening)
            net.next_event[opens] = net.messages[opening[opened]].start if more else NEVER
            net.next_event[expires] = timers[0][0]
        elif event == injects:
            node = take_node(net, injected[entered], 0)
            enter(net, _message(net, node).source, node, now, nanoseconds, share)
            entered += 1
            net.next_event[injects] = at[entered] if entered < len(at) else NEVER
        elif event == acknowledges:
            node = _next_acknowledgement(net, acknowledges)
            acknowledge(net, node, now, transport[1], nanoseconds, share)
            free_node(net, node)
        else:
            expire(net, int(heapq.heappop(timers)[1]), now, transport[1], timers, nanoseconds, share)
            net.next_event[expires] = timers[0][0]


@kernel
def _next(next_event: Any) -> Any:
    """Return the first event, of those at the same time the one with the lowest number, and its time."""
    first = NEVER << 7
    for i in range(len(next_event)):  # one reduction, which compilers turn into vectors
        first = min(first, (next_event[i] << 7) | i)
    return first & 127, first >> 7


@kernel
def _message(net: Any, node: int) -> Any:
    return net.messages[net.packets[net.nodes[node].packet].message]


@kernel
def _leave(net: Any, port: int, now: int, delay: int, nanoseconds: int, share: float) -> None:
    """Let a packet leave a port: that of a server for the switch, that of the switch for its destination."""
    node = depart(net, port, now, nanoseconds, share)
    servers = len(net.ports) // 2
    if port < servers:
        enter(net, servers + _message(net, node).destination, node, now, nanoseconds, share)
    else:
        _deliver(net, node, now, delay)


@kernel
def _deliver(net: Any, node: int, now: int, delay: int) -> None:
    """Hand a packet to its destination, which acknowledges reliable ones after a delay."""
    packet, message = net.packets[net.nodes[node].packet], _message(net, node)
    net.arrived[message.kind] += packet.size
    if packet.delivered < 0:
        packet.delivered = now
        message.received += 1
        if message.received == message.packets:
            message.finish = now
    if message.reliable:
        _send_acknowledgement(net, node, now + delay)
    else:
        free_node(net, node)


@kernel
def _send_acknowledgement(net: Any, node: int, due: int) -> None:
    net.nodes[node].due, net.nodes[node].next = due, NONE
    if net.cursor[1] < 0:
        net.cursor[1] = node
        net.next_event[len(net.ports) + 2] = due
    else:
        net.nodes[net.cursor[2]].next = node
    net.cursor[2] = node


@kernel
def _next_acknowledgement(net: Any, event: int) -> Any:
    """Take the first acknowledgement off its list: all take the same time, so they arrive in the order sent."""
    node = net.cursor[1]
    net.cursor[1] = net.nodes[node].next
    net.next_event[event] = net.nodes[net.cursor[1]].due if net.cursor[1] >= 0 else NEVER
    return node
