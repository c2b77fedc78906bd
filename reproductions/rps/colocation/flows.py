"""The reliable transport: a window that grows and halves, selective acknowledgements and a retransmission timer.

What TCP does on one path, without its header fields: slow start from an initial window (RFC 6928), congestion
avoidance, a window that is halved at most once per window of losses (RFC 6675), a packet given up when one sent three
later is acknowledged, and a timeout of mean + 4 deviations of the round trip (RFC 6298) with a floor, doubled when it
expires. Acknowledgements take a fixed time and are never lost. Every message starts a connection of its own.
"""

from __future__ import annotations

import heapq
from typing import Any

from algorithms.compiled import kernel
from reproductions.rps.colocation.ports import ACKNOWLEDGED, IN_FLIGHT, MISSING, enter, take_node

REORDERING = 3  # acknowledged later packets that give a packet up
DOUBLINGS = 6  # of the floor, the longest timeout that doubling leads to


@kernel
def open_flow(net: Any, m: int, now: int, transport: Any, timers: Any, nanoseconds: int, share: float) -> None:
    """Start a message: `transport` is (initial window, timeout floor, first timeout, acknowledgement delay)."""
    message = net.messages[m]
    message.window = transport[0]
    message.threshold = 1e18
    message.timeout = transport[2]
    message.deadline = now + message.timeout
    heapq.heappush(timers, (message.deadline, m))
    _fill(net, m, now, nanoseconds, share)


@kernel
def acknowledge(net: Any, node: int, now: int, floor: int, nanoseconds: int, share: float) -> None:
    """Take in the acknowledgement of one transmission."""
    at = net.nodes[node]
    packet = net.packets[at.packet]
    message = net.messages[packet.message]
    if packet.state == ACKNOWLEDGED:
        return
    if packet.state == MISSING:
        message.missing -= 1
    else:
        message.outstanding -= 1
    if packet.transmission == at.transmission:
        _time_out_after(message, now - packet.sent, floor)
    packet.state = ACKNOWLEDGED
    message.acknowledged += 1
    message.window += 1.0 if message.window < message.threshold else 1.0 / message.window
    message.deadline = now + message.timeout
    if message.outstanding > message.transmissions - at.transmission - 1:
        _give_up(net, message, at.transmission)
    _fill(net, packet.message, now, nanoseconds, share)


@kernel
def expire(net: Any, m: int, now: int, floor: int, timers: Any, nanoseconds: int, share: float) -> None:
    """Handle the timer of a message: if its deadline has passed, all that is in flight is taken for lost."""
    message = net.messages[m]
    if message.acknowledged == message.packets:
        return
    if message.deadline <= now:
        message.threshold = max(message.window / 2, 2.0)
        message.window = 1.0
        message.recovery = message.transmissions
        message.timeout = min(2 * message.timeout, floor << DOUBLINGS)
        message.deadline = now + message.timeout
        for p in range(message.first, message.first + message.packets):
            if net.packets[p].state == IN_FLIGHT:
                net.packets[p].state = MISSING
                message.missing += 1
        message.outstanding = 0
        _fill(net, m, now, nanoseconds, share)
    heapq.heappush(timers, (message.deadline, m))


@kernel
def _fill(net: Any, m: int, now: int, nanoseconds: int, share: float) -> None:
    """Send what the window allows: first what is missing, then what is new."""
    message = net.messages[m]
    while message.outstanding < int(message.window):
        if message.missing > 0:
            p = message.first
            while net.packets[p].state != MISSING:
                p += 1
            message.missing -= 1
        elif message.fresh < message.packets:
            p = message.first + message.fresh
            message.fresh += 1
        else:
            return
        packet = net.packets[p]
        packet.state, packet.sent, packet.transmission = IN_FLIGHT, now, message.transmissions
        if message.outstanding == 0:
            message.deadline = now + message.timeout
        message.transmissions += 1
        message.outstanding += 1
        enter(net, message.source, take_node(net, p, packet.transmission), now, nanoseconds, share)


@kernel
def _give_up(net: Any, message: Any, acknowledged: int) -> None:
    """Mark what was sent three transmissions before the acknowledged one, and halve the window once for all of it."""
    for p in range(message.first, message.first + message.packets):
        packet = net.packets[p]
        if packet.state == IN_FLIGHT and packet.transmission + REORDERING <= acknowledged:
            packet.state = MISSING
            message.missing += 1
            message.outstanding -= 1
            if packet.transmission >= message.recovery:
                message.threshold = max(message.window / 2, 2.0)
                message.window = message.threshold
                message.recovery = message.transmissions


@kernel
def _time_out_after(message: Any, rtt: int, floor: int) -> None:
    """Take a round trip into the timeout (RFC 6298)."""
    if message.mean_rtt == 0:
        message.mean_rtt, message.deviation = rtt, rtt / 2
    else:
        message.deviation += (abs(rtt - message.mean_rtt) - message.deviation) / 4
        message.mean_rtt += (rtt - message.mean_rtt) / 8
    message.timeout = int(message.mean_rtt + max(4 * message.deviation, floor))
